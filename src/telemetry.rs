//! Logs: to stderr, as lines for people or JSON for machines. What is never logged: message text, cookies, tokens, keys, passwords, the query
//! of an address.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::LogFormat;

/// Starts logging. `filter` is in the form of `tracing-subscriber`, for instance `info,parlor::live=debug`.
pub fn start(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("The filter given with --log cannot be read ({error}): it looks like “info” or “info,parlor=debug”."))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let done = match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Pretty => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    done.map_err(|error| format!("Logging cannot be started: {error}."))
}

/// The words of the log formats, for error messages.
pub fn formats() -> String {
    let words: Vec<String> =
        LogFormat::value_variants().iter().filter_map(|v| v.to_possible_value()).map(|v| v.get_name().to_owned()).collect();
    words.join(" or ")
}
