//! What was measured, as tables in Markdown that can be put into a page as they are.

use crate::load::Seen;
use crate::process::Used;
use crate::{Plan, parlor, plain};

pub struct FanOut {
    pub name: &'static str,
    pub streams: usize,
    pub steady: Seen,
    pub fast: Seen,
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
    pub seen: Seen,
    /// Streams whose text is not the whole reply.
    pub short: usize,
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
        if !self.fan_out.is_empty() {
            self.print_rates(&format!("{} messages a second", self.plan.per_second), |row| &row.steady);
            self.print_rates(&format!("{} messages on their way at once, as fast as they are acknowledged", crate::load::LANES), |row| {
                &row.fast
            });
            self.print_idle();
        }
        self.print_replies();
        self.print_storms();
        self.print_stopped();
    }

    fn print_rates(&self, title: &str, seen: impl Fn(&FanOut) -> &Seen) {
        heading(title);
        row(&[
            "streams",
            "",
            "messages/s",
            "deliveries/s",
            "CPU per delivery, µs",
            "of it in the kernel",
            "beside the floor",
            "p50, ms",
            "p99, ms",
            "lost",
            "doubled",
            "readers' own CPU",
        ]);
        rule(12);
        for streams in &self.plan.streams {
            let rows = || self.fan_out.iter().filter(|row| row.streams == *streams);
            let cost = |row: &FanOut| per_delivery(seen(row));
            let floor = rows().find(|row| row.name == "floor").map(cost);
            for measured in rows() {
                let now = seen(measured);
                row(&[
                    &thousands(*streams as f64),
                    measured.name,
                    &thousands(now.posted as f64 / now.seconds),
                    &thousands(now.delivered as f64 / now.seconds),
                    &format!("{:.2}", cost(measured)),
                    &percent(now.server.in_kernel),
                    &floor.map_or("–".into(), |floor| format!("{:.2}", cost(measured) / floor)),
                    &millis(now.latency.at(0.5)),
                    &millis(now.latency.at(0.99)),
                    &loud(now.lost),
                    &loud(now.doubled),
                    &percent(now.own_cores),
                ]);
            }
        }
        for measured in self.fan_out.iter().filter(|row| row.ended > 0 || row.steady.refused + row.fast.refused > 0) {
            let refused = measured.steady.refused + measured.fast.refused;
            println!(
                "\n**{}, {} streams: {} were ended by the server, {refused} messages were refused**",
                measured.name, measured.streams, measured.ended
            );
        }
    }

    fn print_idle(&self) {
        heading("Memory of a stream on which nothing happens, and how long opening them takes");
        row(&["streams", "", "kB a stream", "opened within, s"]);
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
            parlor::REPLIES,
            1.0 / model.every.as_secs_f64(),
            parlor::VIEWERS
        ));
        row(&["", "server, share of a core", "of it in the kernel", "events/s", "p50, ms", "p99, ms", "gaps", "doubled", "incomplete"]);
        rule(9);
        for Replies { name, seen, short } in &self.replies {
            row(&[
                name,
                &percent(seen.server.seconds / seen.seconds),
                &percent(seen.server.in_kernel),
                &thousands(seen.delivered as f64 / seen.seconds),
                &millis(seen.latency.at(0.5)),
                &millis(seen.latency.at(0.99)),
                &loud(seen.lost),
                &loud(seen.doubled),
                &loud(*short as u64),
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
            "memory grown, kB a stopped stream",
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
                &format!("{:.0}", measured.grown as f64 / 1000.0 / stopped as f64),
                &loud(measured.none.lost + measured.some.lost),
                &loud(measured.after.lost),
                &loud(measured.none.doubled + measured.some.doubled + measured.after.doubled),
                &measured.ended.to_string(),
            ]);
        }
        println!("\nThe channel of axum's `Sse` holds {} messages.", plain::CHANNEL);
    }
}

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
