//! An MPS server: a process under the user id of its clients, which ends with the daemon that started it.

use std::io::Read;
use std::process::ExitCode;

use nix::unistd::{Gid, Uid, setgid, setuid};

/// `--uid N`. The pipe to the daemon is standard input: its end is the server's.
pub fn run(arguments: &[String]) -> ExitCode {
    let uid = match arguments {
        [option, uid] if option == "--uid" => uid.parse().ok(),
        _ => None,
    };
    let Some(uid) = uid else {
        return ExitCode::FAILURE;
    };
    // It takes the user id itself: another user may not be able to start a program in the machine's folder.
    let became = uid == Uid::effective().as_raw()
        || (setgid(Gid::from_raw(uid)).is_ok() && setuid(Uid::from_raw(uid)).is_ok());
    if !became {
        return ExitCode::FAILURE;
    }
    let mut rest = Vec::new();
    match std::io::stdin().lock().read_to_end(&mut rest) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
