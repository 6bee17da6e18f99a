//! What a server costs: its CPU time and memory as the kernel counts them, and the process itself, which ends with its guard.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a server may take to say that it is ready.
const READY: Duration = Duration::from_secs(20);
/// The kernel's unit of CPU time in `/proc/PID/stat`; it is this on every Linux in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running server. Dropping it ends the process.
pub struct Server {
    child: Child,
    /// Whether the work is done by its children (nginx), which are counted in its place.
    by_children: bool,
}

impl Server {
    /// Starts it, its log going to a file, and waits for the line of its output that begins with `ready`; gives the rest of that line and of
    /// those that follow within a moment.
    pub fn start(mut command: Command, log: &Path, ready: &str) -> Result<(Self, Vec<String>), String> {
        let log = fs::File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{program} cannot be started: {error}"))?;
        let (say, said) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(say.send(line))));
        }
        let server = Self { child, by_children: false };
        let mut lines = Vec::new();
        loop {
            let patience = if lines.is_empty() { READY } else { Duration::from_millis(200) };
            match said.recv_timeout(patience) {
                Ok(line) if !lines.is_empty() => lines.push(line),
                Ok(line) => lines.extend(line.strip_prefix(ready).map(str::to_owned)),
                Err(_) if lines.is_empty() => return Err(format!("{program} did not say “{ready}”")),
                Err(_) => return Ok((server, lines)),
            }
        }
    }

    /// Starts a server that says nothing and does its work in children.
    pub fn start_silent(mut command: Command) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn().map_err(|error| format!("{program} cannot be started: {error}"))?;
        Ok(Self { child, by_children: true })
    }

    pub fn pids(&self) -> Vec<u32> {
        let own = self.child.id();
        if !self.by_children {
            return vec![own];
        }
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        std::iter::once(own).chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect()
    }

    pub fn cpu(&self) -> Cpu {
        let mut cpu = Cpu::default();
        self.pids().into_iter().for_each(|pid| cpu.add(pid));
        cpu
    }

    /// Memory in bytes, shared pages counted by share. What the kernel holds for sockets is in no process's account.
    pub fn memory(&self) -> u64 {
        let pss = |pid: u32| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        self.pids().into_iter().map(pss).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's master ends its workers when it is asked to end, not when it is killed.
        if self.by_children {
            let asked = rustix::process::Pid::from_raw(self.child.id() as i32)
                .map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
            if asked.is_some_and(|asked| asked.is_ok()) {
                for _ in 0..50 {
                    if matches!(self.child.try_wait(), Ok(Some(_))) {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time that everything on the machine has used, in seconds.
pub fn machine_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let all = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = all.split_whitespace().skip(1).map(|ticks| ticks.parse().unwrap_or(0.0)).collect();
    // user, nice, system, then idle and waiting, which do not count, then interrupts.
    ticks.iter().take(7).enumerate().filter(|(index, _)| !matches!(index, 3 | 4)).map(|(_, ticks)| ticks).sum::<f64>() / TICKS_PER_SECOND
}

/// CPU time so far, in seconds.
#[derive(Clone, Debug, Default)]
pub struct Cpu {
    user: f64,
    system: f64,
    /// Exact to the nanosecond, by thread; a thread that ends takes its count with it, so that this is for differences over a short time.
    threads: HashMap<(u32, u32), f64>,
}

impl Cpu {
    /// This process's own.
    pub fn own() -> Self {
        let mut cpu = Self::default();
        cpu.add(std::process::id());
        cpu
    }

    fn add(&mut self, pid: u32) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name stands in brackets and may hold anything.
        let fields: Vec<f64> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect();
        if let [user, system] = fields.get(11..13).unwrap_or_default() {
            self.user += user / TICKS_PER_SECOND;
            self.system += system / TICKS_PER_SECOND;
        }
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let on_cpu = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let tid = task.file_name().to_string_lossy().parse().unwrap_or(0);
            if let Some(nanos) = on_cpu.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()) {
                self.threads.insert((pid, tid), nanos / 1e9);
            }
        }
    }

    /// What was used since: seconds in all, and the share of them spent in the kernel.
    pub fn since(&self, before: &Self) -> Used {
        let ticks = (self.user - before.user, self.system - before.system);
        let exact: f64 = self.threads.iter().map(|(thread, now)| now - before.threads.get(thread).copied().unwrap_or(0.0)).sum();
        let by_ticks = ticks.0 + ticks.1;
        // Without the kernel's exact count there are the ticks.
        let seconds = if exact > 0.0 { exact } else { by_ticks };
        Used { seconds, in_kernel: if by_ticks > 0.0 { ticks.1 / by_ticks } else { 0.0 } }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub seconds: f64,
    pub in_kernel: f64,
}
