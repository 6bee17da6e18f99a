//! Chromium, driven through WebDriver: the one place that knows that protocol.
//!
//! A browser has a driver, a profile and a process group of its own; all three are gone when it is dropped, whatever became of the test.
//! Every browser is watched: what its console said is asked for when it closes, and an error that was not forgiven fails the test.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use fantoccini::error::CmdError;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use url::{ParseError, Url};

/// Longer than anything here takes on a busy machine: whoever waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at the page.
pub const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Chromium's switches. The first of them because tests also run as root, in containers; the rest keeps it from talking to anybody but us.
const SWITCHES: [&str; 13] = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--lang=en-US",
    "--password-store=basic",
    "--hide-scrollbars",
];

/// A browser of one person, with any number of windows.
pub struct Browser {
    /// Whose it is, for messages.
    pub name: String,
    client: Client,
    /// The window that commands go to now. Held over a whole command, so that two tabs of one browser can be used at once.
    current: tokio::sync::Mutex<WindowHandle>,
    first: WindowHandle,
    kind: Kind,
    forgiven: Mutex<Vec<String>>,
    process: Process,
}

/// How many drivers are started before it is clear that none will.
const TRIES: usize = 5;

/// The driver and the browser that it starts: one process group, with a folder for all its files.
struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts a driver on a port of its own choice, and says where it listens.
    fn start() -> (Self, String) {
        // It chooses a port for IPv4 and then wants the same one for IPv6, which somebody else may have by then: it gives up, and
        // another one chooses anew.
        (0..TRIES).find_map(|_| Self::try_start()).expect("chromedriver says where it listens")
    }

    fn try_start() -> Option<(Self, String)> {
        let folder = tempfile::tempdir().expect("a folder for the browser");
        let mut child = Command::new("chromedriver")
            .args(["--port=0", "--log-level=WARNING"])
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver: install Debian's package chromium-driver");
        let mut output = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
        // Ended by its drop if it said nothing.
        let process = Self { child, folder };
        let port = output.find_map(|line| Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned()))?;
        // Whatever it says later must have somewhere to go.
        std::thread::spawn(move || output.for_each(drop));
        Some((process, format!("http://127.0.0.1:{port}")))
    }

    /// To the whole group.
    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process_group(group, signal).expect("the group is there");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
        // Its children are ended too, a moment later; only then is the folder theirs no more.
        for _ in 0..50 {
            match group.map(test_kill_process_group) {
                Some(Ok(())) => std::thread::sleep(Duration::from_millis(10)),
                _ => break,
            }
        }
    }
}

/// How a browser differs from a plain one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    pub without_script: bool,
    /// Does not wait for pages to be loaded whole: some never are.
    pub impatient: bool,
}

impl Browser {
    pub async fn start(name: &str, kind: Kind) -> Self {
        let (process, driver) = Process::start();
        let mut switches: Vec<String> = SWITCHES.map(str::to_owned).to_vec();
        switches.push(format!("--user-data-dir={}", process.folder.path().join("profile").display()));
        switches.push("--window-size=1280,900".to_owned());
        let mut options = json!({ "args": switches });
        if kind.without_script {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let wanted = json!({
            "browserName": "chrome",
            "pageLoadStrategy": if kind.impatient { "none" } else { "normal" },
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": options,
            "timeouts": { "script": 20_000, "pageLoad": 20_000, "implicit": 0 },
        });
        let wanted: Capabilities = wanted.as_object().cloned().unwrap_or_default();
        let deadline = Instant::now() + PATIENCE;
        let client = loop {
            match ClientBuilder::new(HttpConnector::new()).capabilities(wanted.clone()).connect(&driver).await {
                Ok(client) => break client,
                // The driver does not listen yet.
                Err(error) if Instant::now() > deadline => panic!("{name}'s browser does not start: {error}"),
                Err(_) => sleep(LOOK_EVERY).await,
            }
        };
        let first = client.window().await.expect("a browser has a window");
        Self {
            name: name.to_owned(),
            client,
            current: tokio::sync::Mutex::new(first.clone()),
            first,
            kind,
            forgiven: Mutex::new(Vec::new()),
            process,
        }
    }

    pub fn without_script(&self) -> bool {
        self.kind.without_script
    }

    pub fn first_window(&self) -> WindowHandle {
        self.first.clone()
    }

    /// A window of its own, so that it is in sight while others are.
    pub async fn new_window(&self) -> WindowHandle {
        let _current = self.current.lock().await;
        self.client.new_window(false).await.expect("a second window").handle
    }

    pub async fn close_window(&self, window: &WindowHandle) {
        let mut current = self.current.lock().await;
        self.go_to(&mut current, window).await.expect("the window is there");
        self.client.close_window().await.expect("the window closes");
        let left = self.client.windows().await.expect("windows").into_iter().next().expect("another window");
        self.client.switch_to_window(left.clone()).await.expect("another window");
        *current = left;
    }

    /// Errors of the console that hold one of these words belong to what the test does.
    pub fn forgive(&self, words: &[&str]) {
        self.forgiven.lock().unwrap().extend(words.iter().map(|&word| word.to_owned()));
    }

    /// What the console said against us since the last time: errors of scripts, refusals of the content policy, failed requests.
    pub async fn complaints(&self) -> Vec<String> {
        let _current = self.current.lock().await;
        let entries = self.client.issue_cmd(Ask::post("se/log", json!({ "type": "browser" }))).await.expect("the console can be read");
        let forgiven = self.forgiven.lock().unwrap();
        let all = entries.as_array().cloned().unwrap_or_default();
        all.iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["source"] == "security" || entry["source"] == "violation")
            .map(|entry| format!("{}: {}", entry["source"].as_str().unwrap_or("?"), entry["message"].as_str().unwrap_or("?")))
            .filter(|line| !forgiven.iter().any(|word| line.contains(word.as_str())))
            .collect()
    }

    /// Ends the browser in order.
    pub async fn close(&self) {
        let _current = self.current.lock().await;
        let _ = self.client.clone().close().await;
    }

    pub async fn goto(&self, window: &WindowHandle, url: &str) {
        let mut current = self.current.lock().await;
        let done = match self.go_to(&mut current, window).await {
            Ok(()) => self.client.goto(url).await,
            Err(error) => Err(error),
        };
        // A page without a server still loads, as the browser's own page about that.
        if let Err(error) = done
            && !error.to_string().contains("net::ERR_")
        {
            panic!("{} cannot open {url}: {error}", self.name);
        }
    }

    pub async fn reload(&self, window: &WindowHandle) {
        let mut current = self.current.lock().await;
        let done = match self.go_to(&mut current, window).await {
            Ok(()) => self.client.refresh().await,
            Err(error) => Err(error),
        };
        if let Err(error) = done
            && !error.to_string().contains("net::ERR_")
        {
            panic!("{} cannot reload: {error}", self.name);
        }
    }

    /// The window's process ends without a word.
    pub async fn crashes(&self, window: &WindowHandle) {
        let mut current = self.current.lock().await;
        self.go_to(&mut current, window).await.expect("the window is there");
        // There is nobody left to answer.
        let crash = Ask::post("goog/cdp/execute", json!({ "cmd": "Page.crash", "params": {} }));
        let _ = timeout(PATIENCE, self.client.issue_cmd(crash)).await;
    }

    /// The machine sleeps: nothing in the browser goes on, and nobody tells it. Commands to it wait.
    pub fn falls_asleep(&self) {
        self.process.signal(Signal::STOP);
    }

    pub fn wakes_up(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Runs the body of a function in the page. Its arguments are `arguments[0]` and on.
    pub async fn run(&self, window: &WindowHandle, script: &str, arguments: &[Value]) -> Result<Value, CmdError> {
        let mut current = self.current.lock().await;
        self.go_to(&mut current, window).await?;
        self.client.execute(script, arguments.to_vec()).await
    }

    /// A command of Chromium's own protocol.
    pub async fn devtools(&self, window: &WindowHandle, command: &str, parameters: Value) -> Value {
        let mut current = self.current.lock().await;
        self.go_to(&mut current, window).await.expect("the window is there");
        let ask = Ask::post("goog/cdp/execute", json!({ "cmd": command, "params": parameters }));
        self.client.issue_cmd(ask).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Does something with elements while no other tab of this browser comes between.
    pub async fn with<T>(&self, window: &WindowHandle, work: impl AsyncFnOnce(&Client) -> Result<T, CmdError>) -> Result<T, CmdError> {
        let mut current = self.current.lock().await;
        self.go_to(&mut current, window).await?;
        work(&self.client).await
    }

    pub async fn picture(&self, window: &WindowHandle) -> Vec<u8> {
        let shot = self.devtools(window, "Page.captureScreenshot", json!({ "format": "png" })).await;
        let data = shot["data"].as_str().expect("a picture");
        base64::engine::general_purpose::STANDARD.decode(data).expect("base64")
    }

    async fn go_to(&self, current: &mut WindowHandle, window: &WindowHandle) -> Result<(), CmdError> {
        if current != window {
            self.client.switch_to_window(window.clone()).await?;
            *current = window.clone();
        }
        Ok(())
    }
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browser").field("name", &self.name).field("driver", &self.process.child.id()).finish_non_exhaustive()
    }
}

/// A command that fantoccini does not know.
#[derive(Debug)]
struct Ask {
    path: &'static str,
    body: Value,
}

impl Ask {
    fn post(path: &'static str, body: Value) -> Self {
        Self { path, body }
    }
}

impl WebDriverCompatibleCommand for Ask {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let mut path = String::new();
        let _ = write!(path, "session/{}/{}", session.unwrap_or_default(), self.path);
        base.join(&path)
    }

    fn method_and_body(&self, _url: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
