//! Several hosts over the real drivers: they find each other, place jobs on the right one, and survive a loss.

mod alltoall;
mod deaths;
mod forget;
mod gangs;
mod identity;
mod junk;
mod lies;
mod loss;
mod netns;
mod page;
mod placing;
mod race;
mod refusals;
mod silence;
mod spec;
mod world;
