//! What it costs to show a reply formatted while it grows: our renderer, which touches the open end alone, beside rendering the whole text
//! anew at every step and sending it whole, as most chats do. One run compares both on the same text. Then a long reply with code, the same
//! with code that is not highlighted, and a long list, a push at a time.
//!
//! `cargo bench --bench growing`

use std::time::{Duration, Instant};

use parlor::render::{Context, Growing, blocks};

/// Characters a step: about what a quick model writes in 33 ms.
const STEP: usize = 12;
/// Bytes around each event on the wire, for both (`data:` line, ids, lengths).
const FRAME: usize = 160;

fn main() {
    let cx = Context { scope: "bench", names: &[], rooms: &[] };
    println!("{:>8}  {:>12} {:>12}  {:>12} {:>12}", "chars", "ours, ms", "whole, ms", "ours, kB", "whole, kB");
    for paragraphs in [4, 16, 64] {
        let text = reply(paragraphs);
        let (our_time, our_bytes) = growing(&text, &cx);
        let (whole_time, whole_bytes) = whole(&text, &cx);
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!(
            "{:>8}  {:>12.1} {:>12.1}  {:>12} {:>12}",
            text.chars().count(),
            ms(our_time),
            ms(whole_time),
            our_bytes / 1000,
            whole_bytes / 1000
        );
    }

    println!(
        "\n{:>24}  {:>8} {:>8} {:>10} {:>10} {:>10} {:>10}",
        "a push of 12 characters", "chars", "pushes", "mean, µs", "99 %, µs", "most, µs", "kB sent"
    );
    let code = reply_with_code("rust");
    for (what, text) in [
        ("code", code.clone()),
        ("code, not highlighted", code.replace("```rust", "```")),
        ("one block of 50 kB", format!("```rust\n{}```\n", CODE.repeat(50_000 / CODE.len()))),
        ("the same, not highlighted", format!("```\n{}```\n", CODE.repeat(50_000 / CODE.len()))),
        ("code in a list", format!("1. Write this:\n\n{}\n2. Run it.\n", indented("```rust\n", CODE, 8))),
        ("a list of 50 kB", "- one item with a [link](https://example.org/a) and **more**\n".repeat(800)),
    ] {
        let pushes = pushes(&text, &cx);
        let at = |part: f64| pushes.times[((pushes.times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
        let mean = pushes.times.iter().sum::<Duration>().as_secs_f64() * 1e6 / pushes.times.len() as f64;
        println!(
            "{what:>24}  {:>8} {:>8} {mean:>10.1} {:>10.1} {:>10.1} {:>10.1}",
            text.chars().count(),
            pushes.times.len(),
            at(0.99),
            at(1.0),
            pushes.bytes as f64 / 1000.0
        );
    }
}

/// What single pushes cost, in order of time.
struct Pushes {
    times: Vec<Duration>,
    bytes: usize,
}

fn pushes(text: &str, cx: &Context<'_>) -> Pushes {
    let mut reply = Growing::new(cx);
    let mut pushes = Pushes { times: Vec::new(), bytes: 0 };
    for step in steps(text) {
        let began = Instant::now();
        let patch = reply.push(&step);
        pushes.times.push(began.elapsed());
        pushes.bytes += FRAME + patch.html.iter().map(String::len).sum::<usize>();
    }
    pushes.times.sort();
    pushes
}

const CODE: &str = r#"/// Takes the oldest item, if there is one, and tells how many are left.
pub async fn pop<'a, T: Send>(queue: &'a Queue<T>) -> Option<(&'a T, usize)> {
    let mut items = queue.items.lock().await; // never held across an await
    match items.pop_front() {
        Some(item) if item.age() < MAX_AGE => Some((item, items.len())),
        Some(old) => {
            warn!("dropped {:?} after {} ms", old.id, 1_000);
            None
        }
        None => None,
    }
}

"#;

/// About 4,000 tokens: prose, and code for most of it.
fn reply_with_code(language: &str) -> String {
    let mut text = String::new();
    for n in 0..10 {
        text.push_str(&format!(
            "### Step {n}\n\nFirst look at the **queue**; `pop` takes from its front, and what is too old is dropped on the way.\n\n"
        ));
        text.push_str(&format!("```{language}\n{}```\n\n", CODE.repeat(3)));
    }
    text
}

/// Code as part of an item.
fn indented(fence: &str, code: &str, times: usize) -> String {
    format!("{fence}{}```\n", code.repeat(times)).lines().map(|line| format!("   {line}\n")).collect()
}

/// A reply with prose, a list, a table and code, such as models write.
fn reply(paragraphs: usize) -> String {
    let mut text = String::new();
    for n in 0..paragraphs {
        text.push_str(&format!(
            "### Step {n}\n\nFirst look at the **queue**, then at `head`; both grow with each _change_ of the room, and "
        ));
        text.push_str("what was sent is never sent again. A reader that comes late gets the whole of it at once.\n\n");
        text.push_str("- one item with a [link](https://example.org/a)\n- another, longer item that goes on for a while\n\n");
        text.push_str(
            "| name | value |\n|---|---:|\n| a | 1 |\n| b | 2 |\n\n```rust\nfn main() {\n    println!(\"{}\", 1 + 1);\n}\n```\n\n",
        );
    }
    text
}

fn steps(text: &str) -> impl Iterator<Item = String> + '_ {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(STEP).map(|c| c.iter().collect()).collect::<Vec<String>>().into_iter()
}

fn growing(text: &str, cx: &Context<'_>) -> (Duration, usize) {
    let began = Instant::now();
    let mut bytes = 0;
    let mut reply = Growing::new(cx);
    for step in steps(text) {
        let patch = reply.push(&step);
        bytes += FRAME + patch.html.iter().map(String::len).sum::<usize>();
    }
    (began.elapsed(), bytes)
}

fn whole(text: &str, cx: &Context<'_>) -> (Duration, usize) {
    let began = Instant::now();
    let mut bytes = 0;
    let mut so_far = String::new();
    for step in steps(text) {
        so_far.push_str(&step);
        bytes += FRAME + blocks(&so_far, cx).iter().map(String::len).sum::<usize>();
    }
    (began.elapsed(), bytes)
}
