//! Making a TAP device, which no safe call does.

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

/// Turns an open `/dev/net/tun` into a TAP device of this name, in the network namespace of the calling thread
/// (Documentation/networking/tuntap.rst of the kernel). Reads and writes are then Ethernet frames, without a header before them.
pub fn make_tap(tun: &File, name: &str) -> Result<(), Errno> {
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: 0 },
    };
    // The last byte stays zero: it ends the name.
    let room = request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1);
    for (place, byte) in room.zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).map_err(|_| Errno::EINVAL)?;
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which is whole and outlives the call; the descriptor is open.
    let outcome = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    Errno::result(outcome).map(drop)
}
