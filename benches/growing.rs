//! What it costs to show a reply formatted while it grows: our renderer, which touches the open end alone, beside rendering the whole text
//! anew at every step and sending it whole, as most chats do. One run compares both on the same text.
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
