//! Layouts from files and flags.
