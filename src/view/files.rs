//! What a message carries, as it is shown: pictures in sizes that are known before they have come, so that nothing jumps.

use crate::domain::file::{File, PREVIEW_WIDTHS};
use crate::domain::id::RoomId;

/// Largest picture of a message that carries one, in CSS pixels: most of the column's width, half of a screen's height.
const ALONE: (u32, u32) = (480, 384);

/// A picture in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture<'a> {
    pub name: &'a str,
    /// The original.
    pub href: String,
    pub src: String,
    /// For screens with two dots a pixel; empty where nothing sharper was made.
    pub sharper: String,
    /// For who wants nothing to move; empty where nothing does.
    pub still: String,
    pub width: u32,
    pub height: u32,
}

/// The pictures among a message's files. One stands alone in its own shape; several are tiles of one size.
pub fn pictures(files: &[File], room: RoomId) -> Vec<Picture<'_>> {
    let shown: Vec<&File> = files.iter().filter(|file| file.is_picture()).collect();
    let is_alone = shown.len() == 1;
    shown.into_iter().filter_map(|file| picture(file, room, is_alone)).collect()
}

fn picture(file: &File, room: RoomId, is_alone: bool) -> Option<Picture<'_>> {
    let size = file.size?;
    let (width, height) = match is_alone {
        true => fit((size.width, size.height), ALONE),
        false => (size.width, size.height),
    };
    let href = file.url(room);
    let drawn = if is_alone { width } else { PREVIEW_WIDTHS[0] / 2 };
    let preview = |wanted: u32| {
        let at_least = PREVIEW_WIDTHS.into_iter().find(|made| *made >= wanted).unwrap_or(PREVIEW_WIDTHS[PREVIEW_WIDTHS.len() - 1]);
        file.preview(at_least).map(|made| format!("{href}?w={made}"))
    };
    let src = preview(drawn)?;
    let sharper = preview(2 * drawn).filter(|sharper| *sharper != src).unwrap_or_default();
    let picture = match file.may_move() {
        true => {
            Picture { name: &file.name, still: format!("{src}&still=1"), src: href.clone(), sharper: String::new(), href, width, height }
        }
        false => Picture { name: &file.name, href, src, sharper, still: String::new(), width, height },
    };
    Some(picture)
}

/// The largest size of this shape inside the box; never larger than it is.
fn fit((width, height): (u32, u32), (most_wide, most_high): (u32, u32)) -> (u32, u32) {
    let (wide, high) = (u64::from(width.max(1)), u64::from(height.max(1)));
    let (wide, high) = match (wide <= u64::from(most_wide), high <= u64::from(most_high)) {
        (true, true) => (wide, high),
        _ if wide * u64::from(most_high) > high * u64::from(most_wide) => (u64::from(most_wide), high * u64::from(most_wide) / wide),
        _ => (wide * u64::from(most_high) / high, u64::from(most_high)),
    };
    (wide.max(1) as u32, high.max(1) as u32)
}

/// `1.4 MB`: what a file weighs, as both languages write it. Never less than a kilobyte: who looks wants to know whether it is much.
pub fn weight(bytes: &u64) -> String {
    match bytes {
        0..=999_499 => format!("{} kB", ((bytes + 500) / 1000).max(1)),
        999_500..=9_949_999 => format!("{}.{} MB", (bytes + 50_000) / 1_000_000, (bytes + 50_000) / 100_000 % 10),
        _ => format!("{} MB", (bytes + 500_000) / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::file::Size;
    use crate::domain::id::FileId;

    fn file(width: u32, height: u32) -> File {
        let size = Some(Size { width, height });
        File { id: FileId(Uuid::nil()), name: "a.png".into(), media_type: "image/png".into(), bytes: 1, size }
    }

    #[test]
    fn pictures_keep_their_shape_and_are_never_blown_up() {
        for (size, shown) in [
            ((100, 50), (100, 50)),
            ((4000, 3000), (480, 360)),
            ((3000, 4000), (288, 384)),
            ((480, 384), (480, 384)),
            ((20_000, 1), (480, 1)),
            ((1, 20_000), (1, 384)),
            ((960, 768), (480, 384)),
        ] {
            assert_eq!(fit(size, ALONE), shown, "{size:?}");
        }
    }

    #[test]
    fn a_preview_is_chosen_for_where_it_is_drawn() {
        let room = RoomId(Uuid::nil());
        let one = [file(4000, 3000)];
        let [alone] = pictures(&one, room).try_into().unwrap();
        assert!(alone.src.ends_with("?w=720") && alone.sharper.ends_with("?w=1440"), "{alone:?}");
        let one = [file(300, 300)];
        let [small] = pictures(&one, room).try_into().unwrap();
        assert!(small.src.ends_with("?w=360") && small.sharper.is_empty(), "{small:?}");
        let two = [file(4000, 3000), file(400, 3000)];
        let [tile, other] = pictures(&two, room).try_into().unwrap();
        assert!(tile.src.ends_with("?w=360") && tile.sharper.is_empty() && (tile.width, tile.height) == (4000, 3000), "{tile:?}");
        assert!(other.src.ends_with("?w=360"), "{other:?}");
        let moving = [File { media_type: "image/gif".into(), ..file(500, 500) }];
        let [moving] = pictures(&moving, room).try_into().unwrap();
        assert!(moving.src == moving.href && moving.still.ends_with("?w=720&still=1"), "{moving:?}");
    }

    #[test]
    fn weights_are_read_at_a_glance() {
        for (bytes, said) in [
            (1, "1 kB"),
            (1499, "1 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (1_449_999, "1.4 MB"),
            (9_949_999, "9.9 MB"),
            (9_950_000, "10 MB"),
            (26_214_400, "26 MB"),
        ] {
            assert_eq!(weight(&bytes), said, "{bytes}");
        }
    }
}
