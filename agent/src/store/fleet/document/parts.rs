//! What several rows hold.

use kerf_types::Fence;
use kerf_types::peer::{Exit, Grant};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(super) struct ExitDocument {
    code: Option<i32>,
    timed_out: bool,
    reason: String,
}

impl From<&Exit> for ExitDocument {
    fn from(exit: &Exit) -> Self {
        Self {
            code: exit.code,
            timed_out: exit.timed_out,
            reason: exit.reason.clone(),
        }
    }
}

impl From<ExitDocument> for Exit {
    fn from(exit: ExitDocument) -> Self {
        Self {
            code: exit.code,
            timed_out: exit.timed_out,
            reason: exit.reason,
        }
    }
}

pub(super) fn grant_text(grant: Grant) -> (String, u64) {
    (grant.lease.to_string(), grant.fence.0)
}

pub(super) fn read_grant((lease, fence): (String, u64)) -> Result<Grant, String> {
    Ok(Grant {
        lease: parse(&lease)?,
        fence: Fence(fence),
    })
}

pub(super) fn parse<T: std::str::FromStr<Err = kerf_types::ParseError>>(
    text: &str,
) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}
