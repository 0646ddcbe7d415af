//! What the system lets this process have.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of files that may be open to the most that the system allows, which it gives; `None` for
/// no bound. Most systems begin with 1,024, for programs that use `select`.
///
/// # Errors
/// When the system forbids the change, as a filter of system calls may. The old number holds then.
pub fn raise_open_files() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, raised)?;
    }
    Ok(maximum)
}

/// Takes the bound of locked memory from this process and from what it becomes. Where that is not its to do, the bound is
/// raised as far as it may be, and given in bytes. Who has CAP_SYS_RESOURCE may go beyond the hard limit (setrlimit(2)).
pub fn lift_locked_memory() -> Option<u64> {
    let unbounded = Rlimit {
        current: None,
        maximum: None,
    };
    if setrlimit(Resource::Memlock, unbounded).is_ok() {
        return None;
    }
    let maximum = getrlimit(Resource::Memlock).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Memlock, raised) {
        tracing::debug!(%error, "the limit of locked memory stays as it is");
    }
    getrlimit(Resource::Memlock).current
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::{lift_locked_memory, raise_open_files};

    #[test]
    fn as_many_files_as_the_system_allows() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        // One less hurts no other test of this process.
        let lowered = Rlimit {
            current: maximum.map(|most| most - 1),
            maximum,
        };
        setrlimit(Resource::Nofile, lowered).expect("one may have less");
        assert_eq!(raise_open_files().expect("one may have all"), maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
    }

    #[test]
    fn locked_memory_has_no_bound_or_the_hard_one() {
        let maximum = getrlimit(Resource::Memlock).maximum;
        let lowered = Rlimit {
            current: Some(64 << 10),
            maximum,
        };
        setrlimit(Resource::Memlock, lowered).expect("one may have less");
        // Who may have more than the hard limit has none.
        let left = lift_locked_memory();
        assert!(left.is_none() || left == maximum, "{left:?} of {maximum:?}");
        assert_eq!(getrlimit(Resource::Memlock).current, left);
    }
}
