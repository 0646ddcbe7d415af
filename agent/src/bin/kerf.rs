//! kerf: the command line.

fn main() {}
