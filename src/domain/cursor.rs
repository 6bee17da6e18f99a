//! Where a reader stands in a room: `<room>.<epoch>.<seq>`, the SSE `id` of every durable frame (live-protocol §4).

use std::fmt;
use std::str::FromStr;

use super::{Invalid, id::RoomId};

/// 128 random bits made with the room; another epoch means another history, and a cursor of it is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub u128);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let lower_hex = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u128::from_str_radix(text, 16) {
            Ok(bits) if lower_hex => Ok(Self(bits)),
            _ => Err(bad()),
        }
    }
}

/// Everything of `room` up to its change number `seq` is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub room: RoomId,
    pub epoch: Epoch,
    pub seq: i64,
}

impl Cursor {
    /// The room that a cursor speaks of, also if the rest of it is rubbish: the reader is then sent a `reset` of that room.
    pub fn room_of(text: &str) -> Option<RoomId> {
        text.split('.').next()?.parse().ok()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.room, self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut parts = text.split('.');
        let (Some(room), Some(epoch), Some(seq), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        let plain = seq == "0" || (!seq.starts_with('0') && seq.bytes().all(|b| b.is_ascii_digit()));
        match seq.parse() {
            Ok(seq) if plain => Ok(Self { room: room.parse().map_err(|_| bad())?, epoch: epoch.parse()?, seq }),
            _ => Err(bad()),
        }
    }
}

fn bad() -> Invalid {
    Invalid::new("bad_cursor", "That is not a place in a room: a cursor is <room>.<epoch>.<number>.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(room: u128, epoch: u128, seq in 0..i64::MAX) {
            let cursor = Cursor { room: RoomId(uuid::Uuid::from_u128(room)), epoch: Epoch(epoch), seq };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }

        #[test]
        fn rubbish_is_refused_and_never_has_two_spellings(text in ".{0,90}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text.to_lowercase());
            }
        }
    }

    #[test]
    fn odd_spellings_are_refused() {
        let good = Cursor { room: RoomId(uuid::Uuid::from_u128(1)), epoch: Epoch(2), seq: 3 }.to_string();
        for bad in [
            format!("{good}.4"),
            good.replace(".3", ".03"),
            good.replace(".3", ".+3"),
            good.replace(".3", ".-3"),
            format!(" {good}"),
            String::new(),
        ] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }
}
