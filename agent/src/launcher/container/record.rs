//! The record of a container: its spec, its runtime, and labels that say what it is for.

use std::collections::HashMap;

use containerd_client::services::v1::container::Runtime;
use containerd_client::services::v1::{Container, CreateContainerRequest};
use containerd_client::types::Mount;
use prost_types::Any;
use tonic::Code;

use super::super::engine::{QUICK, runtime_options, runtime_spec};
use super::super::error::LauncherError;
use super::super::gang;
use super::super::image::ImageError;
use super::super::policy::check_root;
use super::super::{oci, user};
use super::labels;
use super::start::{Launch, exists};

/// The shim that every containerd since 1.3 brings along.
const RUNTIME: &str = "io.containerd.runc.v2";

/// Most open files of a process: what data loaders need, and less than what makes programs that
/// close every possible file slow.
const OPEN_FILES: u64 = 65_536;

impl Launch<'_> {
    /// Writes the record.
    pub(super) async fn record(&self, mounts: &[Mount]) -> Result<(), LauncherError> {
        let id = &self.request.container.id;
        let container = Container {
            id: id.clone(),
            labels: self.labels(),
            image: self.image.name.clone(),
            runtime: Some(Runtime {
                name: RUNTIME.to_owned(),
                options: Some(self.options()),
            }),
            spec: Some(runtime_spec(&self.spec(mounts).await?)),
            snapshotter: self.snapshotter.to_owned(),
            snapshot_key: id.clone(),
            ..Container::default()
        };
        let request = CreateContainerRequest {
            container: Some(container),
        };
        let mut containers = self.engine.containers();
        let created = containers.create(request);
        let created = self.engine.ask("record the container", QUICK, created);
        match created.await {
            Err(error) if error.has_code(Code::AlreadyExists) => Err(exists(self.request)),
            other => other.map(drop),
        }
    }

    /// What the shim is told: to call kerf-runtime.
    pub(super) fn options(&self) -> Any {
        let root = self.config.runc_root.as_deref();
        runtime_options(&self.config.runtime_binary, root)
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
        check_root(self.admitted, self.request.submitter, user.uid)?;
        let request = self.request;
        let seat = request.seat.as_ref();
        let name = oci::hostname(&request.container);
        let files = gang::write(&request.log_dir, seat, name)?;
        Ok(oci::build(&oci::Recipe {
            container: &self.request.container,
            job: &self.request.spec,
            image: &self.image.config,
            command,
            admitted: self.admitted,
            user: &user,
            terminal_size: request.terminal_size,
            told: gang::variables(request.job, request.restarts, seat),
            gang: files.as_ref(),
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
