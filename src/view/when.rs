//! Moments in words. The pages say them in UTC, and the script puts the reader's own time in their place. They
//! are taken by reference, because that is how templates hand over a field.

use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use crate::domain::Millis;
use crate::words::{Lang, Words};

/// For the `datetime` of a `<time>`: `2026-11-23T12:31:05.123Z`.
pub fn iso(at: &Millis) -> String {
    moment(at).format(&Rfc3339).unwrap_or_default()
}

/// `12:31 UTC`.
pub fn clock(at: &Millis) -> String {
    moment(at).format(format_description!("[hour]:[minute] UTC")).unwrap_or_default()
}

/// Days since 1970, by which messages fall under one day's line.
pub fn day_number(at: Millis) -> i64 {
    at.div_euclid(24 * 60 * 60 * 1000)
}

/// `23 November 2026`, `2026年11月23日`.
pub fn day(at: &Millis, w: &Words) -> String {
    let moment = moment(at);
    match w.0 {
        Lang::En => moment.format(format_description!("[day padding:none] [month repr:long] [year]")),
        Lang::Zh => moment.format(format_description!("[year]年[month padding:none]月[day padding:none]日")),
    }
    .unwrap_or_default()
}

/// Where there is little room: `23 Nov`, `11月23日`.
pub fn short_day(at: Millis, w: Words) -> String {
    match w.0 {
        Lang::En => moment(&at).format(format_description!("[day padding:none] [month repr:short]")),
        Lang::Zh => moment(&at).format(format_description!("[month padding:none]月[day padding:none]日")),
    }
    .unwrap_or_default()
}

/// `23 November 2026, 12:31 UTC`, `2026年11月23日 12:31 UTC`.
pub fn full(at: &Millis, w: &Words) -> String {
    let between = match w.0 {
        Lang::En => ", ",
        Lang::Zh => " ",
    };
    format!("{}{between}{}", day(at, w), clock(at))
}

/// `0.8 s`, `12 s`, `2 min 5 s`.
pub fn duration(ms: i64, w: &Words) -> String {
    let ms = ms.max(0);
    match ms {
        0..10_000 => w.seconds(format_args!("{}.{}", ms / 1000, ms % 1000 / 100)),
        10_000..60_000 => w.seconds(ms / 1000),
        _ => w.minutes_seconds(ms / 60_000, ms % 60_000 / 1000),
    }
}

/// A moment outside the calendar is shown as its beginning rather than not at all.
fn moment(at: &Millis) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(*at) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_in_words() {
        let at = 1_795_437_065_123;
        assert_eq!(iso(&at), "2026-11-23T12:31:05.123Z");
        assert_eq!(clock(&at), "12:31 UTC");
        assert_eq!(full(&at, &Words(Lang::En)), "23 November 2026, 12:31 UTC");
        assert_eq!(full(&at, &Words(Lang::Zh)), "2026年11月23日 12:31 UTC");
        assert_eq!((short_day(at, Words(Lang::En)).as_str(), short_day(at, Words(Lang::Zh)).as_str()), ("23 Nov", "11月23日"));
        assert_eq!(iso(&Millis::MAX), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn durations_in_words() {
        for (ms, words) in [(-5, "0.0 s"), (849, "0.8 s"), (9_999, "9.9 s"), (12_400, "12 s"), (125_000, "2 min 5 s")] {
            assert_eq!(duration(ms, &Words(Lang::En)), words);
        }
        assert_eq!(duration(125_000, &Words(Lang::Zh)), "2 分 5 秒");
    }
}
