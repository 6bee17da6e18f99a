//! Every page and fragment rendered with samples: a quiet evening in a small house, and the same with hostile names
//! and texts in every place that takes one.

use askama::Template;
use uuid::Uuid;

use super::*;
use crate::domain::{
    assistant::{Provider, Speaks},
    cursor::Epoch,
    file::{File, Size},
    id::{AssistantId, FileId, InviteId, MessageId, PersonId, RoomId},
    message::{AttemptKind, AuthorId, Facts, Message, Named, Quote, State},
    person::Person,
    reaction::Reactions,
    room::{Member, Role, Room, RoomAssistant, RoomDetail},
    search::{Hit, Piece},
};
use crate::words::{Lang, Words};

/// 23 November 2026, 12:31 UTC.
const NOON: i64 = 1_795_437_065_123;
const HOSTILE: &str = "\"><script>alert('x')</script><img src=x onerror=alert(1)>{{ 7*7 }} & \u{202e}";

/// The texts that strangers may choose, calm or hostile.
struct Texts {
    ada: &'static str,
    bob: &'static str,
    parlor: &'static str,
    kitchen: &'static str,
    topic: &'static str,
    why: &'static str,
    model: &'static str,
    typed: &'static str,
}

const CALM: Texts = Texts {
    ada: "Ada Lovelace",
    bob: "Bob",
    parlor: "Parlor",
    kitchen: "Kitchen",
    topic: "What we cook, and when",
    why: "The model's server closed the connection before the reply was finished.",
    model: "SmolLM2-135M-Instruct",
    typed: "A text that was typed\nand must not be lost",
};

const RUDE: Texts =
    Texts { ada: HOSTILE, bob: HOSTILE, parlor: HOSTILE, kitchen: HOSTILE, topic: HOSTILE, why: HOSTILE, model: HOSTILE, typed: HOSTILE };

fn person(n: u128) -> PersonId {
    PersonId(Uuid::from_u128(0x0199_a000_0000_7000_8000_0000_0000_0000 + n))
}

fn assistant() -> AssistantId {
    AssistantId(Uuid::from_u128(0x0199_a000_0000_7000_8000_0000_0000_00aa))
}

fn room_id(n: u128) -> RoomId {
    RoomId(Uuid::from_u128(0x019a_b000_0000_7000_8000_0000_0000_0000 + n))
}

fn message_id(n: i64) -> MessageId {
    MessageId(Uuid::from_u128(0x019a_c000_0000_7000_8000_0000_0000_0000 + u128::try_from(n).unwrap()))
}

fn room(words: &Texts) -> RoomDetail {
    RoomDetail {
        room: Room {
            id: room_id(1),
            name: words.kitchen.into(),
            topic: words.topic.into(),
            kind: crate::domain::room::RoomKind::Room,
            private: true,
            epoch: Epoch(77),
            head: 40,
            rev: 3,
            created_at: NOON,
        },
        members: vec![
            Member { id: person(1), name: words.ada.into(), role: Role::Owner },
            Member { id: person(2), name: words.bob.into(), role: Role::Member },
        ],
        assistants: vec![RoomAssistant {
            id: assistant(),
            name: words.parlor.into(),
            provider: Provider::Builtin,
            model: words.model.into(),
            speaks: Speaks::Always,
        }],
    }
}

fn said(words: &Texts, seq: i64, author: u128, at: i64) -> Message {
    Message {
        id: message_id(seq),
        room: room_id(1),
        seq,
        rev: seq,
        author: AuthorId::Person(person(author)),
        author_name: if author == 1 { words.ada } else { words.bob }.into(),
        state: State::Complete,
        attempt: 0,
        at,
        edited: None,
        reply_to: None,
        text: String::new(),
        html: String::new(),
        reasoning: String::new(),
        asked_by: None,
        facts: None,
        reactions: Reactions::default(),
        files: Vec::new(),
    }
}

fn answered(words: &Texts, seq: i64, at: i64, state: State) -> Message {
    let open = state.kind().is_open();
    Message {
        author: AuthorId::Assistant(assistant()),
        author_name: words.parlor.into(),
        state,
        attempt: 1,
        reply_to: None,
        asked_by: Some(Named { id: person(2).to_string(), name: words.bob.into() }),
        facts: (!open).then(|| Facts {
            model: words.model.into(),
            prompt_tokens: Some(210),
            completion_tokens: Some(128),
            first_text_ms: Some(400),
            total_ms: Some(4600),
        }),
        ..said(words, seq, 1, at)
    }
}

/// Every state a message can be in, with its markup, in order.
fn log(words: &Texts) -> Vec<(Message, &'static str, &'static str)> {
    let quote = |deleted| {
        Some(Quote {
            id: message_id(2),
            author: words.bob.into(),
            excerpt: if deleted { String::new() } else { words.topic.into() },
            deleted,
        })
    };
    let minute = 60_000;
    vec![
        (said(words, 1, 1, NOON - 1500 * minute), "<p>Is anyone cooking tomorrow? I bring <strong>bread</strong>.</p>", ""),
        (
            said(words, 2, 2, NOON - 30 * minute),
            "<p>I thought of a risotto. <span class=\"mention\" data-name=\"Parlor\">@Parlor</span> how much rice for five?</p>",
            "",
        ),
        (
            Message { reply_to: quote(false), ..answered(words, 3, NOON - 29 * minute, State::Complete) },
            "<p>For five people take <strong>400 g</strong> of rice, about 80 g each:</p>\n<ol>\n<li>Warm 1.5 l of broth.</li>\n<li>Toast the rice in butter until it is clear at the edges.</li>\n<li>Add the broth, a ladle at a time, for 18 minutes.</li>\n</ol>\n<table><thead><tr><th>People</th><th class=\"right\">Rice</th><th class=\"right\">Broth</th></tr></thead><tbody><tr><td>2</td><td class=\"right\">160 g</td><td class=\"right\">0.6 l</td></tr><tr><td>5</td><td class=\"right\">400 g</td><td class=\"right\">1.5 l</td></tr></tbody></table>\n<pre><code class=\"language-python\">def rice(people: int) -&gt; int:\n    return people * 80  # grams\n</code></pre>\n",
            "<p>Five people, 80 g each.</p>",
        ),
        (said(words, 4, 1, NOON - 20 * minute), "<p>Perfect.</p>", ""),
        (
            Message { edited: Some(NOON - 17 * minute), ..said(words, 5, 1, NOON - 18 * minute) },
            "<p>I will be there at seven, with the bread and <a href=\"https://example.org/\">this cheese</a>. 我也带一瓶酒，好吗？</p>",
            "",
        ),
        (
            Message { reply_to: quote(false), ..said(words, 6, 2, NOON - 10 * minute) },
            "<blockquote>\n<p>with the bread</p>\n</blockquote>\n<p>Yes please. Still to buy<sup class=\"footnote\">1</sup>:</p>\n<ul class=\"tasks\">\n<li class=\"task\"><input type=\"checkbox\" disabled=\"\" checked=\"\"> rice</li>\n<li class=\"task\"><input type=\"checkbox\" disabled=\"\"> <code>saffron</code></li>\n</ul>",
            "",
        ),
        (Message { reply_to: quote(true), state: State::Deleted, ..said(words, 7, 2, NOON - 9 * minute) }, "", ""),
        (
            answered(words, 8, NOON - 8 * minute, State::Stopped { by: Some(Named { id: person(1).to_string(), name: words.ada.into() }) }),
            "<p>Once upon a time there was a risotto that</p>",
            "",
        ),
        (
            Message { attempt: 2, ..answered(words, 9, NOON - 7 * minute, State::Interrupted { why: words.why.into() }) },
            "<p>The wine goes in</p>",
            "",
        ),
        (answered(words, 10, NOON - 6 * minute, State::Failed { why: words.why.into() }), "", ""),
        (said(words, 11, 2, NOON - 2 * minute), "<p>And which wine?</p>", ""),
        (answered(words, 12, NOON - minute, State::Streaming), "", ""),
        (answered(words, 13, NOON - minute, State::Queued), "", ""),
        (
            Message {
                files: vec![
                    file(1, format!("{}.png", words.kitchen), "image/png", 1_400_000, Some((1600, 1200))),
                    file(2, LONG_NAME.into(), "application/pdf", 24_000_000, None),
                ],
                ..said(words, 14, 1, NOON)
            },
            "<p>The kitchen, and the book that I cook from.</p>",
            "",
        ),
        (
            Message {
                files: vec![
                    file(3, "wide.jpg".into(), "image/jpeg", 800_000, Some((4000, 500))),
                    file(4, format!("{}.gif", words.bob), "image/gif", 90_000, Some((200, 300))),
                    file(5, format!("{}.txt", words.typed), "text/plain", 12, None),
                ],
                ..said(words, 15, 2, NOON)
            },
            "",
            "",
        ),
    ]
}

/// As long as a name can be, with no place to break it.
const LONG_NAME: &str =
    "The_complete_book_of_risotto_with_all_its_relatives_from_Piedmont_to_Venetia_and_back_third_printing_with_correct….pdf";

fn file(n: u128, name: String, media_type: &str, bytes: u64, size: Option<(u32, u32)>) -> File {
    let size = size.map(|(width, height)| Size { width, height });
    let id = FileId(Uuid::from_u128(0x019a_d000_0000_7000_8000_0000_0000_0000 + n));
    File { id, name, media_type: media_type.into(), bytes, size }
}

/// A prompt in which everything has happened that can happen.
fn saw(words: &Texts) -> crate::domain::prompt::Saw {
    use crate::domain::prompt::{Parameters, Piece, Quoted, Record, Saw, Shown, Text};
    let text = |exact: bool| if exact { Text::Exact(words.typed.into()) } else { Text::Today(words.typed.into()) };
    let quote = |text| Some(Quoted { author: words.bob.into(), text });
    let piece = |message, own, text, quote| Piece { message, own, text, quote };
    Saw {
        reply: answered(words, 9, NOON, State::Complete),
        attempt: 2,
        attempts: vec![1, 2],
        asked_by: words.bob.into(),
        counted: Some(1_234),
        prompt: Some(Shown {
            record: Record {
                instructions: words.typed.into(),
                named: true,
                continued: 5,
                model: words.model.into(),
                budget: 8_000,
                estimate: 1_200,
                parameters: Parameters { max_tokens: Some(200), temperature: Some(0.5) },
                at: NOON,
                ..Record::default()
            },
            pieces: vec![
                piece(said(words, 1, 1, NOON - 90_000_000), false, text(true), None),
                piece(said(words, 2, 2, NOON), false, text(false), quote(text(false))),
                piece(said(words, 3, 2, NOON), false, Text::Deleted, quote(Text::Deleted)),
                piece(answered(words, 4, NOON, State::Complete), true, Text::Exact(words.typed.repeat(60)), None),
            ],
            left_out: 12,
            unfinished: 1,
            continued: Some(words.typed.into()),
        }),
    }
}

/// A week with a quiet day in it.
fn used(words: &Texts) -> crate::domain::usage::Usage {
    use crate::domain::usage::{AssistantUse, DayUse, Ends, Spread, Tokens, Usage};
    let spread = |n: u64| Some(Spread { median: 400 + n, ninth: 2_000 * n });
    let day = |n: u64| DayUse { people: 5 * n, replies: 3 * n, first_text: spread(n).filter(|_| n > 0) };
    let assistant = |n: u64| AssistantUse {
        id: assistant(),
        name: words.parlor.into(),
        tokens: (0..7).map(|day| Tokens { read: 9_000 * day * n, written: 800 * day * n }).collect(),
        ends: Ends { complete: 90 * n, stopped: 3, interrupted: n - 1, failed: 2 },
        first_text: spread(n),
        speed: spread(n),
    };
    Usage {
        first: NOON / crate::domain::usage::DAY - 6,
        days: (0..7).map(|n| day(if n == 3 { 0 } else { n })).collect(),
        assistants: (1..10).rev().map(assistant).collect(),
        first_text: spread(4),
        speed: spread(4),
        partial: true,
    }
}

/// Every page, rendered: its name and its markup.
fn pages(words: &Texts, look: Look) -> Vec<(&'static str, String)> {
    let links: Vec<RoomLink> = (1..5)
        .map(|n| RoomLink {
            id: room_id(n),
            name: if n == 1 { words.kitchen.into() } else { format!("{} {n}", words.kitchen) },
            private: n % 2 == 1,
            unread: [0, 3, 100, 1][n as usize % 4],
            mentions: [0, 1, 0, 0][n as usize % 4],
            favourite: n == 2,
            direct: n == 4,
            writing: n == 3,
            active_at: NOON - n as i64 * 60_000,
        })
        .collect();
    let outside = Chrome::outside("b1", look);
    let chrome = Chrome {
        w: look.w,
        theme: look.theme,
        build: "b1",
        me: Some(Me { id: person(1), name: words.ada, admin: true }),
        rooms: &links,
        current: Some(room_id(1)),
    };
    let elsewhere = Chrome { current: None, ..chrome };
    let detail = room(words);
    let log = log(words);
    let fragments = || log.iter().map(|(message, body, thought)| MessageFragment::new(look.w, message, body, thought));
    let arranged = || {
        let mut all: Vec<_> = fragments().collect();
        MessageFragment::arrange(&mut all, None);
        all
    };
    let composer = || Composer { id: message_id(99), text: "", reply_to: None, error: None, notice: None };
    let room_page = RoomPage {
        chrome,
        room: &detail,
        log: arranged(),
        older: true,
        newer: false,
        around: None,
        may_manage: true,
        read_seq: 4,
        unread: Some(Unread { first: MessageId(Uuid::from_u128(7)), count: 100, since: 1_795_437_065_123 }),
        composer: composer(),
    };
    let quote = Quote { id: message_id(2), author: words.bob.into(), excerpt: words.topic.into(), deleted: false };
    let attempts = [AttemptView {
        attempt: 1,
        kind: AttemptKind::First,
        state: State::Stopped { by: Some(Named { id: person(2).to_string(), name: words.bob.into() }) },
        html: "<p>White wine,</p>",
        reasoning_html: "<p>Hm.</p>",
        facts: Some(Facts::default()),
    }];
    let message_page = |n: usize, mine| MessagePage {
        chrome,
        room: &detail.room,
        message: fragments().nth(n).unwrap(),
        mine,
        text: words.typed,
        error: None,
        attempts: if n == 8 { &attempts } else { &[] },
    };
    let settings = |may_manage| RoomSettingsPage {
        chrome,
        room: &detail,
        may_manage,
        name: words.kitchen,
        topic: words.topic,
        private: true,
        member: "",
        others: &[],
        choices: &[],
        error: None,
        notice: None,
    };
    let sessions = [
        SessionRow { id: "s1".into(), device: "Firefox on Linux".into(), since: NOON, last_seen: NOON, current: true },
        SessionRow { id: "s2".into(), device: words.bob.into(), since: NOON, last_seen: NOON, current: false },
    ];
    let tokens = [
        TokenRow { id: crate::domain::id::TokenId(uuid::Uuid::from_u128(71)), created_at: NOON, last_used: None },
        TokenRow { id: crate::domain::id::TokenId(uuid::Uuid::from_u128(72)), created_at: NOON, last_used: Some(NOON) },
    ];
    let people = [
        Person { id: person(1), name: words.ada.into(), admin: true, disabled: false, created_at: NOON },
        Person { id: person(2), name: words.bob.into(), admin: false, disabled: false, created_at: NOON },
        Person { id: person(3), name: "Eve".into(), admin: false, disabled: true, created_at: NOON },
    ];
    let invites = [InviteRow {
        id: InviteId(Uuid::from_u128(5)),
        by: Some(words.ada.into()),
        link: Some("https://chat.example.org/invite/3f9c0b".into()),
        uses_left: 4,
        expires_at: NOON,
    }];
    let hit = Hit {
        id: message_id(2),
        room: room_id(1),
        author: AuthorId::Person(person(2)),
        author_name: words.bob.into(),
        at: NOON,
        excerpt: [(words.topic, false), (words.typed, true), (" …", false)].map(|(text, found)| Piece { text: text.into(), found }).into(),
    };
    let (prompt, used) = (saw(words), used(words));
    let nothing = crate::domain::prompt::Saw { prompt: None, ..prompt.clone() };
    let quiet = crate::domain::usage::Usage { days: vec![Default::default(); 7], first: 20_000, ..Default::default() };
    let ways_out = [WayOut { href: "/rooms", label: "All rooms" }, WayOut { href: "/", label: "Start" }];
    let show = |page: &dyn askama::DynTemplate| page.dyn_render().unwrap();
    vec![
        ("setup", show(&SetupPage { chrome: outside, key: Some("k-1"), name: "", error: None })),
        (
            "setup-error",
            show(&SetupPage {
                chrome: outside,
                key: None,
                name: words.ada,
                error: Some("The password is too short: use at least 8 characters, for instance four words."),
            }),
        ),
        ("sign-in", show(&SignInPage { chrome: outside, name: "", next: "/", error: None, notice: Some("You are signed out.") })),
        (
            "sign-in-error",
            show(&SignInPage {
                chrome: outside,
                name: words.ada,
                next: words.typed,
                error: Some("Name and password do not fit together."),
                notice: None,
            }),
        ),
        ("join", show(&JoinPage { chrome: outside, token: "3f9c0b", inviter: Some(words.ada), name: words.bob, error: None })),
        (
            "rooms",
            show(&RoomsPage {
                chrome: elsewhere,
                open: &[OpenRoom { id: room_id(9), name: words.kitchen.into(), topic: words.topic.into() }],
                name: words.kitchen,
                topic: words.topic,
                private: true,
                error: None,
                notice: Some("You left the room."),
            }),
        ),
        (
            "rooms-none",
            show(&RoomsPage {
                chrome: Chrome { rooms: &[], ..elsewhere },
                open: &[],
                name: "",
                topic: "",
                private: false,
                error: None,
                notice: None,
            }),
        ),
        ("room", show(&room_page)),
        (
            "room-reply",
            show(&RoomPage {
                older: false,
                newer: true,
                around: Some(message_id(2)),
                composer: Composer { text: words.typed, reply_to: Some(quote), error: Some(words.why), ..composer() },
                ..room_page.clone()
            }),
        ),
        ("room-empty", show(&RoomPage { log: vec![], older: false, ..room_page.clone() })),
        ("message", show(&message_page(4, true))),
        ("message-reply", show(&message_page(8, false))),
        ("message-deleted", show(&message_page(6, true))),
        ("message-complete-reply", show(&MessagePage { error: Some(words.why), ..message_page(2, false) })),
        (
            "settings",
            show(&RoomSettingsPage {
                choices: &[AssistantChoice { id: assistant(), name: words.parlor.into(), model: words.model.into() }],
                others: &[words.bob.into()],
                error: Some(words.why),
                notice: Some("Saved."),
                member: words.bob,
                ..settings(true)
            }),
        ),
        ("settings-member", show(&settings(false))),
        (
            "account",
            show(&AccountPage {
                chrome: elsewhere,
                sessions: &sessions,
                tokens: &tokens,
                error: None,
                notice: Some("Your password is changed."),
            }),
        ),
        ("search-nothing", show(&SearchPage { chrome, query: "", room: None, hits: None, more: None, error: None })),
        ("search-none", show(&SearchPage { chrome, query: words.typed, room: Some(room_id(2)), hits: Some(&[]), more: None, error: None })),
        (
            "search",
            show(&SearchPage {
                chrome,
                query: words.typed,
                room: None,
                hits: Some(&[hit]),
                more: Some("/search?q=a&room=&before=1.2"),
                error: None,
            }),
        ),
        (
            "search-error",
            show(&SearchPage {
                chrome,
                query: words.typed,
                room: None,
                hits: None,
                more: None,
                error: Some("There is no word in that to search for. Use letters, digits or characters."),
            }),
        ),
        (
            "people",
            show(&PeoplePage {
                chrome: elsewhere,
                people: &people,
                invites: &invites,
                new_link: Some("https://chat.example.org/invite/77aa1c"),
                uses: "5",
                days: "7",
                error: None,
                notice: None,
            }),
        ),
        (
            "error",
            show(&ErrorPage {
                chrome,
                status: 404,
                title: "There is no such room",
                text: "It may have been private, and you are no longer in it. Ask someone who is.",
                ways_out: &ways_out,
                typed: Some(words.typed),
                request_id: Some("0f3a"),
            }),
        ),
        (
            "error-outside",
            show(&ErrorPage {
                chrome: outside,
                status: 404,
                title: words.kitchen,
                text: words.topic,
                ways_out: &ways_out,
                typed: None,
                request_id: None,
            }),
        ),
        ("saw", show(&SawPage { chrome, room: &detail.room, saw: &prompt })),
        ("saw-nothing", show(&SawPage { chrome, room: &detail.room, saw: &nothing })),
        ("usage", show(&UsagePage::new(elsewhere, &used, true))),
        ("usage-nothing", show(&UsagePage::new(elsewhere, &quiet, false))),
        ("watch", show(&WatchPage { chrome, message: &log[11].0 })),
        ("stream-chat", show(&StreamChatPage { chrome: outside, n: 100, every_ms: 1000 })),
    ]
}

/// In both languages, and in the colours that can be chosen.
fn looks() -> [Look; 3] {
    [Look::default(), Look { w: Words(Lang::Zh), theme: Theme::Dark }, Look { w: Words(Lang::En), theme: Theme::Light }]
}

#[test]
fn every_page_renders_calmly() {
    for look in looks() {
        for (name, html) in pages(&CALM, look) {
            assert!(html.contains("<title>") && html.trim_end().ends_with("</html>"), "{name} is cut short");
            assert!(html.contains("<h1"), "{name} has no heading");
            assert!(html.contains(&format!("<html lang=\"{}\"", look.w.0.tag())), "{name} does not say its language");
            check_policy(name, &html);
            // For looking at them without a server.
            if let Ok(folder) = std::env::var("PARLOR_SAMPLES") {
                std::fs::write(format!("{folder}/{name}.{}.html", look.w.0.tag()), html).unwrap();
            }
        }
    }
}

#[test]
fn hostile_words_are_only_words_everywhere() {
    for look in looks() {
        for (name, html) in pages(&RUDE, look) {
            assert!(!html.contains("<script>alert") && !html.contains("<img src=x"), "{name} let markup through");
            assert!(!html.contains("alert('x')"), "{name}: quotes were not escaped");
            check_policy(name, &html);
        }
    }
}

/// What the pages' Content-Security-Policy and the routes rely on.
fn check_policy(name: &str, html: &str) {
    assert!(!html.contains(" style=") && !html.contains("<style"), "{name} has an inline style");
    for (at, _) in html.match_indices("<script") {
        assert!(html[at..].starts_with("<script type=\"module\" src=\"/assets/b1/js/"), "{name} has an inline script");
    }
    for (at, _) in html.match_indices("<form ") {
        let tag = &html[at..at + html[at..].find('>').unwrap()];
        assert!(
            tag.contains("method=\"post\" action=\"/")
                || tag.contains("method=\"get\" action=\"/")
                || tag.contains("method=\"dialog\"")
                || tag.contains("data-local"),
            "{name}: {tag}"
        );
    }
    for (at, _) in html.match_indices("<input ").chain(html.match_indices("<textarea ")).chain(html.match_indices("<select ")) {
        let tag = &html[at..at + html[at..].find('>').unwrap()];
        let before = &html[..at];
        let wrapped = before.rfind("<label").is_some_and(|label| before.rfind("</label>").is_none_or(|end| end < label));
        assert!(
            wrapped
                || tag.contains("type=\"hidden\"")
                || tag.contains(" hidden")
                || tag.contains("aria-label=")
                || tag.contains("type=\"checkbox\" disabled")
                || tag.contains(" id="),
            "{name}: no label for {tag}"
        );
    }
}

#[test]
fn a_fragment_is_one_element_with_bare_bodies() {
    for (message, body, thought) in log(&CALM) {
        let html = MessageFragment::new(Words::default(), &message, body, thought).render().unwrap();
        assert!(html.starts_with("<article ") && html.trim_end().ends_with("</article>"), "{html}");
        assert!(html.contains(&format!("<div class=\"body prose\">{body}</div>")), "white space around the body: {html}");
        assert!(
            !html.contains("data-day") && !html.contains("data-follows") && !html.contains("data-answers"),
            "a frame knows nothing of its neighbours"
        );
        assert_eq!(html.contains("/retry"), message.state.kind().is_broken_off(), "{html}");
        assert_eq!(html.contains("/stop"), message.state.kind().is_open(), "{html}");
    }
}

#[test]
fn a_message_shows_its_files() {
    let log = log(&CALM);
    let shown = |seq: i64| {
        let (message, body, thought) = log.iter().find(|(message, ..)| message.seq == seq).unwrap();
        MessageFragment::new(Words::default(), message, body, thought).render().unwrap()
    };
    let with_picture = shown(14);
    assert!(with_picture.contains("Kitchen.png?w=") && with_picture.contains(LONG_NAME), "{with_picture}");
    assert_eq!((with_picture.matches("<img ").count(), shown(15).matches("<img ").count()), (1, 2), "what is no picture is none");
    assert!(
        shown(15).contains("&#38;still=1") || shown(15).contains("&amp;still=1"),
        "who wants nothing to move has a choice: {}",
        shown(15)
    );
}

#[test]
fn groups_and_days() {
    let log = log(&CALM);
    let mut fragments: Vec<_> =
        log.iter().map(|(message, body, thought)| MessageFragment::new(Words::default(), message, body, thought)).collect();
    MessageFragment::arrange(&mut fragments, None);
    let days: Vec<_> = fragments.iter().filter_map(|f| f.place.day.as_deref()).collect();
    assert_eq!(days, ["22 November 2026", "23 November 2026"]);
    let follows: Vec<_> = fragments.iter().filter(|f| f.place.follows).map(|f| f.message.seq).collect();
    assert_eq!(follows, [5]);
    let answers: Vec<_> = fragments.iter().filter(|f| f.place.answers).map(|f| f.message.seq).collect();
    assert_eq!(answers, [3]);
}

#[test]
fn the_names_of_a_full_room_are_few() {
    let who = |room: &RoomDetail| {
        let composer = Composer { id: message_id(1), text: "", reply_to: None, error: None, notice: None };
        RoomPage {
            chrome: Chrome::outside("b1", Look::default()),
            room,
            log: vec![],
            older: false,
            newer: false,
            around: None,
            may_manage: false,
            read_seq: 0,
            unread: None,
            composer,
        }
        .who()
    };
    let mut detail = room(&CALM);
    assert_eq!(who(&detail), "Parlor, Ada Lovelace, Bob");
    for n in 3..9 {
        detail.members.push(Member { id: person(n), name: format!("P{n}"), role: Role::Member });
    }
    assert_eq!(who(&detail), "Parlor, Ada Lovelace, Bob and 6 more");
}
