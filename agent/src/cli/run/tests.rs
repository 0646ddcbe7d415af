//! Ends of jobs as exit codes.
