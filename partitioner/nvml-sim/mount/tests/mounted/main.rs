//! Mounted machines, as shells and programs see them that know nothing of simulators.

mod ending;
mod files;
mod hang;
mod refusals;
mod values;
mod world;
