//! The program itself, as engines call it: with runc and a real device cgroup, and with a runtime that only
//! writes down how it was started.

mod guard;
mod hostile;
mod policy;
mod pure;
mod runc;
mod world;
mod wrap;
