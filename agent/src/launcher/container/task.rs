//! The task of a container: the files that it speaks through, and its first process.

use std::path::{Path, PathBuf};

use containerd_client::services::v1::{CreateTaskRequest, StartRequest as StartTaskRequest};
use containerd_client::types::Mount;

use super::super::engine::{Engine, LAUNCH};
use super::super::error::LauncherError;
use super::super::logs;
use super::super::terminal::{self, Files, TerminalInput, TerminalIo, TerminalOutput};
use super::start::Launch;
use super::{StartRequest, Started, orphan};

/// kerfd's ends of what the container speaks through, and the paths of the shim's ends.
pub(super) struct Io {
    output: Option<TerminalOutput>,
    input: Option<TerminalInput>,
    stdin: String,
    stdout: String,
    stderr: String,
}

impl Io {
    /// Makes the files. Logs of an earlier start are appended to.
    pub(super) fn make(engine: &Engine, request: &StartRequest) -> Result<Self, LauncherError> {
        let (id, log_dir) = (&request.container.id, &request.log_dir);
        logs::make_folder(log_dir)?;
        let files = Files::new(log_dir);
        let logs = [logs::stdout(log_dir), logs::stderr(log_dir)];
        for path in &logs {
            drop(logs::open(path)?);
        }
        // Plain paths of files: the shim appends to each. A `file://` address would put both outputs
        // into one file (containerd, `pkg/process/io.go`).
        let [stdout, stderr] = logs.map(|path| text(&path));
        let mut io = Self {
            output: None,
            input: None,
            stdin: String::new(),
            stdout,
            stderr,
        };
        let terminal = request.spec.terminal;
        if terminal || request.stdin {
            io.stdin = fifo(files.input())?;
            io.input = Some(terminal::open_input(engine, id, &files)?);
        }
        if terminal {
            io.stdout = fifo(files.output())?;
            io.stderr.clear();
            io.output = Some(terminal::open_output(log_dir, &files)?);
        }
        Ok(io)
    }

    /// Hands kerfd's ends to the caller.
    pub(super) fn started(self, image: String, pid: u32) -> Started {
        let (terminal, stdin) = match (self.output, self.input) {
            (Some(output), Some(input)) => (Some(TerminalIo { output, input }), None),
            (_, input) => (None, input),
        };
        Started {
            image,
            pid,
            terminal,
            stdin,
        }
    }
}

fn fifo(path: PathBuf) -> Result<String, LauncherError> {
    Files::make(&path)?;
    Ok(text(&path))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

impl Launch<'_> {
    /// Has the shim started and the runtime make the container.
    pub(super) async fn create_task(&self, mounts: &[Mount], io: &Io) -> Result<(), LauncherError> {
        let request = CreateTaskRequest {
            container_id: self.request.container.id.clone(),
            rootfs: mounts.to_vec(),
            stdin: io.stdin.clone(),
            stdout: io.stdout.clone(),
            stderr: io.stderr.clone(),
            terminal: self.request.spec.terminal,
            options: Some(self.options()),
            ..CreateTaskRequest::default()
        };
        let mut created = self.ask_create(request.clone()).await;
        if let Err(LauncherError::Engine { message, .. }) = &created
            && let Some(bundle) = orphan::bundle_in_the_way(message, &self.request.container)
        {
            orphan::remove_bundle(&bundle);
            created = self.ask_create(request).await;
        }
        created.map_err(|error| self.runtime(error))
    }

    async fn ask_create(&self, request: CreateTaskRequest) -> Result<(), LauncherError> {
        let mut tasks = self.engine.tasks();
        let created = tasks.create(request);
        let created = self.engine.ask("make the container", LAUNCH, created).await;
        created.map(drop)
    }

    /// Starts the first process; gives its id.
    pub(super) async fn start_task(&self) -> Result<u32, LauncherError> {
        let request = StartTaskRequest {
            container_id: self.request.container.id.clone(),
            exec_id: String::new(),
        };
        let mut tasks = self.engine.tasks();
        let started = tasks.start(request);
        let started = self
            .engine
            .ask("start the container", LAUNCH, started)
            .await;
        let answer = started.map_err(|error| self.runtime(error))?;
        Ok(answer.pid)
    }

    /// What containerd says about a task comes from the shim and the runtime below it.
    fn runtime(&self, error: LauncherError) -> LauncherError {
        match error {
            LauncherError::Engine { message, .. } => LauncherError::Runtime {
                container: self.request.container.clone(),
                message: clear(&message),
            },
            other => other,
        }
    }
}

/// The last words of a runtime in one line, without those of the callers above it.
pub(super) fn clear(message: &str) -> String {
    const CALLERS: [&str; 6] = [
        "failed to create shim task: ",
        "failed to create shim: ",
        "OCI runtime create failed: ",
        "OCI runtime start failed: ",
        "runc create failed: ",
        "unable to start container process: ",
    ];
    let mut rest = message.trim();
    while let Some(shorter) = CALLERS.iter().find_map(|caller| rest.strip_prefix(caller)) {
        rest = shorter;
    }
    // A runtime that wrote no log: what follows is its standard error.
    if rest.starts_with("unable to retrieve OCI runtime error (")
        && let Some((_, said)) = rest.split_once("): ")
    {
        rest = said;
    }
    rest.split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" / ")
}
