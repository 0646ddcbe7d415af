//! Files of a daemon: where they are, and the modes that the vendor's have.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// Held while a daemon serves the directory; the kernel lets it go with the process.
pub struct Lock {
    _file: File,
}

/// The directories that the environment names.
pub struct Places {
    pipe: PathBuf,
    log: PathBuf,
}

impl Places {
    /// As the vendor's tools find them.
    pub fn from_environment() -> Self {
        let folder = |name: &str, otherwise: &str| {
            let named = std::env::var_os(name).filter(|value| !value.is_empty());
            PathBuf::from(named.unwrap_or_else(|| OsString::from(otherwise)))
        };
        Self {
            pipe: folder("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"),
            log: folder("CUDA_MPS_LOG_DIRECTORY", "/var/log/nvidia-mps"),
        }
    }

    /// The file with the daemon's process id.
    pub fn pid_file(&self) -> PathBuf {
        self.pipe.join("nvidia-cuda-mps-control.pid")
    }

    /// Where commands come in.
    pub fn privileged(&self) -> PathBuf {
        self.pipe.join("control_privileged")
    }

    /// The process id in the file.
    pub fn read_pid(&self) -> Option<u32> {
        fs::read_to_string(self.pid_file())
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    pub(super) fn write_pid(&self) -> Result<(), String> {
        let path = self.pid_file();
        let written = fs::write(&path, std::process::id().to_string());
        let written = written.and_then(|()| mode(&path, 0o666));
        written.map_err(|error| failed("write", &path, &error))
    }

    pub(super) fn remove_pid(&self) {
        fs::remove_file(self.pid_file()).ok();
    }

    /// Takes the directory, or says that another daemon has it.
    pub(super) fn lock(&self) -> Result<Lock, String> {
        for folder in [&self.pipe, &self.log] {
            let made = fs::create_dir_all(folder);
            made.map_err(|error| failed("create", folder, &error))?;
        }
        let path = self.pipe.join("control_lock");
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&path);
        let file = file.map_err(|error| failed("open", &path, &error))?;
        mode(&path, 0o666).map_err(|error| failed("set the mode of", &path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(_) => Err("An instance of this daemon is already running\n".to_owned()),
        }
    }

    /// The sockets for clients and for commands. What a daemon before left is replaced.
    pub(super) fn listen(&self) -> Result<(UnixListener, UnixListener), String> {
        let fifo = self.pipe.join("log");
        if !fifo.exists() {
            let made = mkfifo(&fifo, Mode::from_bits_truncate(0o600)).map_err(io::Error::from);
            let made = made.and_then(|()| mode(&fifo, 0o777));
            made.map_err(|error| failed("create", &fifo, &error))?;
        }
        let socket = |path: PathBuf, bits| {
            fs::remove_file(&path).ok();
            let listener = UnixListener::bind(&path);
            let listener = listener.and_then(|listener| mode(&path, bits).map(|()| listener));
            listener.map_err(|error| failed("listen on", &path, &error))
        };
        let clients = socket(self.pipe.join("control"), 0o666)?;
        Ok((clients, socket(self.privileged(), 0o755)?))
    }

    /// A line in the log. One that cannot be written is lost: nothing hangs on it.
    pub(super) fn log(&self, text: &str) {
        let path = self.log.join("control.log");
        let file = OpenOptions::new().create(true).append(true).open(path);
        let pid = std::process::id();
        file.and_then(|mut file| writeln!(file, "[{pid:>7} Control] {text}"))
            .ok();
    }
}

fn mode(path: &Path, bits: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(bits))
}

fn failed(operation: &str, path: &Path, error: &io::Error) -> String {
    format!("Cannot {operation} {}: {error}\n", path.display())
}
