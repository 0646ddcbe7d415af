//! Words of a job's description that stand for one of a few meanings.

use kerf_types::job;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a job is, for people and for policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JobKind")]
pub enum JobKindWord {
    /// Trains a model from scratch.
    Train,
    /// Continues the training of one.
    Finetune,
    /// Answers requests until it is stopped.
    Serve,
    /// Prepares data.
    Dataprep,
    /// Somebody sits in front of it.
    Interactive,
    /// Anything that runs to its end.
    #[default]
    Batch,
}

/// When an ended member is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Restart")]
pub enum RestartWord {
    /// Never.
    #[default]
    Never,
    /// Always, until it is cancelled.
    Always,
    /// After a non-zero exit, at most this often.
    OnFailure {
        /// Most restarts.
        #[schemars(range(min = 1))]
        max: u32,
    },
}

/// How the members of a job talk to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Communication")]
pub enum CommunicationWord {
    /// They do not.
    #[default]
    None,
    /// Collective operations over all (data parallel training).
    AllReduce,
    /// Point to point along a chain (pipeline parallel).
    Pipeline,
    /// Everybody with everybody (experts).
    AllToAll,
}

/// What a member does when its host loses sight of its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OnPartition")]
pub enum OnPartitionWord {
    /// It is stopped in time, so that it can be started elsewhere.
    #[default]
    Stop,
    /// It runs on, and is not started elsewhere.
    Continue,
}

/// What a job has of the network of its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Network")]
pub enum NetworkWord {
    /// The host's, so that members reach each other; only hosts serve that give it (`launch.host_network`).
    Host,
    /// A loopback of its own and nothing else.
    None,
}

/// Both ways between words and meanings of the same names.
macro_rules! same_words {
    ($word:ty, $meaning:ty, $($variant:ident),+) => {
        impl From<$meaning> for $word {
            fn from(meaning: $meaning) -> Self {
                match meaning {
                    $(<$meaning>::$variant => Self::$variant,)+
                }
            }
        }

        impl From<$word> for $meaning {
            fn from(word: $word) -> Self {
                match word {
                    $(<$word>::$variant => Self::$variant,)+
                }
            }
        }
    };
}

same_words!(
    JobKindWord,
    job::JobKind,
    Train,
    Finetune,
    Serve,
    Dataprep,
    Interactive,
    Batch
);
same_words!(
    CommunicationWord,
    job::Communication,
    None,
    AllReduce,
    Pipeline,
    AllToAll
);
same_words!(OnPartitionWord, job::OnPartition, Stop, Continue);
same_words!(NetworkWord, job::Network, Host, None);

impl From<job::RestartPolicy> for RestartWord {
    fn from(policy: job::RestartPolicy) -> Self {
        match policy {
            job::RestartPolicy::Never => Self::Never,
            job::RestartPolicy::Always => Self::Always,
            job::RestartPolicy::OnFailure { max } => Self::OnFailure { max },
        }
    }
}

impl From<RestartWord> for job::RestartPolicy {
    fn from(word: RestartWord) -> Self {
        match word {
            RestartWord::Never => Self::Never,
            RestartWord::Always => Self::Always,
            RestartWord::OnFailure { max } => Self::OnFailure { max },
        }
    }
}
