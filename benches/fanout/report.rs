//! What was measured, as tables in Markdown that can be put into a page as they are.

use crate::load::Seen;
use crate::process::Used;
use crate::{Plan, plain};

pub struct FanOut {
    pub name: &'static str,
    pub streams: usize,
    pub steady: Seen,
    /// Not of the floor, which takes a message for acknowledged when its own tasks have it.
    pub fast: Option<Seen>,
    pub ended: u64,
}

pub struct Idle {
    pub name: &'static str,
    pub streams: usize,
    pub bytes: u64,
    pub seconds: f64,
}

pub struct Storm {
    pub name: &'static str,
    pub back: f64,
    pub caught_up: Option<f64>,
    /// Streams that were refused at first.
    pub refused: u64,
    /// Messages that each stream has missed for good.
    pub missing: u64,
    pub cpu: Used,
}

pub struct Stopped {
    pub name: &'static str,
    pub none: Seen,
    pub some: Seen,
    pub grown: u64,
    pub after: Seen,
    pub ended: u64,
}

pub struct Replies {
    pub name: &'static str,
    pub streams: usize,
    pub seen: Seen,
    /// Streams that did not get every reply whole.
    pub incomplete: usize,
}

pub struct Report {
    plan: Plan,
    pub frame_bytes: usize,
    pub absent: Option<String>,
    /// What could not be measured, and why.
    pub failed: Vec<String>,
    pub fan_out: Vec<FanOut>,
    pub idle: Vec<Idle>,
    pub storms: Vec<Storm>,
    pub stopped: Vec<Stopped>,
    pub replies: Vec<Replies>,
}

impl Report {
    pub fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.clone(),
            frame_bytes: 0,
            absent: None,
            failed: Vec::new(),
            fan_out: Vec::new(),
            idle: Vec::new(),
            storms: Vec::new(),
            stopped: Vec::new(),
            replies: Vec::new(),
        }
    }

    pub fn print(&self) {
        println!("Measured on {}. Frames of {} bytes.", machine(), self.frame_bytes);
        if let Some(absent) = &self.absent {
            println!("**{absent}**");
        }
        for failed in &self.failed {
            println!("\n**Not measured: {failed}**");
        }
        self.print_disturbance();
        self.print_summary();
        if !self.fan_out.is_empty() {
            let lanes = crate::load::LANES;
            self.print_rates(&format!("{} messages a second", self.plan.per_second), true, |row| Some(&row.steady));
            self.print_rates(&format!("As fast as acknowledged, with {lanes} messages on their way"), false, |row| row.fast.as_ref());
        }
        self.print_idle();
        self.print_replies();
        self.print_storms();
        self.print_stopped();
    }

    /// The main figures of everyone side by side.
    fn print_summary(&self) {
        let names = [FLOOR, PARLOR, PLAIN, NCHAN];
        heading("In short");
        row(&["", "the floor", names[1], names[2], names[3]]);
        rule(5);
        let line = |what: &str, figure: &dyn Fn(&str) -> Option<String>| {
            let figures = names.map(|name| figure(name).unwrap_or_else(|| "–".into()));
            if figures.iter().any(|figure| figure != "–") {
                row(&[what, &figures[0], &figures[1], &figures[2], &figures[3]]);
            }
        };
        for streams in self.plan.streams.iter().copied().filter(|streams| *streams >= 1000) {
            let of = |name: &str| self.fan_out.iter().find(|row| row.name == name && row.streams == streams);
            let floor = of(FLOOR).map_or(f64::NAN, |floor| per_delivery(&floor.steady));
            let what = format!(
                "CPU per delivery beside the floor, {} streams, {} messages a second",
                thousands(streams as f64),
                self.plan.per_second
            );
            line(&what, &|name| Some(format!("{:.2}", per_delivery(&of(name)?.steady) / floor)));
        }
        for streams in self.plan.streams.iter().copied().filter(|streams| *streams >= 1000) {
            let of = |name: &str| self.fan_out.iter().find(|row| row.name == name && row.streams == streams)?.fast.as_ref();
            let what = format!("deliveries a second, {} streams, {} messages on their way", thousands(streams as f64), crate::load::LANES);
            line(&what, &|name| of(name).map(|fast| thousands(fast.delivered as f64 / fast.seconds)));
        }
        let idle = |name: &str| self.idle.iter().rfind(|idle| idle.name == name);
        line("memory of an idle stream, kB", &|name| Some(format!("{:.1}", idle(name)?.bytes as f64 / 1000.0)));
        let reply = |name: &str| self.replies.iter().find(|replies| replies.name == name);
        let what = format!("{} replies in a room, {} viewers: CPU, of a core", crate::REPLIES, crate::VIEWERS);
        line(&what, &|name| reply(name).map(|Replies { seen, .. }| percent(seen.server.seconds / seen.seconds)));
        let storm = |name: &str| self.storms.iter().find(|storm| storm.name == name);
        let what = format!("{} streams cut at once: all back and caught up after, s", thousands(self.plan.storm as f64));
        line(&what, &|name| Some(storm(name)?.caught_up.map_or("never".into(), |seconds| format!("{seconds:.2}"))));
        let stopped = |name: &str| self.stopped.iter().find(|stopped| stopped.name == name);
        line("one in ten stops reading: p99 of the others, ms", &|name| stopped(name).map(|stopped| millis(stopped.some.latency.at(0.99))));
        line("lost in all", &|name| self.all_of(name, |seen| seen.lost));
        line("doubled in all", &|name| self.all_of(name, |seen| seen.doubled));
    }

    /// Over all measurements of one of them.
    fn all_of(&self, name: &str, count: impl Fn(&Seen) -> u64) -> Option<String> {
        let counts: Vec<u64> = self.seen_of(name).map(count).collect();
        (!counts.is_empty()).then(|| loud(counts.iter().sum()))
    }

    fn seen_of(&self, name: &str) -> impl Iterator<Item = &Seen> {
        let fan_out =
            self.fan_out.iter().filter(move |row| row.name == name).flat_map(|row| [Some(&row.steady), row.fast.as_ref()]).flatten();
        let replies = self.replies.iter().filter(move |row| row.name == name).map(|row| &row.seen);
        let stopped = self.stopped.iter().filter(move |row| row.name == name).flat_map(|row| [&row.none, &row.some, &row.after]);
        fan_out.chain(replies).chain(stopped)
    }

    /// How much else went on on the machine: figures taken beside it are worth less.
    fn print_disturbance(&self) {
        /// Of a core; the system itself takes some.
        const CALM: f64 = 0.1;
        let mean = |name| {
            let others: Vec<f64> = self.seen_of(name).map(|seen| seen.other_cores).collect();
            (!others.is_empty()).then(|| (name, others.iter().sum::<f64>() / others.len() as f64))
        };
        let disturbed: Vec<String> = [FLOOR, PARLOR, PLAIN, NCHAN]
            .into_iter()
            .filter_map(mean)
            .filter(|(_, cores)| *cores > CALM)
            .map(|(name, cores)| format!("{} of a core beside {name}", percent(cores)))
            .collect();
        if !disturbed.is_empty() {
            println!("\n**The machine was not calm: other processes used {}.**", disturbed.join(", "));
        }
    }

    fn print_rates(&self, title: &str, with_floor: bool, seen: impl Fn(&FanOut) -> Option<&Seen>) {
        heading(title);
        let beside = if with_floor { "beside the floor" } else { "messages/s" };
        row(&[
            "streams",
            "",
            "deliveries/s",
            "CPU per delivery, µs",
            "of it in the kernel",
            beside,
            "p50, ms",
            "p99, ms",
            "lost",
            "doubled",
        ]);
        rule(10);
        for streams in &self.plan.streams {
            let rows = || self.fan_out.iter().filter(|row| row.streams == *streams);
            let floor = rows().find(|row| row.name == FLOOR).map(|row| per_delivery(&row.steady));
            for (name, now) in rows().filter_map(|row| Some((row.name, seen(row)?))) {
                row(&[
                    &thousands(*streams as f64),
                    name,
                    &thousands(now.delivered as f64 / now.seconds),
                    &format!("{:.2}", per_delivery(now)),
                    &percent(now.server.in_kernel),
                    &match with_floor {
                        true => floor.map_or("–".into(), |floor| format!("{:.2}", per_delivery(now) / floor)),
                        false => thousands(now.posted as f64 / now.seconds),
                    },
                    &millis(now.latency.at(0.5)),
                    &millis(now.latency.at(0.99)),
                    &loud(now.lost),
                    &loud(now.doubled),
                ]);
            }
        }
        let own = self.fan_out.iter().filter_map(|row| Some(seen(row)?.own_cores)).fold(0.0, f64::max);
        println!("\nReaders and writers themselves used at most {} of a core.", percent(own));
        for FanOut { name, streams, ended, .. } in self.fan_out.iter().filter(|row| row.ended > 0) {
            println!("\n**{name}, {streams} streams: {ended} were ended by the server**");
        }
        for measured in &self.fan_out {
            let refused = seen(measured).map_or(0, |seen| seen.refused);
            if refused > 0 {
                println!("\n**{}, {} streams: {refused} messages were refused**", measured.name, measured.streams);
            }
        }
    }

    fn print_idle(&self) {
        if self.idle.is_empty() {
            return;
        }
        heading("Memory of a stream on which nothing happens");
        row(&["streams", "", "kB a stream", "the last of them opened within, s"]);
        rule(4);
        for streams in &self.plan.streams {
            for idle in self.idle.iter().filter(|idle| idle.streams == *streams) {
                row(&[
                    &thousands(*streams as f64),
                    idle.name,
                    &format!("{:.1}", idle.bytes as f64 / 1000.0),
                    &format!("{:.2}", idle.seconds),
                ]);
            }
        }
    }

    fn print_replies(&self) {
        if self.replies.is_empty() {
            return;
        }
        let model = self.plan.model;
        heading(&format!(
            "{} replies at once, {:.0} tokens a second each, {} viewers of each",
            crate::REPLIES,
            1.0 / model.every.as_secs_f64(),
            crate::VIEWERS
        ));
        row(&["where", "", "server's CPU, of a core", "events/s", "p50, ms", "p99, ms", "gaps", "doubled", "streams without the whole"]);
        rule(9);
        for Replies { name, streams, seen, incomplete } in &self.replies {
            let place = match *streams == crate::VIEWERS {
                true => format!("all in one room, {streams} streams"),
                false => format!("a room each, {} streams", thousands(*streams as f64)),
            };
            row(&[
                &place,
                name,
                &percent(seen.server.seconds / seen.seconds),
                &thousands(seen.delivered as f64 / seen.seconds),
                &millis(seen.latency.at(0.5)),
                &millis(seen.latency.at(0.99)),
                &loud(seen.lost),
                &loud(seen.doubled),
                &loud(*incomplete as u64),
            ]);
        }
    }

    fn print_storms(&self) {
        if self.storms.is_empty() {
            return;
        }
        heading(&format!(
            "{} streams cut at once, {} messages missed, all back at once",
            thousands(self.plan.storm as f64),
            self.plan.missed
        ));
        row(&["", "all open again, s", "all caught up, s", "refused at first", "messages missed for good, a stream", "server's CPU, s"]);
        rule(6);
        for storm in &self.storms {
            row(&[
                storm.name,
                &format!("{:.2}", storm.back),
                &storm.caught_up.map_or("never".into(), |seconds| format!("{seconds:.2}")),
                &storm.refused.to_string(),
                &loud(storm.missing),
                &format!("{:.2}", storm.cpu.seconds),
            ]);
        }
    }

    fn print_stopped(&self) {
        if self.stopped.is_empty() {
            return;
        }
        let (streams, stopped) = (self.plan.stopped, self.plan.stopped / 10);
        heading(&format!("{streams} streams, 100 messages a second; then {stopped} of them read nothing any more"));
        row(&[
            "",
            "p99 when all read, ms",
            "p99 of the others, ms",
            "server's memory grown by, MB",
            "lost to the others",
            "lost when the stopped read again",
            "doubled",
            "ended by the server",
        ]);
        rule(8);
        for measured in &self.stopped {
            row(&[
                measured.name,
                &millis(measured.none.latency.at(0.99)),
                &millis(measured.some.latency.at(0.99)),
                &format!("{:.1}", measured.grown as f64 / 1e6),
                &loud(measured.none.lost + measured.some.lost),
                &loud(measured.after.lost),
                &loud(measured.none.doubled + measured.some.doubled + measured.after.doubled),
                &measured.ended.to_string(),
            ]);
        }
        println!("\nThe channel of axum's `Sse` holds {} messages.", plain::CHANNEL);
    }
}

/// The floor's name, which is compared with.
pub const FLOOR: &str = "floor";
/// The names of the others.
pub const PARLOR: &str = "Parlor";
pub const PLAIN: &str = "axum `Sse`";
pub const NCHAN: &str = "nginx with Nchan";

/// Microseconds.
fn per_delivery(seen: &Seen) -> f64 {
    seen.server.seconds * 1e6 / seen.delivered as f64
}

fn heading(title: &str) {
    println!("\n**{title}**\n");
}

fn row(cells: &[&str]) {
    println!("| {} |", cells.join(" | "));
}

fn rule(columns: usize) {
    println!("|{}", "---|".repeat(columns));
}

fn loud(count: u64) -> String {
    match count {
        0 => "0".into(),
        _ => format!("**{}**", thousands(count as f64)),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn millis(millis: f64) -> String {
    match millis {
        _ if millis.is_nan() => "–".into(),
        _ if millis < 10.0 => format!("{millis:.1}"),
        _ => thousands(millis),
    }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Processor, cores and kernel.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("a processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let congestion = read("/proc/sys/net/ipv4/tcp_congestion_control");
    format!("{cores} cores of {model}, Linux {}, TCP with {}", read("/proc/sys/kernel/osrelease").trim(), congestion.trim())
}
