//! The folder where the bytes of files lie, whatever the database: `files/xx/STORED/original`, with a picture's previews beside it.
//!
//! Bytes come into `files/arriving/STORED` and are flushed to disk there. Only then a row says that they are stored, and after that the
//! folder is moved to its place, in one step. So of an upload that is cut off nothing stays but a folder in `arriving`, which a start
//! removes, or moves if the row is there. Nothing else is ever removed because a row is missing: a server that was started with another
//! database destroys nothing.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs;

/// What has no place yet.
const ARRIVING: &str = "arriving";
const ORIGINAL: &str = "original";

/// The folder `files`.
#[derive(Clone, Debug)]
pub struct Shelf {
    root: PathBuf,
}

/// The folder of an upload that is coming in. Dropped, it is gone.
#[derive(Debug)]
pub struct Arriving {
    pub stored: String,
    folder: PathBuf,
    has_place: bool,
}

impl Shelf {
    pub async fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root.join(ARRIVING)).await?;
        Ok(Self { root: root.to_owned() })
    }

    /// A folder for new bytes; `stored` is a name that nothing else has.
    pub async fn arrive(&self, stored: String) -> io::Result<Arriving> {
        let folder = self.arriving(&stored);
        fs::create_dir(&folder).await?;
        Ok(Arriving { stored, folder, has_place: false })
    }

    /// Moves what has come, and is stored in the database, to its place.
    pub async fn place(&self, mut arriving: Arriving) -> io::Result<()> {
        arriving.has_place = true;
        self.place_left_over(&arriving.stored).await
    }

    /// The same after a crash.
    pub async fn place_left_over(&self, stored: &str) -> io::Result<()> {
        let place = self.folder(stored);
        let group = place.parent().unwrap_or(&self.root);
        fs::create_dir_all(group).await?;
        fs::rename(self.arriving(stored), &place).await?;
        sync_folder(group).await?;
        sync_folder(&self.root).await
    }

    /// Uploads that were under way when the server ended.
    pub async fn left_over(&self) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let mut entries = fs::read_dir(self.root.join(ARRIVING)).await?;
        while let Some(entry) = entries.next_entry().await? {
            found.extend(entry.file_name().into_string());
        }
        Ok(found)
    }

    /// Removes the bytes, wherever they are.
    pub async fn remove(&self, stored: &str) -> io::Result<()> {
        for folder in [self.folder(stored), self.arriving(stored)] {
            match fs::remove_dir_all(folder).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    pub fn original(&self, stored: &str) -> PathBuf {
        self.folder(stored).join(ORIGINAL)
    }

    pub fn preview(&self, stored: &str, width: u32) -> PathBuf {
        self.folder(stored).join(width.to_string())
    }

    /// The end of the name is its random part: the groups are of equal size.
    fn folder(&self, stored: &str) -> PathBuf {
        let group = stored.get(stored.len().saturating_sub(2)..).unwrap_or("--");
        self.root.join(group).join(stored)
    }

    fn arriving(&self, stored: &str) -> PathBuf {
        self.root.join(ARRIVING).join(stored)
    }
}

impl Arriving {
    /// Leaves it where it is, for the next start to decide.
    pub fn keep(mut self) {
        self.has_place = true;
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn original(&self) -> PathBuf {
        self.folder.join(ORIGINAL)
    }

    /// Everything of it is on disk, and is found there after a loss of power.
    pub async fn flush(&self) -> io::Result<()> {
        let mut entries = fs::read_dir(&self.folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            fs::File::open(entry.path()).await?.sync_all().await?;
        }
        sync_folder(&self.folder).await?;
        match self.folder.parent() {
            Some(parent) => sync_folder(parent).await,
            None => Ok(()),
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if !self.has_place
            && let Err(error) = std::fs::remove_dir_all(&self.folder)
        {
            tracing::warn!(%error, "an upload that was given up cannot be removed; the next start does");
        }
    }
}

async fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder).await?.sync_all().await
}
