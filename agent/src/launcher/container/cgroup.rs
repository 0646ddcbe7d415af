//! Where the cgroup of a job's container is. kerf names it, so nothing has to be asked to find it.

pub(in crate::launcher) use kerf_partitioner::process::job::{folders, path};
