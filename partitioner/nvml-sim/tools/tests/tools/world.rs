//! A machine of one's own with its tools, and daemons that end with the test.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kerf_sim_tools::client::{Client, ClientError, ClientRequest};
use nvidia_ml::control::{self, FaultRequest, MachineShown};
use nvidia_ml::model::load::Process;
use nvidia_ml::model::tool::{Tool, ToolFault, ToolTrouble};
use nvidia_ml::{CreateOptions, MachineInfo};
use tempfile::TempDir;

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Many times what a call of a healthy tool takes; of one that hangs this much is waited for.
const HANGS: Duration = Duration::from_millis(600);

/// A machine.
pub struct World {
    temp: TempDir,
    pub machine: MachineInfo,
}

/// A running daemon on a pipe directory.
pub struct Daemon<'w> {
    world: &'w World,
    pub pipe: PathBuf,
    child: Child,
}

impl World {
    pub fn new(name: &str) -> Self {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let library = nvidia_ml::find_library().expect("the library is built with the tests");
        let options = CreateOptions { seed: Some(1) };
        let machine = nvidia_ml::create(name, &temp.path().join("m"), &library, &options);
        Self {
            machine: machine.expect(name),
            temp,
        }
    }

    pub fn tool(&self, name: &str) -> PathBuf {
        self.machine.sysroot.join("usr/bin").join(name)
    }

    /// Exit code and output of `nvidia-smi`.
    pub fn smi(&self, arguments: &[&str]) -> (Option<i32>, String) {
        ended(Command::new(self.tool("nvidia-smi")).args(arguments))
    }

    pub fn shown(&self) -> MachineShown {
        control::show(&self.machine.dir).expect("a machine")
    }

    pub fn uuid(&self, gpu: usize) -> String {
        self.shown().gpus[gpu].uuid.clone()
    }

    pub fn processes(&self, gpu: usize) -> Vec<Process> {
        self.shown().gpus[gpu].processes.clone()
    }

    pub fn trouble(&self, tool: Tool, command: &str, how: ToolTrouble, left: Option<u32>) {
        let fault = ToolFault {
            tool,
            command: command.to_owned(),
            how,
            left,
        };
        control::fault(&self.machine.dir, FaultRequest::Tool(fault)).expect("a machine");
    }

    pub fn mend(&self, tool: Tool) {
        control::fault(&self.machine.dir, FaultRequest::ToolClear(tool)).expect("a machine");
    }

    /// `nvidia-cuda-mps-control` with that pipe directory.
    pub fn control(&self, pipe: &Path) -> Command {
        let mut command = Command::new(self.tool("nvidia-cuda-mps-control"));
        command
            .env("CUDA_MPS_PIPE_DIRECTORY", pipe)
            .env("CUDA_MPS_LOG_DIRECTORY", self.temp.path().join("log"));
        command
    }

    /// A folder for pipes.
    pub fn pipe(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// Starts a daemon for a device and waits until it answers.
    pub fn daemon(&self, name: &str, device: &str) -> Daemon<'_> {
        self.daemon_with(name, device, &[])
    }

    /// The same with more in its environment.
    pub fn daemon_with(&self, name: &str, device: &str, env: &[(&str, &str)]) -> Daemon<'_> {
        let pipe = self.pipe(name);
        let child = self
            .control(&pipe)
            .arg("-f")
            .env("CUDA_VISIBLE_DEVICES", device)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("a daemon");
        let daemon = Daemon {
            world: self,
            pipe,
            child,
        };
        until(|| daemon.ask("get_default_active_thread_percentage").0 == Some(0));
        daemon
    }
}

impl Daemon<'_> {
    /// Exit code and answer to commands.
    pub fn ask(&self, lines: &str) -> (Option<i32>, String) {
        self.world.ask(&self.pipe, lines)
    }

    /// The answer to a command that is carried out.
    pub fn done(&self, line: &str) -> String {
        let (code, text) = self.ask(line);
        assert_eq!(code, Some(0), "{line}: {text}");
        text
    }

    /// A client in this process.
    pub fn client(&self, memory_mib: u64) -> Result<Client, ClientError> {
        Client::connect(&self.request(memory_mib))
    }

    pub fn request(&self, memory_mib: u64) -> ClientRequest {
        ClientRequest {
            pipe: self.pipe.clone(),
            device: "0".to_owned(),
            memory_bytes: memory_mib << 20,
            sm_percent: 100,
        }
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Option<i32> {
        let mut code = None;
        until(|| {
            code = self.child.try_wait().expect("our own child");
            code.is_some()
        });
        code.and_then(|status| status.code())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl World {
    pub fn ask(&self, pipe: &Path, lines: &str) -> (Option<i32>, String) {
        let mut child = self
            .control(pipe)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut stdin = child.stdin.take().expect("piped");
        writeln!(stdin, "{lines}").expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("our own child");
        let text = String::from_utf8(output.stdout).expect("text");
        (output.status.code(), text)
    }
}

/// Exit code and output.
pub fn ended(command: &mut Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.code(), text)
}

/// Waits until something holds, which must be soon.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it does not come to be");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Looks whether a program that has begun goes on: `/proc` shows its arguments, and then it does not end for a time
/// that is far more than it takes where it does not wait.
#[track_caller]
pub fn goes_on(child: &mut Child, argument: &str) {
    let arguments = format!("/proc/{}/cmdline", child.id());
    until(|| {
        let read = fs::read(&arguments).expect("our own child");
        read.split(|byte| *byte == 0)
            .any(|one| one == argument.as_bytes())
    });
    let end = Instant::now() + HANGS;
    while Instant::now() < end {
        let ended = child.try_wait().expect("our own child");
        assert_eq!(ended, None, "it has not waited");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The modes of the files in a folder.
pub fn modes(folder: &Path) -> Vec<(String, u32)> {
    use std::os::unix::fs::PermissionsExt;
    let entries = fs::read_dir(folder).expect("a folder");
    let mut found: Vec<(String, u32)> = entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let mode = entry.metadata().expect("it is there").permissions().mode();
            (
                entry.file_name().to_string_lossy().into_owned(),
                mode & 0o777,
            )
        })
        .collect();
    found.sort();
    found
}

impl World {
    /// Why an ordinary process gets no context on GPU 0.
    pub fn load_refused(&self) -> String {
        let request = control::LoadRequest {
            gpu: 0,
            gi: None,
            ci: None,
            sm_percent: 1,
            memory_bytes: 1,
            pid: std::process::id(),
        };
        match control::load(&self.machine.dir, request) {
            Err(control::ControlError::Load(error)) => error.to_string(),
            other => panic!("a refusal was expected, not {other:?}"),
        }
    }
}
