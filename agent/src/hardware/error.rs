//! Why a hardware call did not succeed, and what is known then of what it did.

use kerf_api::partitioner::v1 as wire;

use super::GpuKey;

/// A hardware call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum HardwareError {
    /// The worker process could not be started or used.
    #[error("the partitioner worker {} failed", program.display())]
    Worker {
        /// Its program.
        program: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A call did not return in time.
    #[error("{operation} did not return within {deadline_ms} ms")]
    Deadline {
        /// The call.
        operation: String,
        /// Its deadline.
        deadline_ms: u128,
    },
    /// The GPU did not answer before and is left alone until it does.
    #[error("{gpu} does not respond since {operation}")]
    Unresponsive {
        /// Which.
        gpu: GpuKey,
        /// The call that did not return.
        operation: String,
    },
    /// A look that is of no GPU did not return, and is not sent again until it does.
    #[error("{operation} has not returned yet")]
    Stuck {
        /// The call that did not return.
        operation: String,
    },
    /// The whole driver hangs.
    #[error("the driver does not respond: {stuck} workers are stuck in it")]
    DriverHangs {
        /// How many.
        stuck: usize,
    },
    /// The driver is left alone on purpose.
    #[error("the driver is closed for maintenance")]
    Closed,
    /// The worker answered that it could not.
    #[error("{message}")]
    Failed {
        /// Kind of failure.
        code: wire::failure::Code,
        /// What failed, on what, and why.
        message: String,
    },
    /// The worker answered with something else than was asked for.
    #[error("the worker gave a wrong answer to {operation}: {why}")]
    Protocol {
        /// The call.
        operation: String,
        /// What is wrong with the answer.
        why: String,
    },
}

impl HardwareError {
    /// Whether the GPU has fallen off the bus.
    pub fn is_lost(&self) -> bool {
        matches!(
            self,
            Self::Failed {
                code: wire::failure::Code::Lost,
                ..
            }
        )
    }

    /// Whether the driver does not know the GPU any more.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Failed {
                code: wire::failure::Code::NotFound,
                ..
            }
        )
    }

    /// Whether a process or a child instance is in the way.
    pub fn is_in_use(&self) -> bool {
        matches!(
            self,
            Self::Failed {
                code: wire::failure::Code::InUse,
                ..
            }
        )
    }

    /// Whether there is no driver to talk to.
    pub fn is_no_driver(&self) -> bool {
        matches!(
            self,
            Self::Failed {
                code: wire::failure::Code::NoDriver,
                ..
            }
        )
    }

    /// Whether the GPU, the whole driver, or what else was asked was found hanging before the call was made.
    pub fn is_hang(&self) -> bool {
        matches!(
            self,
            Self::Unresponsive { .. } | Self::Stuck { .. } | Self::DriverHangs { .. }
        )
    }

    /// Whether somebody answered that nothing of the call was done.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Failed { .. }) && !self.is_unsettled()
    }

    /// Whether it is known that nothing of the call was done: it was refused, or never made.
    pub fn was_not_done(&self) -> bool {
        self.is_refusal() || self.is_hang() || matches!(self, Self::Closed)
    }

    /// Whether somebody answered that it cannot be said what was done.
    pub fn is_unsettled(&self) -> bool {
        matches!(
            self,
            Self::Failed {
                code: wire::failure::Code::Unsettled,
                ..
            }
        )
    }

    /// Whether the outcome of the call is unknown, so that the hardware must be read again.
    pub fn is_unknown_outcome(&self) -> bool {
        matches!(
            self,
            Self::Deadline { .. } | Self::Worker { .. } | Self::Protocol { .. }
        ) || self.is_unsettled()
    }
}
