//! Sharing through the vendor's tools of a simulated machine, with the launcher in its namespace.

mod daemons;
mod offered;
mod tools;

use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kerf_partitioner::in_words;
use kerf_partitioner::sharing::{MpsDaemon, MpsPlace, SharingError, Tools};
use kerf_sim_tools::client::{Client, ClientRequest};
use kerf_tests::bins;
use kerf_tests::capability::{Capability, require};
use kerf_types::Bytes;
use kerf_types::sharing::{Interval, Mps};
use nvidia_ml::control::{self, FaultRequest, show};
use nvidia_ml::model::tool::{Tool, ToolFault, ToolTrouble};

use crate::world::{Asks, World, create, fill, mig, program};

/// Short enough for a test of something that must not come.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// A machine with tools, and the daemons that a test leaves, which end with it.
struct Share {
    world: World,
    tools: Tools,
    folder: tempfile::TempDir,
}

impl Share {
    fn new(machine: &str) -> Self {
        bins::simulator_tools().expect("the simulator's tools");
        let world = World::new(machine);
        Self {
            tools: Tools::under(&world.info.sysroot, program()),
            folder: tempfile::tempdir().expect("a folder"),
            world,
        }
    }

    fn uuid(&self, gpu: usize) -> String {
        show(&self.world.info.dir).expect("a machine").gpus[gpu]
            .uuid
            .clone()
    }

    fn place(&self, device: &str) -> MpsPlace {
        MpsPlace {
            device: device.to_owned(),
            run: self.folder.path().join(device),
            log: self.folder.path().join("log").join(device),
        }
    }

    fn gpu(&self) -> MpsPlace {
        self.place(&self.uuid(0))
    }

    fn start(&self, place: &MpsPlace) -> MpsDaemon {
        let started = self.tools.mps_start(place, &limits(None, None));
        started.unwrap_or_else(|error| panic!("{}", in_words(&error)))
    }

    fn client(&self, place: &MpsPlace) -> Client {
        Client::connect(&ClientRequest {
            pipe: place.pipe(),
            device: "0".to_owned(),
            memory_bytes: 1 << 20,
            sm_percent: 100,
        })
        .expect("room")
    }

    fn trouble(&self, tool: Tool, command: &str, how: ToolTrouble, left: Option<u32>) {
        let command = command.to_owned();
        let fault = ToolFault {
            tool,
            command,
            how,
            left,
        };
        self.fault(FaultRequest::Tool(fault));
    }

    fn fault(&self, request: FaultRequest) {
        control::fault(&self.world.info.dir, request).expect("a machine");
    }
}

impl Drop for Share {
    /// Ends what a failed test has left.
    fn drop(&mut self) {
        for entry in fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let place = self.place(&name);
            if let Ok(Some(daemon)) = self.tools.mps_find(&place) {
                self.tools.mps_stop(&place, &daemon).ok();
            }
        }
    }
}

fn limits(threads: Option<u32>, memory: Option<Bytes>) -> Mps {
    Mps {
        clients: NonZeroU32::MIN,
        threads,
        memory,
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, SharingError>) -> SharingError {
    result.expect_err("it cannot be")
}
