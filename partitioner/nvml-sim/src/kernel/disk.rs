//! The kernel's state file in a machine's folder, and the plain tree that follows from it.
//!
//! A change is: lock, read, change, write the state, bring the tree in line, note which state the tree shows.
//! A writer that is killed after its commit leaves a tree that shows an older state; whoever opens the machine
//! next, or changes something, sees that by the note and puts it right. Readers through [`super::Kernel`] never
//! see the difference, since what changes is answered from the state.

mod mig;
mod sync;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::state::{FORMAT, State};
use super::{Entry, Errno, Seen};
use crate::fuse::Fuse;
use crate::store::slots::{self, Header};
use crate::store::{STATE_FILE, Store, StoreError, pid_namespace, start_time};
use sync::Tree;

/// Name of the state file in a machine's folder.
pub const KERNEL_FILE: &str = "kernel.state";
/// Which state the tree shows: the number of the change.
const SHOWN_FILE: &str = "kernel.shown";

/// A machine's folder with the state last seen.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    /// NVML's state, which the driver of vGPUs shares.
    nvml: Store,
    /// What a drill has put into the machine's driver.
    fuse: Option<Fuse>,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    file: File,
    header: Header,
    seen: Arc<Seen>,
}

/// Writes the first state of a new machine and shows it.
pub(crate) fn begin(dir: &Path, state: State) -> Result<(), StoreError> {
    let path = dir.join(KERNEL_FILE);
    let next = dir.join(format!("{KERNEL_FILE}.next"));
    let file = File::create(&next).map_err(failed("create", &next))?;
    let header = slots::write(&file, None, &encode(&state, &path)?);
    let header = header.map_err(failed("write", &next))?;
    fs::rename(&next, &path).map_err(failed("rename", &next))?;
    let tree = Tree::new(dir);
    tree.whole(&state)?;
    note_shown(dir, header)
}

impl Disk {
    /// Opens the machine in `dir`. One that was made before there were kernels has nothing to show, and gets a
    /// state with its first change.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let missing = |_| StoreError::Absent(dir.to_owned());
        let dir = dir.canonicalize().map_err(missing)?;
        if !dir.join(STATE_FILE).is_file() {
            return Err(StoreError::Absent(dir));
        }
        let known = Mutex::new(None);
        let nvml = Store::new(&dir);
        let fuse = Fuse::of(&dir);
        let disk = Self {
            dir,
            nvml,
            fuse,
            known,
        };
        disk.repair();
        Ok(disk)
    }

    /// The machine's fuse, if it has one.
    pub fn fuse(&self) -> Option<&Fuse> {
        self.fuse.as_ref()
    }

    /// The state as it is now. One read of the header where nothing has changed.
    pub fn read(&self) -> Result<Arc<Seen>, StoreError> {
        let seen = self.read_as_written()?;
        let stale = has_dead(&seen.state) || mig::differs(&self.nvml, &seen.state);
        // Whoever may not write sees the dead for as long as nobody else buries them.
        if stale && self.change(|_| ()).is_ok() {
            return self.read_as_written();
        }
        Ok(seen)
    }

    fn read_as_written(&self) -> Result<Arc<Seen>, StoreError> {
        let path = self.dir.join(KERNEL_FILE);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref()
            && known.file.metadata().is_ok_and(|facts| facts.nlink() > 0)
            && slots::header(&known.file).map_err(failed("read", &path))? == Some(known.header)
        {
            return Ok(Arc::clone(&known.seen));
        }
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Arc::new(Seen::new(State::default())));
            }
            file => file.map_err(failed("open", &path))?,
        };
        let (header, state) = parse(&file, &path)?.ok_or(StoreError::Foreign(path))?;
        let seen = Arc::new(Seen::new(state));
        *known = Some(Known {
            file,
            header,
            seen: Arc::clone(&seen),
        });
        Ok(seen)
    }

    /// Changes the state under its lock and shows what follows. What `change` leaves is kept, whatever it returns.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        let path = self.dir.join(KERNEL_FILE);
        let file = self.lock(OpenOptions::new().read(true).write(true).create(true))?;
        let before = parse(&file, &path)?;
        let (header, before) = match before {
            Some((header, state)) => (Some(header), state),
            None => (None, State::default()),
        };
        let mut after = before.clone();
        bury(&mut after);
        // The kernel's lock first, then NVML's: no instance goes while a vGPU is made in it.
        let shared = mig::Shared::begin(&self.nvml, &mut after)?;
        let answer = change(&mut after);
        if let Some(shared) = shared {
            shared.end(&mut after)?;
        }
        if after == before && header.is_some() {
            return Ok(answer);
        }
        let written = slots::write(&file, header, &encode(&after, &path)?);
        let written = written.map_err(failed("write", &path))?;
        let tree = Tree::new(&self.dir);
        let in_line = header.is_some_and(|header| self.shown() == Some(header.sequence));
        let (seen_before, seen_after) = (before.view(), after.view());
        // The change is committed, and an error would say that it is not: the next one puts the tree right.
        let shown = if in_line {
            tree.difference(&seen_before, &seen_after)
        } else {
            tree.whole(&after)
        };
        if shown.is_ok() {
            note_shown(&self.dir, written).ok();
        }
        Ok(answer)
    }

    /// Brings the tree in line with the state, where a writer was killed in between. Gives up quietly without the
    /// right to write: reading needs none.
    fn repair(&self) {
        let path = self.dir.join(KERNEL_FILE);
        let Ok(file) = self.lock(OpenOptions::new().read(true)) else {
            return;
        };
        if let Ok(Some((header, state))) = parse(&file, &path)
            && self.shown() != Some(header.sequence)
            && Tree::new(&self.dir).whole(&state).is_ok()
        {
            note_shown(&self.dir, header).ok();
        }
    }

    fn shown(&self) -> Option<u64> {
        let text = fs::read_to_string(self.dir.join(SHOWN_FILE)).ok()?;
        text.trim().parse().ok()
    }

    /// Opens the state file and locks it; the lock goes with the file.
    fn lock(&self, options: &OpenOptions) -> Result<File, StoreError> {
        let path = self.dir.join(KERNEL_FILE);
        let file = options.open(&path).map_err(failed("open", &path))?;
        file.lock().map_err(failed("lock", &path))?;
        Ok(file)
    }

    /// What does not change, as it lies in the tree.
    pub fn fixed(&self, path: &str) -> Option<Entry> {
        let path = self.dir.join("root").join(path);
        let facts = path.symlink_metadata().ok()?;
        if facts.is_symlink() {
            let target = fs::read_link(path).ok()?;
            return Some(Entry::Link(target.to_str()?.to_owned()));
        }
        Some(match facts.is_dir() {
            true => Entry::Folder,
            // Nobody takes a value there: what does is in the state.
            false => Entry::File(Vec::new(), 0o444),
        })
    }

    pub fn fixed_bytes(&self, path: &str) -> Result<Vec<u8>, Errno> {
        fs::read(self.dir.join("root").join(path)).map_err(|error| errno_of(&error))
    }

    pub fn fixed_names(&self, path: &str) -> Result<Vec<String>, Errno> {
        let entries = fs::read_dir(self.dir.join("root").join(path));
        let entries = entries.map_err(|error| errno_of(&error))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.collect())
    }
}

/// The state in a file; `None` where the file is new and empty.
fn parse(file: &File, path: &Path) -> Result<Option<(Header, State)>, StoreError> {
    if file.metadata().map_err(failed("stat", path))?.len() == 0 {
        return Ok(None);
    }
    let read = slots::read(file).map_err(failed("read", path))?;
    let known = read.and_then(|(header, text)| {
        let state: State = serde_json::from_slice(&text).ok()?;
        (state.format == FORMAT).then_some((header, state))
    });
    known
        .map(Some)
        .ok_or_else(|| StoreError::Foreign(path.to_owned()))
}

fn encode(state: &State, path: &Path) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(state).map_err(|error| failed("encode", path)(error.into()))
}

/// Written over in place: its few bytes are whole or, after a kill, differ from every number.
fn note_shown(dir: &Path, header: Header) -> Result<(), StoreError> {
    let path = dir.join(SHOWN_FILE);
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false);
    let file = options.open(&path).map_err(failed("open", &path))?;
    let text = format!("{:020}\n", header.sequence);
    file.write_all_at(text.as_bytes(), 0)
        .map_err(failed("write", &path))
}

/// Takes away the clients whose processes have ended.
fn bury(state: &mut State) {
    if let Some(amd) = &mut state.amd {
        amd.end(|client| !lives(client.pid, client.started, client.pid_namespace));
    }
    if let Some(vgpu) = &mut state.vgpu {
        vgpu.detach(|vm| !lives(vm.pid, vm.started, vm.pid_namespace));
    }
}

fn has_dead(state: &State) -> bool {
    let amd = state.amd.iter().flat_map(|amd| &amd.clients);
    let mut clients = amd.map(|client| (client.pid, client.started, client.pid_namespace));
    let vgpus = state.vgpu.iter().flat_map(|vgpu| vgpu.devices());
    let vms = vgpus.filter_map(|device| device.vm.as_ref());
    let mut vms = vms.map(|vm| (vm.pid, vm.started, vm.pid_namespace));
    let dead = |(pid, started, namespace)| !lives(pid, started, namespace);
    clients.any(dead) || vms.any(dead)
}

/// As of a process of the NVML load: one that was no real process lives until it is taken away, and one of
/// another PID namespace is for that to judge.
fn lives(pid: u32, started: Option<u64>, namespace: Option<u64>) -> bool {
    let Some(started) = started else {
        return true;
    };
    namespace.is_none() || namespace != pid_namespace() || start_time(pid) == Some(started)
}

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_number)
}

fn failed(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io {
        operation,
        path: path.clone(),
        source,
    }
}
