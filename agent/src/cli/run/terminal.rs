//! The terminal that kerf was started on: raw mode while a job has it, its size, and what is typed.

use std::io::{self, IsTerminal, Read};

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

use super::RunError;

/// Bytes of one read of what is typed, or piped.
const CHUNK: usize = 4 << 10;

/// Pieces that wait for a slow job; the one who types waits then.
const WAITING: usize = 4;

/// Raw mode of standard input; the terminal is as before when it is dropped, also by a panic.
#[derive(Debug)]
pub struct RawMode {
    before: Termios,
}

impl RawMode {
    /// Enters raw mode: every key goes to the job, Ctrl-C too. `None` where standard input is no terminal.
    pub fn enter() -> Result<Option<Self>, RunError> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let failed = |source| RunError::Terminal { source };
        let before = tcgetattr(&stdin).map_err(failed)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&stdin, SetArg::TCSADRAIN, &raw).map_err(failed)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // TCSADRAIN and not TCSAFLUSH: what was typed ahead belongs to the shell.
        // A terminal that has gone away meanwhile needs none of it.
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.before).ok();
    }
}

/// Columns and rows of the terminal, where there is one.
pub fn size() -> Option<(u32, u32)> {
    let size = rustix::termios::tcgetwinsize(io::stdout())
        .or_else(|_| rustix::termios::tcgetwinsize(io::stdin()))
        .ok()?;
    (size.ws_col > 0).then_some((size.ws_col.into(), size.ws_row.into()))
}

/// What is typed; the channel ends with standard input. The thread ends with the process: a read of a terminal
/// cannot be given up.
pub fn typed() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = [0; CHUNK];
        loop {
            let count = match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let piece = buffer.get(..count).unwrap_or_default().to_vec();
            if sender.blocking_send(piece).is_err() {
                return;
            }
        }
    });
    receiver
}
