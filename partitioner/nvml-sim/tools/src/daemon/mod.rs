//! The MPS control daemon: its files, its sockets, its servers. Carries out what `state` decides.
//!
//! In the pipe directory, as the vendor's has them: `control`, where anybody's clients come in; `control_privileged`,
//! for commands of its own user; `control_lock`, which the daemon holds; `log`; and the file with its process id,
//! which goes when it ends as it should, while the sockets stay.

mod admit;
mod commands;
mod files;
mod servers;

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nvidia_ml::control::tools;
use nvidia_ml::model::tool::{Tool, ToolTrouble};

use crate::out::say;
use crate::run::Run;
use crate::state::{Core, Limits};
pub use files::Places;
use servers::Servers;

/// How often something that is waited for is looked at.
const POLL: Duration = Duration::from_millis(10);
/// How long `-d` waits until its daemon answers.
const BACKGROUND: Duration = Duration::from_secs(10);

/// A running daemon.
struct Daemon {
    machine: PathBuf,
    places: Places,
    inner: Mutex<Inner>,
}

/// What its threads share.
struct Inner {
    core: Core,
    servers: Servers,
}

impl Daemon {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, text: &str) {
        self.places.log(text);
    }
}

/// `-f`: is the daemon, until it is told to quit.
pub fn foreground(run: &Run) -> ExitCode {
    match tools::tool_trouble(&run.machine, Tool::MpsControl, "start") {
        Ok(Some(ToolTrouble::Refuse | ToolTrouble::Garble)) => {
            say("Failed to start the MPS control daemon\n");
            return ExitCode::FAILURE;
        }
        Ok(Some(ToolTrouble::Ignore)) => return ExitCode::SUCCESS,
        Ok(Some(ToolTrouble::Die { after_ms })) => {
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(after_ms));
                nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).ok();
            });
        }
        Ok(Some(ToolTrouble::Hang) | None) => {}
        Err(error) => {
            say(&format!("Cannot read the driver's state: {error}\n"));
            return ExitCode::FAILURE;
        }
    }
    match begin(run) {
        Ok((daemon, clients, commands, _lock)) => {
            daemon.log("Start");
            serve(&daemon, clients, commands)
        }
        Err(text) => {
            say(&text);
            ExitCode::FAILURE
        }
    }
}

type Begun = (Arc<Daemon>, UnixListener, UnixListener, files::Lock);

fn begin(run: &Run) -> Result<Begun, String> {
    let places = Places::from_environment();
    let lock = places.lock()?;
    let devices = visible(run)?;
    let limits = limits(&devices)?;
    let (clients, commands) = places.listen()?;
    let daemon = Daemon {
        machine: run.machine.clone(),
        places,
        inner: Mutex::new(Inner {
            core: Core::new(devices, limits),
            servers: Servers::default(),
        }),
    };
    // Last: who finds the process id finds a daemon that answers.
    daemon.places.write_pid()?;
    Ok((Arc::new(daemon), clients, commands, lock))
}

/// The devices that the environment leaves visible, by UUID; all GPUs where it says nothing.
fn visible(run: &Run) -> Result<Vec<String>, String> {
    let failed = |error| format!("Cannot find the devices: {error}\n");
    let Ok(named) = std::env::var("CUDA_VISIBLE_DEVICES") else {
        let all = tools::devices(&run.machine).map_err(failed)?;
        return Ok(all.into_iter().map(|device| device.uuid).collect());
    };
    let names = named.split(',').filter(|name| !name.is_empty());
    let found = names.map(|name| tools::device(&run.machine, name).map(|device| device.uuid));
    found.collect::<Result<_, _>>().map_err(failed)
}

/// The limits that the environment sets.
fn limits(devices: &[String]) -> Result<Limits, String> {
    let mut limits = Limits::default();
    if let Ok(text) = std::env::var("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE") {
        let wrong = |()| format!("{text} is no percentage\n");
        limits.threads = text.parse().map_err(wrong)?;
    }
    if let Ok(text) = std::env::var("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT") {
        let wrong = || format!("{text} is no list of memory limits\n");
        let core = Core::new(devices.to_vec(), Limits::default());
        for one in text.split(',') {
            let (device, limit) = one.split_once('=').ok_or_else(wrong)?;
            let device = core.device(device).ok_or_else(wrong)?.to_owned();
            let limit = limit.parse().map_err(|()| wrong())?;
            limits.memory.insert(device, limit);
        }
    }
    Ok(limits)
}

fn serve(daemon: &Arc<Daemon>, clients: UnixListener, commands: UnixListener) -> ExitCode {
    let own = Arc::clone(daemon);
    thread::spawn(move || {
        for stream in clients.incoming().flatten() {
            let own = Arc::clone(&own);
            thread::spawn(move || admit::serve(&own, stream));
        }
    });
    let (ended, end) = std::sync::mpsc::sync_channel(1);
    let own = Arc::clone(daemon);
    thread::spawn(move || {
        for stream in commands.incoming().flatten() {
            let (own, ended) = (Arc::clone(&own), ended.clone());
            thread::spawn(move || {
                if commands::serve(&own, stream) {
                    ended.try_send(()).ok();
                }
            });
        }
    });
    end.recv().ok();
    daemon.log("Exit");
    ExitCode::SUCCESS
}

/// `-d`: starts a daemon and returns when it answers.
pub fn background() -> ExitCode {
    let Ok(program) = std::env::current_exe() else {
        return ExitCode::FAILURE;
    };
    let mut command = Command::new(program);
    command.arg("-f").stdin(Stdio::null()).stderr(Stdio::null());
    // A group of its own: Ctrl-C in the terminal that it came from is not meant for it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let Ok(mut child) = command.stdout(Stdio::piped()).spawn() else {
        return ExitCode::FAILURE;
    };
    let places = Places::from_environment();
    let end = Instant::now() + BACKGROUND;
    while Instant::now() < end {
        if places.read_pid() == Some(child.id()) {
            return ExitCode::SUCCESS;
        }
        if let Ok(Some(_)) = child.try_wait() {
            let said = child.stdout.take().map(std::io::read_to_string);
            say(&said.and_then(Result::ok).unwrap_or_default());
            return ExitCode::FAILURE;
        }
        thread::sleep(POLL);
    }
    ExitCode::FAILURE
}
