//! `xtask gpu-check` as a program: against simulated machines and an nvidia-smi that is played for them.

mod capture;
mod captured;
mod equal;
mod fake;
mod known;
mod recorded;
mod refusals;
mod texts;
mod world;
mod wrong;
