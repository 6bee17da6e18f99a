//! Files that messages carry: what is known of one, how large it may be, and what of its name is kept.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::id::{FileId, RoomId};
use super::name::is_hidden;

/// Largest file, in bytes.
pub const FILE_BYTES: u64 = 25 * 1024 * 1024;
/// Most files of one message.
pub const FILES_MAX: usize = 10;
/// How much of one person's uploads may wait for a message, in bytes.
pub const WAITING_BYTES: u64 = 200 * 1024 * 1024;
/// What the smallest file counts as, in bytes: each has a row and a folder.
pub const FILE_LEAST: u64 = 64 * 1024;
/// Widths of a picture's previews, in pixels: a tile, a picture in a message, the same on a dense screen.
pub const PREVIEW_WIDTHS: [u32; 3] = [360, 720, 1440];
/// Longest name, in characters.
const NAME_CHARS: usize = 120;
/// How much of its end is kept when a name is shortened, so that its kind can still be told, in characters.
const ENDING_CHARS: usize = 12;
/// What a file without a usable name is called.
const NAMELESS: &str = "file";

/// A file as readers see it. The same is stored with its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub id: FileId,
    pub name: String,
    /// Media type, by what the bytes are.
    #[serde(rename = "type")]
    pub media_type: String,
    pub bytes: u64,
    /// Upright, in pixels: for pictures, which alone have it.
    #[serde(flatten)]
    pub size: Option<Size>,
}

/// A picture's size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl File {
    /// Something that is shown as a picture: it was decoded once, whole.
    pub fn is_picture(&self) -> bool {
        self.size.is_some()
    }

    /// `image` or `file`: the `kind` of the frames.
    pub fn kind(&self) -> &'static str {
        if self.is_picture() { "image" } else { "file" }
    }

    /// A picture that may move, and is shown as it is.
    pub fn may_move(&self) -> bool {
        self.is_picture() && self.media_type == "image/gif"
    }

    /// Shown in the browser where it is opened, not saved.
    pub fn opens(&self) -> bool {
        self.is_picture() || self.is_plain_text()
    }

    /// The end of its name, by which people know what it is; empty if there is none.
    pub fn ending(&self) -> &str {
        match self.name.rsplit_once('.') {
            Some((stem, ending)) if !stem.is_empty() && ending.chars().count() <= 5 && ending.chars().all(char::is_alphanumeric) => ending,
            _ => "",
        }
    }

    pub fn is_plain_text(&self) -> bool {
        self.media_type == PLAIN_TEXT
    }

    /// Where it is read, by the room's members.
    pub fn url(&self, room: RoomId) -> String {
        let mut url = format!("/rooms/{room}/files/{}/", self.id);
        for byte in self.name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(byte as char),
                // Writing to a String cannot fail.
                _ => drop(write!(url, "%{byte:02X}")),
            }
        }
        url
    }

    /// Which preview serves best where one of this width is asked for: the widest that was made, up to it. Nothing for what is no picture.
    pub fn preview(&self, wanted: u32) -> Option<u32> {
        let size = self.size?;
        preview_widths(size).filter(|width| *width <= wanted).last().or(Some(PREVIEW_WIDTHS[0]))
    }
}

/// The type of text that is shown as text.
pub const PLAIN_TEXT: &str = "text/plain";

/// The previews that are made of a picture: up to the first that is as wide as itself.
pub fn preview_widths(size: Size) -> impl Iterator<Item = u32> {
    let enough = PREVIEW_WIDTHS.iter().position(|width| *width >= size.width).unwrap_or(PREVIEW_WIDTHS.len() - 1);
    PREVIEW_WIDTHS.into_iter().take(enough + 1)
}

/// What is kept of the name that a file came with: its last part, without what cannot be seen or turns the line around, and not too long.
/// Nothing is refused for its name.
pub fn file_name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last.nfc().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !is_hidden(*c)).collect();
    let name = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.trim_matches('.').is_empty() {
        return NAMELESS.to_owned();
    }
    let count = name.chars().count();
    if count <= NAME_CHARS {
        return name;
    }
    let ending = match name.rsplit_once('.') {
        Some((_, ending)) if ending.chars().count() < ENDING_CHARS => format!(".{ending}"),
        _ => String::new(),
    };
    let stem: String = name.chars().take(NAME_CHARS - 1 - ending.chars().count()).collect();
    format!("{}…{ending}", stem.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_what_people_can_see() {
        for (given, kept) in [
            ("photo.jpg", "photo.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\ada\\notes.txt", "notes.txt"),
            ("a\u{0}b\u{7}c.txt", "abc.txt"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            (" two\n\tlines .png ", "two lines .png"),
            ("Cafe\u{301}.png", "Café.png"),
            ("报告 最终.pdf", "报告 最终.pdf"),
            ("", "file"),
            ("..", "file"),
            ("/", "file"),
            ("\u{200b}\u{202e}", "file"),
            (".htaccess", ".htaccess"),
        ] {
            assert_eq!(file_name(given), kept, "{given:?}");
        }
        let long = file_name(&format!("{}.tar.gz", "x".repeat(400)));
        assert_eq!((long.chars().count(), long.ends_with("x….gz")), (NAME_CHARS, true), "{long}");
        assert_eq!(file_name(&"字".repeat(400)).chars().count(), NAME_CHARS);
    }

    fn picture(width: u32, height: u32) -> File {
        File {
            id: FileId(uuid::Uuid::nil()),
            name: "a b/ü?.png".to_owned(),
            media_type: "image/png".to_owned(),
            bytes: 5,
            size: Some(Size { width, height }),
        }
    }

    #[test]
    fn addresses_hold_any_name() {
        let room = RoomId(uuid::Uuid::nil());
        assert!(picture(1, 1).url(room).ends_with("/a%20b%2F%C3%BC%3F.png"));
    }

    #[test]
    fn previews_are_as_wide_as_they_need_be() {
        for (width, wanted, found) in
            [(100, 720, 360), (360, 1440, 360), (500, 1440, 720), (500, 360, 360), (4000, 720, 720), (4000, 1440, 1440)]
        {
            assert_eq!(picture(width, 10).preview(wanted), Some(found), "{wanted} of {width}");
        }
        assert_eq!(File { size: None, ..picture(1, 1) }.preview(720), None);
    }

    #[test]
    fn a_file_is_stored_as_it_is_sent() {
        let file = picture(3, 4);
        let json = serde_json::to_value(&file).unwrap();
        assert_eq!((&json["width"], &json["type"]), (&3.into(), &"image/png".into()));
        assert_eq!(serde_json::from_value::<File>(json).unwrap(), file);
        let plain = File { size: None, ..file };
        let json = serde_json::to_value(&plain).unwrap();
        assert!(json.get("width").is_none());
        assert_eq!(serde_json::from_value::<File>(json).unwrap(), plain);
    }
}
