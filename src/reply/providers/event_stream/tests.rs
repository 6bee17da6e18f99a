//! The parser against the rules of the standard, one case each, and against a second reading of the standard that sees all bytes at
//! once, for any bytes and any way of cutting them. The cases follow the subjects of web-platform-tests `eventsource/format-*`.

use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use super::{Event, EventStreamParser, EventTooLarge};

const ROOMY: usize = 1 << 20;

fn event(name: &str, data: &str, id: &str) -> Event {
    Event { name: name.to_owned(), data: data.to_owned(), id: id.to_owned() }
}

fn message(data: &str) -> Event {
    event("message", data, "")
}

/// Reads pieces as they are.
fn read_pieces<'a>(max_bytes: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Result<(), EventTooLarge>) {
    let mut parser = EventStreamParser::new(max_bytes);
    let mut events = Vec::new();
    for piece in pieces {
        if let Err(error) = parser.read(piece, &mut events) {
            return (events, Err(error));
        }
    }
    (events, Ok(()))
}

/// Reads in one piece and byte by byte, which must be the same.
#[track_caller]
fn read(bytes: impl AsRef<[u8]>) -> Vec<Event> {
    let bytes = bytes.as_ref();
    let (whole, outcome) = read_pieces(ROOMY, [bytes]);
    assert_eq!(outcome, Ok(()));
    assert_eq!(read_pieces(ROOMY, bytes.chunks(1)), (whole.clone(), Ok(())));
    whole
}

#[test]
fn lines_end_in_lf_crlf_or_cr_in_any_mixture() {
    assert_eq!(read("data:a\n\ndata:b\r\n\r\ndata:c\r\rdata:d\r\n\ndata:e\n\r"), ["a", "b", "c", "d", "e"].map(message));
    // CR LF is one end, LF CR is two.
    assert_eq!(read("data:1\r\ndata:2\r\n\r\n"), [message("1\n2")]);
    assert_eq!(read("data:1\n\rdata:2\n\n"), [message("1"), message("2")]);
}

#[test]
fn one_byte_order_mark_is_dropped() {
    assert_eq!(read("\u{feff}data:1\n\n\u{feff}data:2\n\ndata:3\n\n"), [message("1"), message("3")]);
    assert_eq!(read("\u{feff}\u{feff}data:1\n\ndata:2\n\n"), [message("2")]);
    assert_eq!(read(b"\xef\xbbdata:1\n\ndata:2\n\n"), [message("2")]);
}

#[test]
fn comments_are_ignored_whatever_they_hold() {
    assert_eq!(read("data:1\n:\0\n:\r\n:data:x\ndata:2\n:still there\n\n:\n\n"), [message("1\n2")]);
    // A server that only asks for patience.
    assert_eq!(read(":\n\n: OPENROUTER PROCESSING\n\n: keep-alive\n\n\n\ndata:x\n\n"), [message("x")]);
}

#[test]
fn a_field_is_what_stands_before_the_first_colon() {
    assert_eq!(read("data:a:b\n\n"), [message("a:b")]);
    assert_eq!(read("data\n\ndata\ndata\n\ndata:test\n\n"), [message(""), message("\n"), message("test")]);
    assert_eq!(read("data:\n\n"), [message("")]);
}

#[test]
fn exactly_one_space_after_the_colon_is_removed() {
    assert_eq!(read("data: x\ndata:  y \ndata:\tz\n\n"), [message("x\n y \n\tz")]);
}

#[test]
fn unknown_fields_are_ignored_and_names_are_case_sensitive() {
    assert_eq!(read("DATA:1\n data:2\ndata :3\ndata\0:4\nfoo\ndata:5\n\n"), [message("5")]);
}

#[test]
fn an_event_without_data_is_not_dispatched_and_leaves_nothing_behind() {
    assert_eq!(read("event:ping\n\ndata:x\n\nevent:ping\n\n"), [message("x")]);
    assert_eq!(read("id:7\n\ndata:x\n\n"), [event("message", "x", "7")]);
}

#[test]
fn the_name_is_of_one_event_and_the_last_one_wins() {
    assert_eq!(read("event:a\nevent:b\ndata:1\n\ndata:2\n\nevent:\ndata:3\n\n"), [event("b", "1", ""), message("2"), message("3")]);
}

#[test]
fn the_id_stays_and_one_with_a_nul_is_ignored() {
    assert_eq!(
        read("id:1\ndata:a\n\ndata:b\n\nid:2\0\ndata:c\n\nid\ndata:d\n\n"),
        [event("message", "a", "1"), event("message", "b", "1"), event("message", "c", "1"), message("d"),]
    );
}

#[test]
fn retry_takes_digits_and_nothing_else() {
    let mut parser = EventStreamParser::new(ROOMY);
    for (field, expected) in [
        ("retry:03000", Some(3000)),
        ("retry:", Some(3000)),
        ("retry: +1", Some(3000)),
        ("retry:1.5", Some(3000)),
        ("retry:99999999999999999999", Some(3000)),
        ("retry: 0", Some(0)),
    ] {
        parser.read(format!("{field}\n").as_bytes(), &mut Vec::new()).unwrap();
        assert_eq!(parser.retry(), expected, "{field}");
    }
}

#[test]
fn an_event_cut_off_by_the_end_is_discarded() {
    assert_eq!(read("data:1\n\ndata:2\n"), [message("1")]);
    assert_eq!(read("data:1\n\ndata:2"), [message("1")]);
    assert_eq!(read(""), []);
}

#[test]
fn nul_bytes_in_data_are_kept() {
    assert_eq!(read("data:\0\n\n"), [message("\0")]);
}

#[test]
fn invalid_bytes_become_replacement_characters_as_in_a_decoder_of_the_whole() {
    assert_eq!(read("data:ok…😀\n\n"), [message("ok…😀")]);
    assert_eq!(read(b"data:a\xffb\n\n"), [message("a\u{fffd}b")]);
    // One for the beginning of a character that ends early, one for each byte that begins nothing.
    assert_eq!(read(b"data:\xf0\x9f\x98\ndata:\xe2\x82x\xc0\xaf\n\n"), [message("\u{fffd}\n\u{fffd}x\u{fffd}\u{fffd}")]);
}

#[test]
fn an_event_or_a_line_beyond_the_limit_ends_everything() {
    // "data:" and 5 bytes fit into 10 bytes, one more does not; the events before it are kept.
    assert_eq!(read_pieces(10, [&b"data:12345\n\n"[..]]), (vec![message("12345")], Ok(())));
    assert_eq!(read_pieces(10, [&b"data:1\n\ndata:123456\n\n"[..]]), (vec![message("1")], Err(EventTooLarge)));
    // Many small lines of one event, a line that never ends, a comment that never ends.
    assert_eq!(read_pieces(20, [&b"data:1\n".repeat(20)[..]]), (vec![], Err(EventTooLarge)));
    assert_eq!(read_pieces(20, [&b"x"[..]; 21]), (vec![], Err(EventTooLarge)));
    assert_eq!(read_pieces(20, [&b":"[..]; 21]), (vec![], Err(EventTooLarge)));
    // Comments and fields that are over count no more.
    assert_eq!(read_pieces(20, [&b":0123456789\n".repeat(20)[..]]), (vec![], Ok(())));
}

#[test]
fn nothing_comes_after_an_overflow() {
    let mut parser = EventStreamParser::new(4);
    let mut events = Vec::new();
    assert_eq!(parser.read(b"12345", &mut events), Err(EventTooLarge));
    assert_eq!(parser.read(b"\n\na\n\n", &mut events), Err(EventTooLarge));
    assert_eq!(parser.read(b"", &mut events), Err(EventTooLarge));
}

/// The standard read a second time, by code that has the whole stream before it.
fn whole_at_once(bytes: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    // What follows the last line end is no line.
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop();

    let (mut events, mut data, mut name, mut id) = (Vec::new(), Vec::new(), String::new(), String::new());
    for line in lines {
        if line.is_empty() {
            if !data.is_empty() {
                let name = if name.is_empty() { "message" } else { &name };
                events.push(event(name, &data.join("\n"), &id));
            }
            data.clear();
            name.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data.push(value.to_owned()),
            "event" => name = value.to_owned(),
            "id" if !value.contains('\0') => id = value.to_owned(),
            _ => {}
        }
    }
    events
}

/// Streams that look enough like events to reach every rule, with pieces of characters and with plain noise in between.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let sane = prop::sample::select(vec![
        "data",
        "event",
        "id",
        "retry",
        ":",
        ": ",
        " ",
        "\n",
        "\n\n",
        "\r",
        "\r\n",
        "\r\n\r\n",
        "data:x\n\n",
        "data: [DONE]\n\n",
        "é",
        "你",
        "🌱",
        "\0",
        "\u{feff}",
        "7",
    ])
    .prop_map(|text| text.as_bytes().to_vec());
    let broken = prop::sample::select(vec![
        &b"\xff"[..],
        b"\xf0\x9f",
        b"\xe4\xbd",
        b"\x80",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xef\xbb",
        b"\xf4\x90\x80\x80",
    ])
    .prop_map(<[u8]>::to_vec);
    let noise = prop::collection::vec(any::<u8>(), 0..4);
    prop::collection::vec(prop_oneof![6 => sane, 1 => broken, 1 => noise], 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_cut_anywhere_give_the_events_of_the_whole(bytes in any_stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let expected = whole_at_once(&bytes);
        prop_assert_eq!(&read_pieces(ROOMY, [bytes.as_slice()]).0, &expected);
        prop_assert_eq!(&read_pieces(ROOMY, bytes.chunks(1)).0, &expected);
        prop_assert_eq!(&read_pieces(ROOMY, cut(&bytes, &cuts)).0, &expected);
    }

    #[test]
    fn the_limit_too_does_not_depend_on_the_cuts(bytes in any_stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12), limit in 0usize..40) {
        let expected = read_pieces(limit, bytes.chunks(1));
        prop_assert_eq!(&read_pieces(limit, cut(&bytes, &cuts)), &expected);
        prop_assert_eq!(&read_pieces(limit, [bytes.as_slice()]), &expected);
    }
}

fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}
