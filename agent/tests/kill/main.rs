//! kerfd's owner killed everywhere: at driver calls and on both sides of commits, while it changes GPUs and
//! while it makes good what an earlier kill left. Each time the host ends in the state before the change that
//! was under way or the one after it, and nothing that no plan names has moved.
//!
//! A kill drops everything but the simulated machine, the committed rows and the files: the owner's tasks are
//! dropped where they wait, and the worker's next driver call does nothing. `cargo test` runs a seeded share
//! of the points; `KERF_KILL_POINTS=all cargo test -p kerf-agent --test kill -- --nocapture` runs every one.

mod amd;
mod corpus;
mod course;
mod drill;
mod faults;
mod image;
mod judge;
mod lane;
mod lanes;
mod life;
mod maintenance;
mod neighbours;
mod script;
mod sharing;
mod trigger;
mod vgpu;
