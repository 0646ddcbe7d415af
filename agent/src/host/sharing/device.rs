//! What the container of a share gets beside the nodes of its device: the way to the daemon, and its limits.

use std::path::{Path, PathBuf};

use kerf_partitioner::sharing::MpsPlace;
use kerf_runtime::frame::MountEntry;
use kerf_types::lease::Subject;
use kerf_types::sharing::{Mps, Sharing, SharingMode};

use super::super::{Host, HostError};
use super::State;
use crate::cdi::CdiDevice;

/// Where clients look for the daemon when their environment does not say (MPS documentation,
/// `CUDA_MPS_PIPE_DIRECTORY`): a program that clears its environment finds it all the same.
const PIPE: &str = "/tmp/nvidia-mps";

/// Where the daemon and its clients meet in memory.
const SHM: &str = "/dev/shm";

/// Source of the limit's form: MPS documentation, `CUDA_MPS_PINNED_DEVICE_MEM_LIMIT`: device ordinals as the client
/// sees them, and it sees one.
const ONLY_DEVICE: u32 = 0;

impl Host {
    /// Adds what a share needs; nothing for a device of one's own.
    pub(in crate::host) fn add_share(
        &self,
        subject: &Subject,
        device: &mut CdiDevice,
    ) -> Result<(), HostError> {
        let Some(share) = subject.share() else {
            return Ok(());
        };
        device.env.push(format!("KERF_ISOLATION={}", share.mode));
        if share.mode == SharingMode::TimeSlice {
            return Ok(());
        }
        let id = subject.device();
        let Some(Sharing::Mps(limits)) = self.shared.of(subject.gpu()) else {
            return Err(not_there(id.to_string(), "its GPU is not shared by mps"));
        };
        let seat = self.shared.seats.get(&id);
        let (seat, obstacle) = match seat {
            Some(seat) => (Some(seat), seat.state.obstacle()),
            None => (None, State::Starting.obstacle()),
        };
        let Some(seat) = seat.filter(|_| obstacle.is_none()) else {
            return Err(not_there(id.to_string(), &obstacle.unwrap_or_default()));
        };
        device.mounts.extend(mounts(&seat.place));
        device.env.extend(environment(&limits));
        Ok(())
    }
}

fn not_there(device: String, why: &str) -> HostError {
    HostError::Busy {
        what: format!("the mps daemon of {device}"),
        state: format!("not there ({why})"),
        by: None,
    }
}

/// To connect to the daemon's sockets nobody has to write into their folder, and who could would plant a daemon's files.
fn mounts(place: &MpsPlace) -> [MountEntry; 2] {
    [
        mount(place.pipe(), PIPE, "ro"),
        mount(place.shm(), SHM, "rw"),
    ]
}

fn mount(source: PathBuf, destination: &str, access: &str) -> MountEntry {
    MountEntry {
        source,
        destination: Path::new(destination).to_owned(),
        options: [access, "nosuid", "nodev", "noexec", "bind"]
            .map(str::to_owned)
            .to_vec(),
        kind: "bind".to_owned(),
    }
}

/// The limits once more for the client: those of the daemon are defaults for servers, and a client may be stricter
/// and never laxer than its server.
fn environment(limits: &Mps) -> Vec<String> {
    let threads = limits
        .threads
        .map(|part| format!("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE={part}"));
    let memory = limits.memory.map(|memory| {
        let mib = memory.0 >> 20;
        format!("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT={ONLY_DEVICE}={mib}M")
    });
    let pipe = Some(format!("CUDA_MPS_PIPE_DIRECTORY={PIPE}"));
    pipe.into_iter().chain(threads).chain(memory).collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use kerf_partitioner::sharing::MpsPlace;
    use kerf_types::Bytes;
    use kerf_types::sharing::Mps;

    #[test]
    fn a_container_cannot_write_beside_the_sockets_of_its_daemon() {
        let place = MpsPlace {
            device: "GPU-1".to_owned(),
            run: "/run/kerf/mps/a".into(),
            log: "/var/lib/kerf/mps/a".into(),
        };
        let [pipe, shm] = super::mounts(&place);
        assert_eq!(pipe.options, ["ro", "nosuid", "nodev", "noexec", "bind"]);
        assert_eq!(shm.options, ["rw", "nosuid", "nodev", "noexec", "bind"]);
    }

    #[test]
    fn limits_are_told_in_the_words_of_the_driver() {
        let limits = |threads, memory| Mps {
            clients: NonZeroU32::MIN,
            threads,
            memory,
        };
        assert_eq!(
            super::environment(&limits(Some(25), Some(Bytes(18 << 30)))),
            [
                "CUDA_MPS_PIPE_DIRECTORY=/tmp/nvidia-mps",
                "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=25",
                "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=18432M"
            ]
        );
        assert_eq!(
            super::environment(&limits(None, None)),
            ["CUDA_MPS_PIPE_DIRECTORY=/tmp/nvidia-mps"]
        );
    }
}
