//! Where a link may lead: http, https and mail addresses; nowhere else.

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
