//! The root of a simulated machine as a file system (FUSE), for programs that know nothing of simulators.
//!
//! A machine's folder has a plain tree for `/`. Reading needs no more than that; but who writes into those files
//! changes nothing. Mounted, the same tree has a kernel's manners below `/sys`: a value that is written is taken or
//! refused with an errno, what follows from it shows at once, folders change when partitions are listed anew, and
//! an access that hangs does not return. The rest of the tree is passed through, for reading.
//!
//! - `tree` owns what is where: the simulated kernel's word below `/sys`, the folder's elsewhere;
//! - `inodes` and `open` own the numbers by which the system knows places and open files;
//! - `shared` answers the system's questions, and `filesystem` hands them over and decides nothing;
//! - `session` owns the mount from its beginning to its end; `error` why there is none.
//!
//! It has no state of its own: the machine's lies in its folder, and what other processes change there shows here.

mod error;
mod filesystem;
mod inodes;
mod open;
mod session;
mod shared;
mod tree;

pub use error::MountError;
pub use session::{Mounted, Stopper, mount};
