//! Settings of the server: from flags, then the environment (`PARLOR_…`), then `parlor.toml` in the data folder, then defaults; checked
//! once, here. A setting that cannot work ends with one sentence that says what to change.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::chat::files::{PER_PERSON, PER_PERSON_LEAST};
use crate::chat::throttle::POSTS_PER_MINUTE;
use crate::http::Proxies;
use crate::http::tls::Files as TlsFiles;
use crate::reply::provider::Limits;

/// Where everything lies unless `--data` says otherwise.
pub const DATA: &str = "parlor-data";
const LISTEN: &str = "127.0.0.1:8080";
const MEGABYTE: u64 = 1024 * 1024;
const LOG: &str = "info,sqlx=warn,hyper=warn,tower_sessions=warn,tower_sessions_core=warn";

/// How `serve` is set. Every one of these is also a variable `PARLOR_…` and a line of the file `parlor.toml` in the data folder.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ServeOptions {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "PARLOR_LISTEN", value_name = "ADDR")]
    pub listen: Option<String>,

    /// The database: sqlite:PATH or postgres://user@host/database [default: parlor.db in the data folder]
    #[arg(long, env = "PARLOR_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,

    /// Where people reach the server, if a proxy stands before it, such as `https://chat.example.org`
    #[arg(long, env = "PARLOR_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, with commas between them
    #[arg(long, env = "PARLOR_TRUSTED_PROXIES", value_name = "ADDRS")]
    pub trusted_proxies: Option<String>,

    /// A certificate chain (PEM) for https without a proxy; read again when it changes
    #[arg(long, env = "PARLOR_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The private key (PEM) of --tls-cert
    #[arg(long, env = "PARLOR_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Connections at once; beyond, new ones are answered 503 [default: what the system's limit of open files leaves]
    #[arg(long, env = "PARLOR_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<usize>,

    /// The built-in model: a .gguf file, or “off” [default: the one in the data folder]
    #[arg(long, env = "PARLOR_MODEL", value_name = "FILE")]
    pub model: Option<String>,

    /// Let the built-in model's memory go after so many idle minutes; 0 keeps it [default: 10]
    #[arg(long, env = "PARLOR_MODEL_IDLE_MINUTES", value_name = "MINUTES")]
    pub model_idle_minutes: Option<u64>,

    /// Messages that one person may post a minute [default: 30]
    #[arg(long, env = "PARLOR_POSTS_PER_MINUTE", value_name = "N")]
    pub posts_per_minute: Option<u32>,

    /// Megabytes of files that one person may keep in all rooms together; 0 sets no limit [default: 2048]
    #[arg(long, env = "PARLOR_FILES_PER_PERSON", value_name = "MB")]
    pub files_per_person: Option<u64>,

    /// Seconds that a model's server may be silent before its reply is given up [default: 60]
    #[arg(long, env = "PARLOR_REPLY_SILENCE", value_name = "SECONDS")]
    pub reply_silence: Option<u64>,

    /// Minutes that one reply may take in all [default: 10]
    #[arg(long, env = "PARLOR_REPLY_MINUTES", value_name = "MINUTES")]
    pub reply_minutes: Option<u64>,

    /// How logs are written
    #[arg(long, env = "PARLOR_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// What is logged, for instance “debug” or “info,parlor::live=debug” [default: info]
    #[arg(long, env = "PARLOR_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Settings that can work.
#[derive(Clone)]
pub struct Config {
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// May hold a password.
    pub database: String,
    pub public_url: Option<String>,
    pub proxies: Proxies,
    pub tls: Option<TlsFiles>,
    pub max_connections: Option<usize>,
    pub model: ModelChoice,
    pub model_idle: Option<Duration>,
    pub posts_per_minute: u32,
    /// In bytes; nothing for no limit.
    pub files_per_person: Option<u64>,
    pub limits: Limits,
    pub log_format: LogFormat,
    pub log: String,
}

/// Which model is the built-in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelChoice {
    /// Whichever lies in the data folder.
    InData,
    File(PathBuf),
    Off,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("data", &self.data)
            .field("listen", &self.listen)
            .field("database", &self.database_kind())
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Puts flags and environment over the file in the data folder, and checks everything.
    pub fn load(data: &Path, given: ServeOptions) -> Result<Self, String> {
        let file = read_file(data)?;
        let listen = given.listen.or(file.listen).unwrap_or_else(|| LISTEN.to_owned());
        let listen = listen_address(&listen)?;
        let public_url = given.public_url.or(file.public_url).map(|url| origin(&url)).transpose()?;
        let proxies = given.trusted_proxies.or(file.trusted_proxies).unwrap_or_default();
        let proxies = proxies.parse().map_err(|why| format!("--trusted-proxies cannot be read: {why}."))?;
        let model = match given.model.or(file.model).as_deref() {
            None => ModelChoice::InData,
            Some("off") => ModelChoice::Off,
            Some(path) => ModelChoice::File(path.into()),
        };
        let idle = given.model_idle_minutes.or(file.model_idle_minutes).unwrap_or(10);
        let posts_per_minute = given.posts_per_minute.or(file.posts_per_minute).unwrap_or(POSTS_PER_MINUTE);
        if posts_per_minute == 0 {
            return Err("--posts-per-minute must be at least 1.".into());
        }
        let files_per_person = given.files_per_person.or(file.files_per_person).unwrap_or(PER_PERSON / MEGABYTE);
        if (1..PER_PERSON_LEAST / MEGABYTE).contains(&files_per_person) {
            return Err(format!(
                "--files-per-person must be at least {}, the size of one file, or 0 for no limit.",
                PER_PERSON_LEAST / MEGABYTE
            ));
        }
        let tls = match (given.tls_cert.or(file.tls_cert), given.tls_key.or(file.tls_key)) {
            (Some(chain), Some(key)) => Some(TlsFiles { chain, key }),
            (None, None) => None,
            _ => return Err("--tls-cert and --tls-key go together: name both, or neither.".into()),
        };
        let max_connections = given.max_connections.or(file.max_connections);
        if max_connections == Some(0) {
            return Err("--max-connections must be at least 1.".into());
        }
        let mut limits = Limits::default();
        if let Some(seconds) = given.reply_silence.or(file.reply_silence) {
            limits.silence = Duration::from_secs(seconds.max(1));
        }
        if let Some(minutes) = given.reply_minutes.or(file.reply_minutes) {
            limits.total = Duration::from_secs(minutes.max(1).saturating_mul(60));
        }
        Ok(Self {
            data: data.to_owned(),
            listen,
            database: given.database.or(file.database).unwrap_or_else(|| format!("sqlite:{}", data.join("parlor.db").display())),
            public_url,
            proxies,
            tls,
            max_connections,
            model,
            model_idle: (idle > 0).then(|| Duration::from_secs(idle.saturating_mul(60))),
            posts_per_minute,
            files_per_person: (files_per_person > 0).then(|| files_per_person.saturating_mul(MEGABYTE)),
            limits,
            log_format: given.log_format.or(file.log_format).unwrap_or_default(),
            log: given.log.or(file.log).unwrap_or_else(|| LOG.to_owned()),
        })
    }

    /// The database's kind, which is all that is ever shown of its address.
    pub fn database_kind(&self) -> &str {
        self.database.split(':').next().unwrap_or_default()
    }

    /// Whether no other server can work on this database: the data folder's lock sees to that for a database inside it.
    pub fn is_alone(&self) -> bool {
        self.database_kind() == "sqlite"
    }

    /// Where people reach the server, as far as the settings tell.
    pub fn origin(&self, listening: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.public_url.clone().unwrap_or_else(|| match listening.ip().is_unspecified() {
            true => format!("{scheme}://localhost:{}", listening.port()),
            false => format!("{scheme}://{listening}"),
        })
    }
}

fn read_file(data: &Path) -> Result<ServeOptions, String> {
    let path = data.join("parlor.toml");
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| format!("{} cannot be read: {}", path.display(), error.message())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(ServeOptions::default()),
        Err(error) => Err(format!("{} cannot be read: {error}.", path.display())),
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || format!("--listen {text}: this must be an address and a port, such as 127.0.0.1:8080 or 0.0.0.0:80.");
    if let Some(port) = text.strip_prefix(':') {
        return port.parse().map(|port| SocketAddr::from(([127, 0, 0, 1], port))).map_err(|_| wrong());
    }
    match text.strip_prefix("localhost:") {
        Some(port) => port.parse().map(|port| SocketAddr::from(([127, 0, 0, 1], port))).map_err(|_| wrong()),
        None => text.parse().map_err(|_| wrong()),
    }
}

fn origin(text: &str) -> Result<String, String> {
    let url =
        url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && url.path() == "/");
    let url =
        url.ok_or_else(|| format!("--public-url {text}: this must be an address without a path, such as https://chat.example.org."))?;
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, given: ServeOptions) -> Result<Config, String> {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("parlor.toml"), file).unwrap();
        Config::load(data.path(), given)
    }

    #[test]
    fn flags_go_over_the_file_and_the_file_over_defaults() {
        let config = load(
            "listen = \"127.0.0.1:9000\"\npublic-url = \"https://chat.example.org/\"",
            ServeOptions { listen: Some(":7000".into()), ..Default::default() },
        )
        .unwrap();
        assert_eq!(config.listen.port(), 7000);
        assert_eq!(config.public_url.as_deref(), Some("https://chat.example.org"));
        assert!(config.database.starts_with("sqlite:"));
        assert_eq!(load("", ServeOptions::default()).unwrap().listen.to_string(), LISTEN);
    }

    #[test]
    fn what_cannot_work_is_said_in_a_sentence() {
        for (file, given, names) in [
            ("listen = 5", ServeOptions::default(), "parlor.toml"),
            ("lisen = \"127.0.0.1:1\"", ServeOptions::default(), "lisen"),
            ("tls-cert = \"chain.pem\"", ServeOptions::default(), "--tls-key"),
            ("", ServeOptions { listen: Some("example.org".into()), ..Default::default() }, "--listen"),
            ("", ServeOptions { public_url: Some("chat.example.org".into()), ..Default::default() }, "--public-url"),
            ("", ServeOptions { trusted_proxies: Some("nginx".into()), ..Default::default() }, "--trusted-proxies"),
        ] {
            let error = load(file, given).unwrap_err();
            assert!(error.contains(names), "{error}");
        }
    }

    #[test]
    fn a_password_in_the_database_address_is_not_shown() {
        let config = load("database = \"postgres://parlor:hunter2@localhost/parlor\"", ServeOptions::default()).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
