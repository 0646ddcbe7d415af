//! Everything that touches containerd, behind a closed set of typed requests.
//!
//! It owns the connection, images, and the containers of one containerd namespace, which is kerf's
//! alone. Every start is checked here against the host's [`LaunchPolicy`], whoever asks for it: no
//! caller can hand in an OCI spec, a mount of the host, or a raw ask for devices. It never decides
//! what runs, never opens a device, and keeps no state: containerd has it, and labels say whose it
//! is. So it can become a privileged process of its own, and kerfd an unprivileged one.
//!
//! | part | duty |
//! |---|---|
//! | `engine` | the connection, deadlines, containerd's own leases |
//! | `policy` | what jobs may have here; one pure check |
//! | `image` | archives and registries into containerd, images into snapshots |
//! | `oci`, `user` | the spec of a container and the user in it |
//! | `gang` | what a member is told of the others: variables and a hosts file |
//! | `container` | start, wait, stop, remove, list |
//! | [`logs`], `terminal` | what jobs print and what is typed |

mod config;
mod container;
mod engine;
mod error;
mod gang;
mod hints;
mod image;
pub mod logs;
mod oci;
mod policy;
mod terminal;
mod user;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kerf_types::ContainerRef;
use tokio::io::AsyncRead;

pub use config::{ImportLimits, LauncherConfig};
pub use container::{ContainerStatus, ContainerView, Exit, StartRequest, Started};
pub use error::LauncherError;
pub use gang::Seat;
pub use image::{ArchiveError, ImageError};
pub use policy::{ImagePattern, LaunchPolicy, Refusal, RunAs, Submitter, UserIds, VolumePolicy};
pub use terminal::{TerminalInput, TerminalIo, TerminalOutput, TerminalSize};

use engine::Engine;

/// How long containerd may take to say that it is there.
const PROBE: Duration = Duration::from_secs(2);

/// The one way to containerd. A clone is another handle on the same connection.
///
/// Every method needs a tokio runtime, connects when it must, and fails with
/// [`LauncherError::Unavailable`] within two seconds when nobody listens.
#[derive(Clone)]
pub struct Launcher {
    config: Arc<Mutex<Arc<LauncherConfig>>>,
    engine: Engine,
    /// Names of containers that are being started: two starts of one name would undo each other.
    starting: Arc<Mutex<BTreeSet<String>>>,
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher")
            .field("config", &self.config())
            .finish_non_exhaustive()
    }
}

impl Launcher {
    /// Checks the set-up and empties the folder for archives; does not connect yet.
    ///
    /// # Errors
    /// When the namespace is not one that containerd takes, or the folder cannot be made.
    pub fn new(config: LauncherConfig) -> Result<Self, LauncherError> {
        // Both names are checked by the rules for containers; the id is not used.
        ContainerRef::try_new(&config.namespace, "any")?;
        image::prepare(&config)?;
        let engine = Engine::new(&config.containerd, &config.namespace);
        Ok(Self {
            config: Arc::new(Mutex::new(Arc::new(config))),
            engine,
            starting: Arc::default(),
        })
    }

    /// The set-up in force.
    pub fn config(&self) -> Arc<LauncherConfig> {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&config)
    }

    /// Puts another policy in force, after a reload of the configuration. Every clone follows; what has been
    /// admitted stays.
    pub fn set_policy(&self, policy: LaunchPolicy) {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        *config = Arc::new(LauncherConfig {
            policy,
            ..(**config).clone()
        });
    }

    /// Whether containerd answers.
    ///
    /// # Errors
    /// When it does not, within two seconds.
    pub async fn probe(&self) -> Result<(), LauncherError> {
        let mut client = self.engine.version();
        let answer = self.engine.ask("answer", PROBE, client.version(()));
        answer.await.map(drop)
    }

    /// A container's full name in the launcher's namespace.
    ///
    /// # Errors
    /// When containerd takes no such name.
    pub fn container(&self, id: &str) -> Result<ContainerRef, LauncherError> {
        Ok(ContainerRef::try_new(&self.config().namespace, id)?)
    }

    /// Imports an image archive (OCI layout, or `docker save`; plain or gzip) and gives the names of
    /// its images. With `name` the archive must hold one image, which is called that. An error of the
    /// reader means that the sender broke off. Only for an admin it may take a name that the policy
    /// restricts, or one that another image has; what anybody else imports is for their own jobs alone.
    ///
    /// # Errors
    /// When the policy does not allow a name, and when the archive is too large, damaged, or not what
    /// it says; nothing of it is kept then.
    pub async fn import_image(
        &self,
        mut archive: impl AsyncRead + Unpin,
        name: Option<&str>,
        by: Submitter,
    ) -> Result<Vec<String>, LauncherError> {
        image::import(&self.engine, &self.config(), &mut archive, name, by).await
    }

    /// Pulls an image from its registry and gives its full name.
    ///
    /// # Errors
    /// [`LauncherError::NoTransfer`] where containerd is older than 1.7, and when the policy does not
    /// allow the image.
    pub async fn pull_image(&self, name: &str) -> Result<String, LauncherError> {
        image::pull(&self.engine, &self.config(), name).await
    }

    /// Starts a container. It is done or undone even if the caller gives up waiting for it.
    ///
    /// # Errors
    /// When the policy forbids it, the image is not here, or the runtime fails; nothing is left then
    /// but the log folder. After an error that is [transient](LauncherError::is_transient) containerd
    /// may have made it all the same: [remove](Launcher::remove) it once containerd answers again.
    pub async fn start(&self, request: StartRequest) -> Result<Started, LauncherError> {
        self.check_own(&request.container)?;
        let name = Name::take(&self.starting, &request.container)?;
        let this = self.clone();
        let work = tokio::spawn(async move {
            let started = container::start(&this.engine, &this.config(), request).await;
            drop(name);
            started
        });
        work.await.map_err(|_| LauncherError::Stopped {
            operation: "start a container",
        })?
    }

    /// Waits until a container has ended, over restarts of containerd. It needs no earlier call of
    /// this process: this is how a new kerfd takes up the containers of the old one.
    ///
    /// # Errors
    /// [`LauncherError::NotFound`] when there is no such container, [`LauncherError::ExitUnknown`]
    /// when its shim has died with the exit code.
    pub async fn wait(&self, container: &ContainerRef) -> Result<Exit, LauncherError> {
        self.check_own(container)?;
        container::wait(&self.engine, container).await
    }

    /// Ends a container with SIGTERM, and with SIGKILL when `grace` is over; says how it ended. One
    /// that has ended already says so too.
    ///
    /// # Errors
    /// As [`Launcher::wait`], and when containerd does not answer.
    pub async fn stop(
        &self,
        container: &ContainerRef,
        grace: Duration,
    ) -> Result<Exit, LauncherError> {
        self.check_own(container)?;
        container::stop(&self.engine, container, grace).await
    }

    /// Takes a container away: task, record and root file system, not its logs. One that runs is
    /// killed first; one that is not there is no error, so it can be called again.
    ///
    /// # Errors
    /// [`LauncherError::Left`] with everything that could not be taken away; the rest is gone.
    pub async fn remove(&self, container: &ContainerRef) -> Result<(), LauncherError> {
        self.check_own(container)?;
        container::remove(&self.engine, &self.config(), container).await
    }

    /// All containers of jobs on this host, by name.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub async fn list(&self) -> Result<Vec<ContainerView>, LauncherError> {
        container::list(&self.engine, &self.config().namespace).await
    }

    /// Takes away what starts and imports left in containerd that kerfd or containerd did not survive:
    /// for a kerfd that starts, and after containerd was away. Gives how many there were.
    ///
    /// # Errors
    /// When containerd does not answer.
    pub async fn reclaim(&self) -> Result<usize, LauncherError> {
        self.engine.reclaim().await
    }

    /// Where the cgroup of a container is, or will be once it is made: a folder in each hierarchy that is mounted,
    /// of which the runtime uses some.
    pub fn cgroups(&self, container: &ContainerRef) -> Vec<PathBuf> {
        container::cgroup::folders(container)
    }

    /// Whether the kernel has killed a process of the container at its memory limit. Known until the container
    /// is removed.
    pub fn was_out_of_memory(&self, container: &ContainerRef) -> bool {
        container::was_out_of_memory(container)
    }

    /// Opens the terminal of a running container again, as after a restart of kerfd.
    ///
    /// # Errors
    /// [`LauncherError::NoTerminal`] if it has none.
    pub async fn attach(&self, container: &ContainerRef) -> Result<TerminalIo, LauncherError> {
        self.check_own(container)?;
        container::attach(&self.engine, container).await
    }

    /// Only kerf's own containers are changed, whoever asks.
    fn check_own(&self, container: &ContainerRef) -> Result<(), LauncherError> {
        let config = self.config();
        if container.namespace == config.namespace {
            return Ok(());
        }
        Err(LauncherError::ForeignNamespace {
            container: container.clone(),
            namespace: config.namespace.clone(),
        })
    }
}

/// The right to start a container of one name; it ends when this is dropped.
struct Name {
    taken: Arc<Mutex<BTreeSet<String>>>,
    id: String,
}

impl Name {
    fn take(
        taken: &Arc<Mutex<BTreeSet<String>>>,
        container: &ContainerRef,
    ) -> Result<Self, LauncherError> {
        let mut names = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.insert(container.id.clone()) {
            return Err(LauncherError::Exists {
                container: container.clone(),
            });
        }
        Ok(Self {
            taken: Arc::clone(taken),
            id: container.id.clone(),
        })
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut names = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        names.remove(&self.id);
    }
}
