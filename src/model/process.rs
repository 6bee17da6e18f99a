//! One run of the worker: its pipes, as a stream of [`Tell`]s in and a queue of [`Ask`]s out.

use std::env;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::model::child::WorkerCommand;
use crate::model::pipe::{self, Ask, Lines, Tell};

/// Bytes of a log line; what is longer is lost.
const LOG_LINE_LIMIT: usize = 16 << 10;

/// What of our environment a worker gets. Not the rest: it holds the keys of providers, and the worker parses files from elsewhere.
const ENVIRONMENT: [&str; 4] = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LLVM_PROFILE_FILE", "RUST_BACKTRACE"];

/// A running worker. Dropping it kills it.
pub struct Process {
    child: Child,
    pid: u32,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    asked: BytesMut,
    told: Lines,
    logged: Lines,
}

impl Process {
    /// Starts a worker.
    ///
    /// # Errors
    /// The system's, if it cannot be started.
    pub fn start(command: &WorkerCommand) -> io::Result<Self> {
        let mut child = Command::new(&command.program)
            .args(&command.args)
            .arg0("parlor")
            .env_clear()
            .envs(ENVIRONMENT.iter().filter_map(|name| Some((name, env::var_os(name)?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C in a terminal is for the server, which then ends its worker in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let piped = || io::Error::other("a pipe of the process is missing");
        let pid = child.id().ok_or_else(piped)?;
        let stdin = Some(child.stdin.take().ok_or_else(piped)?);
        let stdout = child.stdout.take().ok_or_else(piped)?;
        let stderr = child.stderr.take();
        Ok(Self { child, pid, stdin, stdout, stderr, asked: BytesMut::new(), told: Lines::default(), logged: Lines::default() })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Queues a frame; [`next`](Self::next) sends it.
    ///
    /// # Errors
    /// If the frame is too long.
    pub fn ask(&mut self, ask: &Ask) -> io::Result<()> {
        self.asked.extend_from_slice(&pipe::encode(ask)?);
        Ok(())
    }

    /// Sends what is queued, passes the log on, and returns the next frame; none when the process has closed its end. May be dropped and called
    /// again at any time: every byte is either still in its pipe or kept here.
    ///
    /// # Errors
    /// If what comes is no frame.
    pub async fn next(&mut self) -> io::Result<Option<Tell>> {
        loop {
            if let Some(tell) = self.told.next_frame()? {
                return Ok(Some(tell));
            }
            tokio::select! {
                read = self.stdout.read_buf(self.told.tail()) => {
                    if read? == 0 {
                        return Ok(None);
                    }
                }
                log_goes_on = read_log(&mut self.stderr, &mut self.logged) => {
                    if !log_goes_on {
                        self.stderr = None;
                    }
                }
                sent = write(&mut self.stdin, &mut self.asked), if !self.asked.is_empty() => {
                    if sent.is_err() {
                        // It has stopped listening. What it said before may still be in its pipe, so reading goes on until that ends.
                        self.stdin = None;
                        self.asked.clear();
                    }
                }
            }
        }
    }

    /// Ends the process: first by closing its stdin, after `patience` by force. Returns how it ended, in words.
    pub async fn end(mut self, patience: Duration) -> String {
        drop(self.stdin.take());
        let ended = match timeout(patience, self.child.wait()).await {
            Ok(ended) => ended,
            Err(_) => match self.child.kill().await {
                Ok(()) => self.child.wait().await,
                Err(error) => Err(error),
            },
        };
        // The last lines of its log often say why.
        while let Ok(true) = timeout(Duration::ZERO, read_log(&mut self.stderr, &mut self.logged)).await {}
        ended.map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

async fn write(stdin: &mut Option<ChildStdin>, bytes: &mut BytesMut) -> io::Result<()> {
    match stdin {
        Some(stdin) => stdin.write_buf(bytes).await.map(drop),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// Waits for more of the log and writes its lines to ours. False at its end; after that, waits for ever.
async fn read_log(stderr: &mut Option<ChildStderr>, lines: &mut Lines) -> bool {
    let Some(pipe) = stderr else { return std::future::pending().await };
    let goes_on = matches!(pipe.read_buf(lines.tail()).await, Ok(1..));
    loop {
        match lines.next(LOG_LINE_LIMIT) {
            Ok(Some(line)) => tracing::debug!(target: "parlor::model", line = %String::from_utf8_lossy(&line), "built-in model"),
            Ok(None) => return goes_on,
            Err(_) => *lines = Lines::default(),
        }
    }
}
