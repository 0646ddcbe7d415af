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

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::raise_open_files;

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
}
