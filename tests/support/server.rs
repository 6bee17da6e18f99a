//! The real binary as a process, on a folder and a port of its own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

use super::database::{Database, On};
use super::person::Person;
use super::{PASSWORD, PATIENCE, eventually};

const PROGRAM: &str = env!("CARGO_BIN_EXE_parlor");

/// How a test's server is set, where that is not as usual.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// With the built-in model of `PARLOR_TEST_MODEL`.
    pub model: bool,
    /// How often one person may post; by default more often than any test does.
    pub posts_per_minute: Option<u32>,
    /// A folder inside the temporary one, for paths of a certain kind.
    pub folder: Option<String>,
    /// Where it listens, if not on a free port of 127.0.0.1. An address of its own (such as 127.0.7.1:0) keeps its port free while it is
    /// down: nobody's outgoing connections come from there.
    pub listen: Option<String>,
}

impl Options {
    pub fn args(args: &[&str]) -> Self {
        Self { args: args.iter().map(|arg| (*arg).to_owned()).collect(), ..Self::default() }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn with_model(self) -> Self {
        Self { model: true, ..self }
    }
}

/// A server of a test. Dropping it ends its process; a failed test prints its log.
pub struct Server {
    /// Where it is reached: `http://127.0.0.1:PORT`.
    pub url: String,
    pub database: Database,
    /// Files for which scripts wait (`wait NAME`), made by [`Server::open`].
    pub gates: PathBuf,
    data: PathBuf,
    options: Options,
    process: Mutex<Option<Running>>,
    admin: Mutex<Option<Person>>,
    // Last, so that it goes last.
    temp: TempDir,
}

struct Running {
    child: Child,
    /// What it has printed so far.
    printed: watch::Receiver<Vec<String>>,
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Done {
    /// What it printed, without the last line's end; fails unless it went well.
    pub fn ok(&self) -> &str {
        assert!(self.status.success(), "the command failed: {} {}", self.out, self.err);
        self.out.trim_end_matches('\n')
    }

    /// The JSON that it printed.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.ok()).unwrap_or_else(|error| panic!("this is no JSON ({error}): {}", self.out))
    }

    /// The sentence with which it was refused; fails if it was done.
    pub fn refused(&self) -> &str {
        assert!(!self.status.success(), "the command was done: {}", self.out);
        assert_eq!(self.out, "", "a refusal prints nothing where results go");
        let sentence = self.err.trim_end_matches('\n');
        assert!(!sentence.contains("panicked"), "it panicked: {sentence}");
        sentence
    }
}

/// The file of the built-in model for tests.
pub fn test_model() -> PathBuf {
    let path = std::env::var_os("PARLOR_TEST_MODEL")
        .expect("PARLOR_TEST_MODEL must name SmolLM2-135M-Instruct.Q4_1.gguf; ./test sets it, and a run by hand must too");
    path.into()
}

impl Server {
    pub async fn start(on: On) -> Self {
        Self::with(on, Options::default()).await
    }

    pub async fn with(on: On, options: Options) -> Self {
        let server = Self::prepare(on, options).await;
        server.go().await
    }

    /// A data folder and a database, and no process yet.
    pub async fn prepare(on: On, options: Options) -> Self {
        let temp = tempfile::Builder::new().prefix("parlor-").tempdir().expect("there is room for temporary files");
        let data = temp.path().join(options.folder.as_deref().unwrap_or("data"));
        fs::create_dir_all(&data).unwrap();
        let gates = temp.path().join("gates");
        fs::create_dir(&gates).unwrap();
        let database = Database::new(on, &data).await;
        Self { url: String::new(), database, gates, data, options, process: Mutex::default(), admin: Mutex::default(), temp }
    }

    /// Starts the process of a prepared server and waits until it says that it is ready.
    pub async fn go(mut self) -> Self {
        self.begin();
        self.url = self.ready().await;
        self
    }

    /// Starts the process, on the port that it had if it ran before, and waits for nothing.
    pub fn begin(&self) {
        match self.url.strip_prefix("http://") {
            Some(listen) => self.launch(listen),
            None => self.launch(self.options.listen.as_deref().unwrap_or("127.0.0.1:0")),
        }
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn temp(&self) -> &Path {
        self.temp.path()
    }

    fn launch(&self, listen: &str) {
        let log = File::options().create(true).append(true).open(self.temp.path().join("serve.log")).unwrap();
        let mut command = self.command();
        command.args(["serve", "--listen", listen, "--log", "info,parlor=debug,sqlx=warn,hyper=warn,tower_sessions=warn"]);
        command.args(["--posts-per-minute", &self.options.posts_per_minute.unwrap_or(100_000).to_string()]);
        if self.options.model {
            command.arg("--model").arg(test_model());
        }
        command.args(&self.options.args).envs(self.options.env.iter().cloned());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
        let (say, printed) = watch::channel(Vec::new());
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                say.send_modify(|lines| lines.push(line));
            }
        });
        *self.process.lock().unwrap() = Some(Running { child, printed });
    }

    /// Waits for the line with the address.
    async fn ready(&self) -> String {
        let line = self.prints("Parlor is ready: ").await;
        line.trim_start_matches("Parlor is ready: ").to_owned()
    }

    /// Waits until it prints a line that begins like this.
    pub async fn prints(&self, beginning: &str) -> String {
        let mut printed = self.process.lock().unwrap().as_ref().expect("it runs").printed.clone();
        let find = |lines: &Vec<String>| lines.iter().find(|line| line.starts_with(beginning)).cloned();
        match timeout(PATIENCE, printed.wait_for(|lines| find(lines).is_some())).await {
            Ok(Ok(lines)) => find(&lines).unwrap(),
            other => panic!("the server never printed “{beginning}…”: {:?}\n{}", other.map(|_| ()), self.log()),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        // Nothing of who runs the tests: only what a test says.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARLOR_")) {
            command.env_remove(name);
        }
        command.env("PARLOR_DATA", &self.data).current_dir(self.temp.path());
        if let Database::Postgres { url, .. } = &self.database {
            command.env("PARLOR_DATABASE", url);
        }
        command
    }

    /// Runs a command line on the server's data folder, whether the server runs or not.
    pub async fn cli(&self, args: &[&str], stdin: &str) -> Done {
        self.cli_with(args, stdin, &[]).await
    }

    pub async fn cli_with(&self, args: &[&str], stdin: &str, env: &[(&str, &str)]) -> Done {
        let mut command = self.command();
        command.args(args).envs(env.iter().copied());
        run(command, stdin.to_owned()).await
    }

    /// Ends the process at once, as a crash or the kernel would.
    pub async fn kill9(&self) {
        let mut running = self.process.lock().unwrap().take().expect("it runs");
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// Asks the process to end, and says how long it took.
    pub async fn terminate(&self) -> Duration {
        let began = Instant::now();
        self.signal(Signal::TERM);
        self.ended().await;
        began.elapsed()
    }

    /// Asks the process to end and does not wait for it.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    pub fn pid(&self) -> Pid {
        let process = self.process.lock().unwrap();
        Pid::from_child(&process.as_ref().expect("it runs").child)
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&self) -> ExitStatus {
        let status = eventually("the server ends", async || {
            let mut process = self.process.lock().unwrap();
            process.as_mut().and_then(|running| running.child.try_wait().unwrap())
        })
        .await;
        *self.process.lock().unwrap() = None;
        status
    }

    /// Starts it again on the same folder, database and port.
    pub async fn restart(&self) {
        if self.process.lock().unwrap().is_some() {
            self.terminate().await;
        }
        self.begin();
        assert_eq!(self.ready().await, self.url);
    }

    /// Lets every script that waits for this gate go on.
    pub fn open(&self, gate: &str) {
        File::create(self.gates.join(gate)).unwrap();
    }

    pub fn close(&self, gate: &str) {
        fs::remove_file(self.gates.join(gate)).unwrap();
    }

    /// The name of a scripted model whose scripts may wait for this server's gates.
    pub fn scripted(&self, model: &str) -> String {
        let sign = if model.contains('?') { '&' } else { '?' };
        format!("{model}{sign}{}", super::encoded(&[("gates", self.gates.to_str().unwrap())]))
    }

    /// Puts a scripted assistant into a room. It does what the question's script says, else says the question again.
    pub async fn assistant(&self, name: &str, room: &str, speaks: &str) {
        let model = self.scripted("echo?tokens_per_second=1000");
        self.assistant_of(name, room, speaks, &["--provider", "scripted", "--model", &model]).await;
    }

    pub async fn assistant_of(&self, name: &str, room: &str, speaks: &str, more: &[&str]) {
        let mut args = vec!["assistant", "add", name, "--speaks", speaks, "--room", room];
        args.extend(more);
        self.cli(&args, "").await.ok();
    }

    /// Makes the first account through the set-up page, and remembers who it is.
    pub async fn first(&self, name: &str) -> Person {
        let person = Person::stranger(&self.url);
        let page = person.get("/").await.follow(&person).await;
        assert!(page.body.contains("action=\"/setup\""), "the first visit leads to the set-up page: {}", page.body);
        let page = person.post("/setup", &[("name", name), ("password", PASSWORD)]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        let person = person.known().await;
        *self.admin.lock().unwrap() = Some(person.clone());
        person
    }

    /// Makes a further account through an invitation of the first.
    pub async fn person(&self, name: &str) -> Person {
        let admin = self.admin.lock().unwrap().clone().expect("there is a first account");
        let link = admin.invites(1).await;
        let person = Person::stranger(&self.url);
        assert_eq!(person.get(&link).await.status, 200);
        let page = person.post(&link, &[("name", name), ("password", PASSWORD)]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        person.known().await
    }

    /// Signs somebody in once more, with cookies of their own.
    pub async fn signs_in(&self, name: &str) -> Person {
        let person = Person::stranger(&self.url);
        let page = person.post("/sign-in", &[("name", name), ("password", PASSWORD), ("next", "/")]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        person.known().await
    }

    /// A program that acts for somebody, with a token from the command line.
    pub async fn program(&self, name: &str) -> Person {
        let token = self.cli(&["token", "add", name], "").await.ok().to_owned();
        Person::program(&self.url, &token).known().await
    }

    pub fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = File::open(self.temp.path().join("serve.log")) {
            let _ = file.read_to_string(&mut text);
        }
        text
    }
}

/// Runs a command with this on its standard input.
pub async fn run(mut command: Command, stdin: String) -> Done {
    let running = tokio::task::spawn_blocking(move || {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        // A command that does not read its input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap()
    });
    let output = timeout(2 * PATIENCE, running).await.expect("a command ends").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("commands print UTF-8");
    Done { status: output.status, out: text(output.stdout), err: text(output.stderr) }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut running) = self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the server's log, last lines ---\n{}\n---", lines[lines.len().saturating_sub(80)..].join("\n"));
        }
    }
}
