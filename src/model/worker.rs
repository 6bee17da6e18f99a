//! The model's process: reads `Ask`s from stdin, writes `Tell`s to stdout, until stdin ends. Synchronous; two threads and llama.cpp's own.
//!
//! It asks for little: it is niced, it volunteers to be killed first when memory runs out, and it has no keys in its environment. It outlives its
//! parent by two seconds at most: the kernel closes stdin when the parent dies, however it dies. (`PR_SET_PDEATHSIG` would be about the
//! *thread* that started it, and a runtime may let that one go.) Ctrl-C does not reach it, because the parent starts it in a process group of its own.

use std::ffi::OsString;
use std::process::ExitCode;

/// The hidden subcommand that makes a process of this binary a worker.
pub const SUBCOMMAND: &str = "model-worker";

/// Runs the worker; `args` are those after the subcommand, and there are none. Call it before anything else touches stdin or stdout.
///
/// Success means that stdin ended. Everything else was told on stdout in a sentence, or is on stderr.
pub fn worker_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    if args.into_iter().next().is_some() {
        eprintln!("{SUBCOMMAND} takes no arguments: it is started by the server, which speaks to it on stdin.");
        return ExitCode::FAILURE;
    }
    match serve::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Without llama.cpp there is one thing to say.
#[cfg(not(feature = "builtin-model"))]
mod serve {
    use std::io::{self, Write};

    use crate::model::error::Refusal;
    use crate::model::pipe::{self, Tell};

    pub fn serve() -> io::Result<()> {
        let sentence = "This build has no built-in model: it was made without the feature builtin-model.".to_owned();
        let frame = pipe::encode(&Tell::Error { id: None, refusal: Refusal::Failed, sentence })?;
        io::stdout().write_all(&frame)?;
        io::stdout().flush()
    }
}

#[cfg(feature = "builtin-model")]
mod serve {
    use std::fs;
    use std::io::{self, BufReader, BufWriter, Write};
    use std::path::Path;
    use std::sync::mpsc::{self, Receiver, TryRecvError};
    use std::thread;
    use std::time::{Duration, Instant};

    use llama_cpp_2::LogOptions;
    use llama_cpp_2::llama_backend::LlamaBackend;
    use llama_cpp_2::model::LlamaModel;
    use llama_cpp_2::model::params::LlamaModelParams;
    use rustix::process::{Signal, getpid, kill_process, nice};

    use crate::model::Info;
    use crate::model::engine::Engine;
    use crate::model::error::Refusal;
    use crate::model::pipe::{self, Ask, Load, Tell};

    /// Nice enough that pages are served first on a busy machine, without starving on one that is merely in use.
    const NICENESS: i32 = 10;

    /// How long work under way may take to notice that stdin has ended; a step takes a fraction of it.
    const LAST_WORDS: Duration = Duration::from_secs(2);

    pub fn serve() -> Result<(), String> {
        be_modest();
        log_to_stderr();
        let mut out = BufWriter::new(io::stdout().lock());
        let asks = listen();
        let load = match asks.recv() {
            Ok(Ask::Load(load)) => load,
            Ok(_) => return Err("The first frame must be a load.".to_owned()),
            Err(_) => return Ok(()),
        };
        match run(&load, &asks, &mut out) {
            Ok(()) => Ok(()),
            Err(sentence) => {
                // The parent may be gone; then stderr has it.
                let _ = tell(&mut out, &mut vec![Tell::Error { id: None, refusal: Refusal::Failed, sentence: sentence.clone() }]);
                Err(sentence)
            }
        }
    }

    /// Loads, says so, and works until stdin ends.
    fn run(load: &Load, asks: &Receiver<Ask>, out: &mut impl Write) -> Result<(), String> {
        let since = Instant::now();
        let file = Path::new(&load.file);
        if !file.is_file() {
            return Err(format!("There is no model file {}.", file.display()));
        }
        if let Some(feature) = missing_cpu_feature() {
            return Err(format!("This machine's processor lacks {feature}, which the built-in model needs."));
        }
        let backend = LlamaBackend::init().map_err(|error| error.to_string())?;
        llama_cpp_2::send_logs_to_tracing(LogOptions::default());
        let model = LlamaModel::load_from_file(&backend, file, &LlamaModelParams::default())
            .map_err(|_| format!("{} cannot be loaded: it is damaged, or of a kind that this build does not know.", file.display()))?;
        let mut engine = Engine::new(&backend, &model, load)?;
        let name = model.meta_val_str("general.name").ok().filter(|name| !name.trim().is_empty());
        let info = Info {
            name: name.unwrap_or_else(|| file.file_stem().unwrap_or_default().to_string_lossy().into_owned()),
            context_tokens: engine.context_tokens(),
            slots: load.slots.max(1),
            load_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let mut tells = vec![Tell::Ready(info)];
        loop {
            tell(out, &mut tells).map_err(|error| error.to_string())?;
            let ask = match engine.is_idle() {
                true => asks.recv().map_err(|_| TryRecvError::Disconnected),
                false => asks.try_recv(),
            };
            match ask {
                Ok(Ask::Generate { id, request }) => engine.ask(id, request, &mut tells),
                Ok(Ask::Cancel { id }) => engine.cancel(id),
                Ok(Ask::Load(_)) => return Err("A second load.".to_owned()),
                Err(TryRecvError::Empty) => engine.step(&mut tells)?,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
    }

    /// A thread that takes frames off stdin as they come, so that a cancel is seen after the step under way and the parent never waits to write.
    fn listen() -> Receiver<Ask> {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut stdin = BufReader::new(io::stdin());
            loop {
                match pipe::read::<Ask>(&mut stdin) {
                    Ok(Some(ask)) => match sender.send(ask) {
                        Ok(()) => {}
                        Err(_) => break,
                    },
                    Ok(None) => break,
                    Err(error) => {
                        eprintln!("stdin: {error}");
                        break;
                    }
                }
            }
            drop(sender);
            // The other thread ends the process when it sees this, unless it is stuck or in the middle of a long load.
            thread::sleep(LAST_WORDS);
            let _ = kill_process(getpid(), Signal::KILL);
        });
        receiver
    }

    fn tell(out: &mut impl Write, tells: &mut Vec<Tell>) -> io::Result<()> {
        for tell in tells.drain(..) {
            out.write_all(&pipe::encode(&tell)?)?;
        }
        out.flush()
    }

    /// Whatever of this the system does not let us do was a courtesy.
    fn be_modest() {
        let _ = nice(NICENESS);
        if cfg!(target_os = "linux") {
            // A name for ps and top; out of memory, the kernel takes this process before the chat.
            let _ = fs::write("/proc/self/comm", "parlor-model");
            let _ = fs::write("/proc/self/oom_score_adj", "800");
        }
    }

    /// llama.cpp's log, and nothing of ours: what is told on stdout never comes here.
    fn log_to_stderr() {
        let logs = tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(tracing::Level::INFO);
        let _ = logs.with_ansi(false).without_time().with_target(false).try_init();
    }

    /// What llama.cpp was compiled for and the processor cannot do. Better said than died of (SIGILL).
    #[cfg(target_arch = "x86_64")]
    fn missing_cpu_feature() -> Option<&'static str> {
        let needed = [
            ("AVX2", is_x86_feature_detected!("avx2")),
            ("FMA", is_x86_feature_detected!("fma")),
            ("F16C", is_x86_feature_detected!("f16c")),
            ("BMI2", is_x86_feature_detected!("bmi2")),
        ];
        needed.into_iter().find(|(_, there)| !there).map(|(feature, _)| feature)
    }

    /// Elsewhere the code is for the architecture's baseline.
    #[cfg(not(target_arch = "x86_64"))]
    fn missing_cpu_feature() -> Option<&'static str> {
        None
    }
}
