//! The fences of members: what ends a container in time although kerfd is dead or stopped.
//!
//! ```text
//!   expect, resume ─► (wanted) ── stand ─► (stands) ── renew ─► … ── take_away ─► (none)
//! ```
//! A member that may be started elsewhere after a silence is guarded by a process of its own, `kerf-runtime fence`,
//! which kills the container's cgroup at the deadline in its file. The files lie in `guards/` in the run folder, for
//! root alone; they go with the boot, as containers do. It owns those files and knows of each fence by the lock that
//! it holds. It never kills anything itself, and never decides how long a member may run.

mod error;
mod post;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use kerf_runtime::guard::READY;
use kerf_runtime::guard::deadline::{self, Reading};
use kerf_types::Moment;
use kerf_types::peer::Tag;

use super::inner::lock;
use crate::files;
use crate::process::boot_ms;
use crate::process::workers::Processes;

pub use error::GuardError;
pub use post::Post;

/// How long a fence may take to stand, its worker included. It opens one file and forks twice, so a longer wait means a host that starts
/// nothing at present; the submitting host waits meanwhile.
const STAND_LIMIT: Duration = Duration::from_secs(5);

/// What is known of one fence.
#[derive(Debug, Clone)]
struct Wanted {
    post: Post,
    until: Moment,
    /// It stood once. Before, its lock is not tried: for a moment that would keep a fence from it that begins.
    stood: bool,
}

/// What became of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// The deadline is in the file, or will be once there is one.
    Kept,
    /// The fence has been killed: another one is needed.
    Gone,
}

/// The fences of this host.
#[derive(Debug)]
pub struct Guards {
    folder: PathBuf,
    wanted: Mutex<BTreeMap<Tag, Wanted>>,
}

impl Guards {
    /// The fences whose files are in this run folder. A folder that cannot be made is told when a fence is wanted.
    pub fn new(run_dir: &Path) -> Self {
        let folder = run_dir.join("guards");
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        if let Err(error) = made {
            tracing::error!(%error, path = %folder.display(), "no folder for guards");
        }
        Self {
            folder,
            wanted: Mutex::default(),
        }
    }

    /// The container of a member must begin to end at this moment, unless it is [renewed](Self::renew).
    pub fn expect(&self, tag: Tag, post: Post, until: Moment) {
        let wanted = Wanted {
            post,
            until,
            stood: false,
        };
        lock(&self.wanted).insert(tag, wanted);
    }

    /// The same for a container that an earlier kerfd has started: what it has promised holds, also when it has
    /// passed; where nothing says what that was, `most` does.
    pub fn resume(&self, tag: Tag, post: Post, most: Moment) {
        let read = File::open(self.path(&post)).map(|file| deadline::read(&file));
        let until = match read {
            Ok(Reading::At(deadline_ms)) => post.until_of(deadline_ms).min(most),
            Ok(Reading::Unclear | Reading::Over) | Err(_) => most,
        };
        self.expect(tag, post, until);
    }

    /// When the container of a guarded member must begin to end, as it stands now.
    pub fn until(&self, tag: Tag) -> Option<Moment> {
        lock(&self.wanted).get(&tag).map(|wanted| wanted.until)
    }

    /// Whether the time of a guarded member has passed: it may not be started any more.
    pub fn has_passed(&self, tag: Tag) -> bool {
        let wanted = lock(&self.wanted);
        wanted
            .get(&tag)
            .is_some_and(|wanted| wanted.until <= Moment(boot_ms()))
    }

    /// Returns once the fence of a member stands; at once where it stands already, or none is wanted.
    ///
    /// # Errors
    /// When none stands: then the container may not be started.
    pub async fn stand(&self, processes: &Processes, tag: Tag) -> Result<(), GuardError> {
        let Some(post) = self.prepare(tag)? else {
            return Ok(());
        };
        let file = self.path(&post);
        let stood = processes.stand_guard(&file, &post.folders, STAND_LIMIT);
        let said = stood.await.map_err(GuardError::of)?;
        if !said.success || said.out != READY {
            let said = String::from_utf8_lossy(&said.err).trim().to_owned();
            return Err(GuardError::Refused { said });
        }
        if let Some(wanted) = lock(&self.wanted).get_mut(&tag) {
            wanted.stood = true;
        }
        Ok(())
    }

    /// Writes the deadline down. Gives what a new fence needs; nothing where one stands.
    fn prepare(&self, tag: Tag) -> Result<Option<Post>, GuardError> {
        let mut all = lock(&self.wanted);
        let Some(wanted) = all.get_mut(&tag) else {
            return Ok(None);
        };
        let path = self.path(&wanted.post);
        let failed = |source| GuardError::File {
            file: path.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(&path).map_err(failed)?;
        deadline::write(&file, wanted.post.deadline_ms(wanted.until)).map_err(failed)?;
        let stands = is_held(&file);
        wanted.stood |= stands;
        Ok((!stands).then(|| wanted.post.clone()))
    }

    /// Puts the end of a member off. Costs one write to a file in memory, and starts nothing.
    pub fn renew(&self, tag: Tag, until: Moment) -> Renewed {
        let mut all = lock(&self.wanted);
        let Some(wanted) = all.get_mut(&tag) else {
            return Renewed::Kept;
        };
        wanted.until = until;
        let path = self.path(&wanted.post);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !wanted.stood => {
                return Renewed::Kept;
            }
            Err(error) => {
                tracing::warn!(job.id = %tag.job, %error, "guard not renewed");
                return Renewed::Gone;
            }
        };
        if let Err(error) = deadline::write(&file, wanted.post.deadline_ms(until)) {
            tracing::warn!(job.id = %tag.job, %error, "guard not renewed");
        }
        if wanted.stood && !is_held(&file) {
            return Renewed::Gone;
        }
        Renewed::Kept
    }

    /// The container of a member is gone: its fence ends by itself when its file is.
    pub fn take_away(&self, tag: Tag) {
        let wanted = lock(&self.wanted).remove(&tag);
        if let Some(wanted) = wanted {
            forget(&self.path(&wanted.post));
        }
    }

    /// Takes the files away that an earlier kerfd has left, but those of containers that may be there.
    pub fn clear(&self, may_be_there: impl Fn(&str) -> bool) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let left: Vec<PathBuf> = entries
            .filter(|entry| !may_be_there(&entry.file_name().to_string_lossy()))
            .map(|entry| entry.path())
            .collect();
        let wanted = lock(&self.wanted);
        for path in left {
            if !wanted.values().any(|one| self.path(&one.post) == path) {
                forget(&path);
            }
        }
    }

    fn path(&self, post: &Post) -> PathBuf {
        self.folder.join(&post.container)
    }
}

fn forget(path: &Path) {
    if let Err(error) = files::remove(path) {
        tracing::warn!(%error, path = %path.display(), "guard not taken away");
    }
}

/// Whether a fence holds the file.
fn is_held(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            // One that is to be started would find it taken. The end of the file's life does the same, so an error
            // changes nothing.
            drop(file.unlock());
            false
        }
        Err(_) => true,
    }
}
