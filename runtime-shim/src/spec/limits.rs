//! Locked memory without a bound, for RDMA. Other limits stay as they were written.

use serde::{Deserialize, Serialize};

use super::SpecError;
use crate::json::tree::{Node, Object};

const LIMITS: &str = "process.rlimits";
const MEMLOCK: &str = "RLIMIT_MEMLOCK";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Limit {
    r#type: String,
    hard: u64,
    soft: u64,
}

/// Sets the limit in the place of the first one of its kind, and drops any other: runc refuses two.
pub(super) fn apply(root: &mut Object<'_>, is_unlimited: bool) -> Result<(), SpecError> {
    if !is_unlimited {
        return Ok(());
    }
    // RLIM_INFINITY of 64-bit Linux (include/uapi/asm-generic/resource.h).
    let wanted = Limit {
        r#type: MEMLOCK.to_owned(),
        hard: u64::MAX,
        soft: u64::MAX,
    };
    let process = root.object("process", "process")?;
    process.refuse_lookalikes("process", &["rlimits"])?;
    let list = process.list("rlimits", LIMITS)?;
    let mut place = None;
    let mut index = 0;
    while let Some(node) = list.get(index) {
        node.peek(LIMITS)?
            .refuse_lookalikes(LIMITS, &["type", "hard", "soft"])?;
        let old: Limit = node.read(LIMITS, "a list of limits")?;
        match (old.r#type == MEMLOCK, place) {
            (false, _) => index += 1,
            (true, None) => {
                place = Some((index, old == wanted));
                index += 1;
            }
            (true, Some(_)) => drop(list.remove(index)),
        }
    }
    let new = || Node::made(&wanted).map_err(SpecError::Encode);
    match place {
        Some((_, true)) => {}
        Some((at, false)) => {
            if let Some(node) = list.get_mut(at) {
                *node = new()?;
            }
        }
        None => list.push(new()?),
    }
    Ok(())
}
