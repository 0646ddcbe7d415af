//! Makes and starts a container, or leaves nothing.
//!
//! Order matters: files, snapshot, record, task. Each is taken away again, last first, when a later
//! one fails.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use containerd_client::services::v1::container::Runtime;
use containerd_client::services::v1::snapshots::{PrepareSnapshotRequest, RemoveSnapshotRequest};
use containerd_client::services::v1::{
    Container, CreateContainerRequest, CreateTaskRequest, GetContainerRequest,
    StartRequest as StartTaskRequest,
};
use containerd_client::types::Mount;
use prost_types::Any;
use tonic::Code;

use super::super::config::LauncherConfig;
use super::super::engine::{
    Engine, GcLease, LAUNCH, QUICK, UNPACK, optional, runtime_options, runtime_spec,
};
use super::super::error::{LauncherError, chain};
use super::super::image::{self, ImageError, LocalImage};
use super::super::policy::{Admitted, admit};
use super::super::terminal::{self, TerminalInput, TerminalIo, TerminalOutput};
use super::super::{logs, oci, user};
use super::{StartRequest, Started, end, labels};

/// The shim that every containerd since 1.3 brings along.
const RUNTIME: &str = "io.containerd.runc.v2";

/// How long half-made things of a start are kept if kerfd dies in the middle of it.
const LEASE_LIFE: Duration = Duration::from_secs(2 * 3600);

/// Most open files of a process: what data loaders need, and less than what makes programs that
/// close every possible file slow.
const OPEN_FILES: u64 = 65_536;

/// Starts a container.
pub(in crate::launcher) async fn start(
    engine: &Engine,
    config: &LauncherConfig,
    request: StartRequest,
) -> Result<Started, LauncherError> {
    let found = image::find(engine, &request.spec.image).await?;
    let admitted = admit(&config.policy, &found.name, &request.spec, request.lease)?;
    let snapshotter = image::snapshotter(engine, config).await?;
    let lease = engine.gc_lease("start", LEASE_LIFE).await?;
    let launch = Launch {
        engine: lease.engine(),
        config,
        request: &request,
        image: &found,
        admitted: &admitted,
        snapshotter: &snapshotter,
    };
    let result = launch.run(&lease).await;
    if let Err(error) = lease.end(false).await {
        tracing::warn!(
            error = chain(&error),
            "lease of a start not ended, it expires by itself"
        );
    }
    if result.is_ok() {
        tracing::info!(
            container.id = request.container.id,
            job.id = %request.job,
            image.name = found.name,
            "container started"
        );
    }
    result
}

/// All that a start knows from its beginning.
struct Launch<'a> {
    engine: Engine,
    config: &'a LauncherConfig,
    request: &'a StartRequest,
    image: &'a LocalImage,
    admitted: &'a Admitted,
    snapshotter: &'a str,
}

/// The ends of what the container speaks through.
struct Io {
    output: Option<TerminalOutput>,
    input: Option<TerminalInput>,
    files: terminal::Files,
}

impl Launch<'_> {
    async fn run(&self, lease: &GcLease) -> Result<Started, LauncherError> {
        let parent = image::ensure_unpacked(lease, self.snapshotter, self.image).await?;
        let io = self.io()?;
        let mounts = self.snapshot(parent).await?;
        let started = self.record_and_run(&mounts, &io).await;
        match started {
            Ok(pid) => Ok(self.started(pid, io)),
            // Somebody else's container has the name: what is there is not ours to remove.
            Err(error @ LauncherError::Exists { .. }) => Err(error),
            Err(error) => {
                let left = end::remove_all(&self.engine, self.request, self.snapshotter).await;
                if !left.is_empty() {
                    tracing::error!(
                        container.id = self.request.container.id,
                        left = left.join("; "),
                        "failed start left something behind"
                    );
                }
                Err(error)
            }
        }
    }

    async fn record_and_run(&self, mounts: &[Mount], io: &Io) -> Result<u32, LauncherError> {
        self.record(mounts).await?;
        self.create_task(mounts, io).await?;
        self.start_task().await
    }

    /// Makes the files that the shim writes to. Logs of an earlier start are appended to.
    fn io(&self) -> Result<Io, LauncherError> {
        let log_dir = &self.request.log_dir;
        let (id, terminal) = (&self.request.container.id, self.request.spec.terminal);
        logs::make_folder(log_dir)?;
        let files = terminal::Files::new(log_dir);
        for path in [logs::stdout(log_dir), logs::stderr(log_dir)] {
            drop(logs::open(&path)?);
        }
        let mut io = Io {
            output: None,
            input: None,
            files,
        };
        if terminal || self.request.stdin {
            terminal::Files::make(&io.files.input())?;
            io.input = Some(terminal::open_input(&self.engine, id, &io.files)?);
        }
        if terminal {
            terminal::Files::make(&io.files.output())?;
            io.output = Some(terminal::open_output(log_dir, &io.files)?);
        }
        Ok(io)
    }

    /// A writable snapshot on top of the image. One that is left from a start of which kerfd did not
    /// see the end belongs to no container and is made anew.
    async fn snapshot(&self, parent: String) -> Result<Vec<Mount>, LauncherError> {
        let key = &self.request.container.id;
        let request = PrepareSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: key.clone(),
            parent,
            labels: HashMap::new(),
        };
        let mut snapshots = self.engine.snapshots();
        const PREPARE: &str = "prepare the root file system";
        let first = snapshots.prepare(request.clone());
        match self.engine.ask(PREPARE, UNPACK, first).await {
            Err(error) if error.has_code(Code::AlreadyExists) => {}
            other => return other.map(|answer| answer.mounts),
        }
        let get = GetContainerRequest { id: key.clone() };
        let mut containers = self.engine.containers();
        let owner = self
            .engine
            .ask("look for the container", QUICK, containers.get(get));
        if optional(owner.await)?.is_some() {
            return Err(self.exists());
        }
        let remove = RemoveSnapshotRequest {
            snapshotter: self.snapshotter.to_owned(),
            key: key.clone(),
        };
        let removed = snapshots.remove(remove);
        self.engine.ask("remove a snapshot", QUICK, removed).await?;
        let again = snapshots.prepare(request);
        let answer = self.engine.ask(PREPARE, UNPACK, again).await?;
        Ok(answer.mounts)
    }

    fn exists(&self) -> LauncherError {
        LauncherError::Exists {
            container: self.request.container.clone(),
        }
    }

    async fn record(&self, mounts: &[Mount]) -> Result<(), LauncherError> {
        let request = self.request;
        let container = Container {
            id: request.container.id.clone(),
            labels: self.labels(),
            image: self.image.name.clone(),
            runtime: Some(Runtime {
                name: RUNTIME.to_owned(),
                options: Some(self.options()),
            }),
            spec: Some(runtime_spec(&self.spec(mounts).await?)),
            snapshotter: self.snapshotter.to_owned(),
            snapshot_key: request.container.id.clone(),
            ..Container::default()
        };
        let request = CreateContainerRequest {
            container: Some(container),
        };
        let mut containers = self.engine.containers();
        let created = containers.create(request);
        match self
            .engine
            .ask("record the container", QUICK, created)
            .await
        {
            Err(error) if error.has_code(Code::AlreadyExists) => Err(self.exists()),
            other => other.map(drop),
        }
    }

    async fn spec(&self, mounts: &[Mount]) -> Result<serde_json::Value, LauncherError> {
        let command = oci::command(&self.request.spec, &self.image.config);
        let command = command.ok_or_else(|| LauncherError::BadImage {
            image: self.image.name.clone(),
            source: ImageError::NoCommand,
        })?;
        let user = match self.admitted.user {
            Some(ids) => ids.into(),
            None => {
                let wanted = self.image.config.user.as_deref();
                user::resolve(&self.image.name, wanted, mounts).await?
            }
        };
        Ok(oci::build(&oci::Recipe {
            container: &self.request.container,
            job: &self.request.spec,
            image: &self.image.config,
            command,
            admitted: self.admitted,
            user: &user,
            terminal_size: self.request.terminal_size,
            open_files: open_files(),
        }))
    }

    fn labels(&self) -> HashMap<String, String> {
        let names = labels();
        let request = self.request;
        let mut labels = HashMap::from([
            (names.job, request.job.to_string()),
            (names.restarts, request.restarts.to_string()),
            (names.log_dir, request.log_dir.display().to_string()),
        ]);
        if let Some(lease) = request.lease {
            labels.insert(names.lease, lease.to_string());
        }
        labels
    }

    fn options(&self) -> Any {
        let root = self.config.runc_root.as_deref();
        runtime_options(&self.config.runtime_binary, root)
    }

    async fn create_task(&self, mounts: &[Mount], io: &Io) -> Result<(), LauncherError> {
        let log_dir = &self.request.log_dir;
        let terminal = self.request.spec.terminal;
        // Plain paths of files: the shim appends to each. A `file://` address would put both
        // outputs into one file (containerd, `pkg/process/io.go`).
        let (stdout, stderr) = if terminal {
            (text(&io.files.output()), String::new())
        } else {
            (text(&logs::stdout(log_dir)), text(&logs::stderr(log_dir)))
        };
        let stdin = io.input.as_ref().map(|_| text(&io.files.input()));
        let request = CreateTaskRequest {
            container_id: self.request.container.id.clone(),
            rootfs: mounts.to_vec(),
            stdin: stdin.unwrap_or_default(),
            stdout,
            stderr,
            terminal,
            options: Some(self.options()),
            ..CreateTaskRequest::default()
        };
        let mut tasks = self.engine.tasks();
        let created = self
            .engine
            .ask("make the container", LAUNCH, tasks.create(request));
        created.await.map(drop).map_err(|error| self.runtime(error))
    }

    async fn start_task(&self) -> Result<u32, LauncherError> {
        let request = StartTaskRequest {
            container_id: self.request.container.id.clone(),
            exec_id: String::new(),
        };
        let mut tasks = self.engine.tasks();
        let started = self
            .engine
            .ask("start the container", LAUNCH, tasks.start(request));
        let answer = started.await.map_err(|error| self.runtime(error))?;
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

    fn started(&self, pid: u32, io: Io) -> Started {
        let (terminal, stdin) = match (io.output, io.input) {
            (Some(output), Some(input)) => (Some(TerminalIo { output, input }), None),
            (_, input) => (None, input),
        };
        Started {
            image: self.image.name.clone(),
            pid,
            terminal,
            stdin,
        }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// As many open files as kerfd itself may have, and not more than is useful. containerd runs with at
/// least as many; raising a limit needs a right that not every host gives.
fn open_files() -> u64 {
    let limits = procfs::process::Process::myself().and_then(|process| process.limits());
    match limits.map(|limits| limits.max_open_files.hard_limit) {
        Ok(procfs::process::LimitValue::Value(own)) => own.min(OPEN_FILES),
        _ => OPEN_FILES,
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
    // A runtime that wrote no log: what follows is its standard error.
    if let Some(after) =
        rest.strip_prefix("failed to create shim task: OCI runtime create failed: ")
        && after.starts_with("unable to retrieve OCI runtime error (")
        && let Some((_, said)) = after.split_once("): ")
    {
        rest = said;
    }
    while let Some(shorter) = CALLERS.iter().find_map(|caller| rest.strip_prefix(caller)) {
        rest = shorter;
    }
    rest.split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" / ")
}
