//! Where a link may lead: http, https and mail addresses, and rooms that the text names; nowhere else.

use url::Url;

/// Longest address that becomes a link, in bytes. A definition can be used many times, so this also limits how much
/// larger than its text markup can become.
const LONGEST: usize = 2048;

/// The address in the form that goes into `href`, or nothing if there must be no link.
///
/// The result is absolute, percent-encoded, its host in ASCII: what the reader's browser shows is where it leads.
pub(crate) fn address(written: &str) -> Option<String> {
    if written.len() > LONGEST {
        return None;
    }
    let url = Url::parse(written).ok()?;
    if !matches!(url.scheme(), "http" | "https" | "mailto") || url.as_str().len() > 3 * LONGEST {
        return None;
    }
    Some(url.into())
}

/// Where an address ends that stands in a text without brackets: in front of Chinese punctuation, which no address holds
/// as it is. In bytes.
pub(crate) fn end_of_bare(text: &str) -> usize {
    let ends = |c: char| {
        matches!(c, '\u{3000}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{ff01}' | '\u{ff08}'
        | '\u{ff09}' | '\u{ff0c}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}' | '\u{2018}'..='\u{201f}' | '\u{2026}')
    };
    text.find(ends).unwrap_or(text.len())
}

/// Whether this is a room's id as it stands in addresses: a UUID in small letters.
pub(crate) fn is_room_id(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}
