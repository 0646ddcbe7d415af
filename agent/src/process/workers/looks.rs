//! What only a look with rights tells: who has devices open, who carries a lease, where a process works.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_api::partitioner::v1 as wire;
use kerf_api::partitioner::v1::look_for_holders::What;
use kerf_api::partitioner::v1::process_answer::Answer;
use kerf_api::partitioner::v1::process_call::Call;
use kerf_partitioner::process::carriers;
use kerf_partitioner::process::holders::{Holder, Seen};
use kerf_partitioner::process::wire as words;
use kerf_types::lease::InitProcess;

use super::{ProcessError, Processes, Touch};

/// How long a look at every process may take: a hundred times what it does. Files of `/proc` wait for the locks of the
/// processes that they tell of, and one that hangs with a driver may hold its own.
const LIMIT: Duration = Duration::from_secs(10);

impl Processes {
    /// Who has these nodes open, as they are called under `/dev`. Nobody has one open that is not there. For a thousand
    /// processes it takes some ten milliseconds.
    pub async fn holders_of(&self, names: Vec<String>) -> Result<Seen, ProcessError> {
        self.holders(What::Nodes(wire::NodeNames { names })).await
    }

    /// Who has a node of any driver open, or this library.
    pub async fn holders_of_driver(&self, library: Option<&Path>) -> Result<Seen, ProcessError> {
        let library = library.map(words::bytes);
        let driver = wire::WholeDriver { library };
        self.holders(What::Driver(driver)).await
    }

    async fn holders(&self, what: What) -> Result<Seen, ProcessError> {
        let operation = "looking in /proc for who has devices open";
        let call = Call::LookForHolders(wire::LookForHolders { what: Some(what) });
        match self.call(operation, Touch::Nothing, LIMIT, call).await? {
            Answer::Holders(found) => Ok(words::seen(found)),
            _ => Err(ProcessError::Protocol { operation }),
        }
    }

    /// Who of these processes has these nodes open, who may hide it.
    pub async fn holders_within(
        &self,
        names: Vec<String>,
        pids: &BTreeSet<u32>,
    ) -> Result<Vec<Holder>, ProcessError> {
        let operation = "looking at the processes of the container";
        let call = Call::LookWithin(wire::LookWithin {
            names,
            pids: pids.iter().copied().collect(),
        });
        match self.call(operation, Touch::Nothing, LIMIT, call).await? {
            Answer::Holders(found) => Ok(words::seen(found).holders),
            _ => Err(ProcessError::Protocol { operation }),
        }
    }

    /// Processes that carry a lease, the oldest first; `None` where a process does not let itself be looked at.
    pub async fn carriers_of(
        &self,
        wanted: &carriers::Wanted,
    ) -> Result<Option<Vec<InitProcess>>, ProcessError> {
        let operation = "looking for who carries the lease";
        let call = Call::LookForCarriers(words::look_for_carriers(wanted));
        let wrong = |_| ProcessError::Protocol { operation };
        match self.call(operation, Touch::Nothing, LIMIT, call).await? {
            Answer::Carriers(found) => words::carriers_told(found).map_err(wrong),
            _ => Err(ProcessError::Protocol { operation }),
        }
    }

    /// Whether a worker answers at all.
    pub async fn try_one(&self) -> Result<(), ProcessError> {
        let Some(myself) = crate::process::identify(std::process::id()) else {
            return Ok(());
        };
        self.working_folder(&myself).await.map(drop)
    }

    /// The folder that this very process works in; `None` where it has ended.
    pub async fn working_folder(
        &self,
        process: &InitProcess,
    ) -> Result<Option<PathBuf>, ProcessError> {
        let operation = "looking where a process works";
        let process = Some(words::process_name(process));
        let call = Call::LookForFolder(wire::LookForFolder { process });
        match self.call(operation, Touch::Nothing, LIMIT, call).await? {
            Answer::Folder(found) => Ok(found.path.map(words::path)),
            _ => Err(ProcessError::Protocol { operation }),
        }
    }
}
