//! A port: a network namespace with a TAP device in it, and this end of that device.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, unshare};

use crate::sys;

/// The only interface of a namespace beside its loopback.
const INTERFACE: &str = "k0";

/// The number of a port, from 1.
pub type Number = u8;

/// One port.
#[derive(Debug)]
pub struct Port {
    number: Number,
    tap: File,
    /// Keeps the namespace while nobody is in it.
    namespace: File,
}

impl Port {
    /// Its number.
    pub fn number(&self) -> Number {
        self.number
    }

    /// What `nsenter --net=` takes, for as long as this process lives.
    pub fn path(&self) -> String {
        let fd = self.namespace.as_raw_fd();
        format!("/proc/{}/fd/{fd}", std::process::id())
    }

    /// The next frame that was sent from the namespace, if there is one.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match nix::unistd::read(&self.tap, buffer) {
            Ok(count) => Ok(buffer.get(..count)),
            Err(nix::errno::Errno::EAGAIN) => Ok(None),
            // The interface was set down. What comes once it is up again is read then.
            Err(nix::errno::Errno::EIO) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands a frame to the namespace; it is lost where the interface is down or has no room, as on a wire.
    pub fn send(&self, frame: &[u8]) -> bool {
        nix::unistd::write(&self.tap, frame).is_ok()
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tap.as_fd()
    }
}

/// Makes ports 1 to `count`.
pub fn open(count: Number) -> Result<Vec<Port>> {
    (1..=count)
        .map(|number| {
            // A thread of its own: only that one changes into the namespace, and it ends with the work.
            let made = std::thread::spawn(move || make(number, count)).join();
            made.map_err(|_| anyhow::anyhow!("the thread of port {number} panicked"))?
                .with_context(|| format!("port {number} cannot be made"))
        })
        .collect()
}

fn make(number: Number, count: Number) -> Result<Port> {
    unshare(CloneFlags::CLONE_NEWNET).context("no network namespace")?;
    let namespace = File::open("/proc/thread-self/ns/net").context("no handle of it")?;
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK);
    let tap = options.open("/dev/net/tun").context("/dev/net/tun")?;
    sys::make_tap(&tap, INTERFACE).context("no TAP device")?;
    for words in set_up(number, count) {
        ip(&words)?;
    }
    Ok(Port {
        number,
        tap,
        namespace,
    })
}

/// What `ip` is told in the namespace of a port. Neighbours are written down: what asks for them would cross the switch
/// as well, and a cut of one direction would then be one of both.
fn set_up(number: Number, count: Number) -> Vec<String> {
    let mut lines = vec![
        "link set lo up".to_owned(),
        format!("link set {INTERFACE} address {}", hardware(number)),
        format!("link set {INTERFACE} up"),
        format!("address add {}/24 dev {INTERFACE}", v4(number)),
        format!("address add {}/64 dev {INTERFACE} nodad", v6(number)),
    ];
    for other in (1..=count).filter(|other| *other != number) {
        for address in [v4(other), v6(other)] {
            lines.push(format!(
                "neighbour add {address} lladdr {} dev {INTERFACE} nud permanent",
                hardware(other)
            ));
        }
    }
    lines
}

/// The address of a port's interface, of those that nobody sells.
pub fn hardware(number: Number) -> String {
    let bytes = hardware_bytes(number).map(|byte| format!("{byte:02x}"));
    bytes.join(":")
}

/// The same as it stands in frames.
pub fn hardware_bytes(number: Number) -> [u8; 6] {
    [0x02, 0x6b, 0x65, 0x72, 0x66, number]
}

/// Its IPv4 address, in a network that no other interface of the namespace has.
fn v4(number: Number) -> String {
    format!("10.77.0.{number}")
}

/// Its IPv6 address, in a unique local network.
fn v6(number: Number) -> String {
    format!("fd6b:6572:66::{number:x}")
}

fn ip(words: &str) -> Result<()> {
    let output = Command::new("ip").args(words.split(' ')).output();
    let output = output.context("ip (of iproute2) is not there")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {words}: {}", said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{hardware, set_up};

    #[test]
    fn a_port_knows_every_other_and_not_itself() {
        let lines = set_up(2, 3);
        let neighbours: Vec<&String> = lines.iter().filter(|l| l.contains("neighbour")).collect();
        assert_eq!(neighbours.len(), 4, "{lines:#?}");
        assert!(!neighbours.iter().any(|line| line.contains("10.77.0.2 ")));
        assert!(lines.contains(&"address add 10.77.0.2/24 dev k0".to_owned()));
        assert_eq!(hardware(64), "02:6b:65:72:66:40");
    }
}
