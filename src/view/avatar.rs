//! Avatars: initials on one of twelve colours, which follow from the id. A class and not a style, because the pages'
//! Content-Security-Policy allows no inline style.

/// How many hues `avatar.css` knows.
const HUES: u32 = 12;

/// The class of the colour of an id. Ids made in the same millisecond share their beginning, so all characters count.
pub fn hue(id: impl std::fmt::Display) -> String {
    // FNV-1a: short, stable over builds, and no two rooms of a small team end up in one colour by design.
    let hash = id.to_string().bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("hue-{}", (hash >> 8) % HUES)
}

/// One or two letters that stand for a name: of the first and the last word; of a name in Chinese characters the last one.
pub fn initials(name: &str) -> String {
    let words: Vec<&str> = name.split([' ', '-', '_', '.']).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [] => "?".to_owned(),
        [word] if !word.is_ascii() && word.chars().all(is_ideograph) => word.chars().last().map(String::from).unwrap_or_default(),
        [word] => first(word),
        [word, .., last] => first(word) + &first(last),
    }
}

fn first(word: &str) -> String {
    word.chars().next().map(|c| c.to_uppercase().collect()).unwrap_or_default()
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_of_all_kinds_of_names() {
        for (name, letters) in [
            ("Ada Lovelace", "AL"),
            ("bob", "B"),
            ("Anna Maria von Burg", "AB"),
            ("李小龙", "龙"),
            ("", "?"),
            ("ßeta", "SS"),
            ("r2-d2", "RD"),
        ] {
            assert_eq!(initials(name), letters, "{name}");
        }
    }

    #[test]
    fn hues_are_stable_and_spread() {
        let seen: std::collections::BTreeSet<_> = (0..200).map(|n| hue(uuid::Uuid::from_u128(n))).collect();
        assert_eq!(seen.len(), HUES as usize);
        assert_eq!(hue("a"), hue("a"));
    }
}
