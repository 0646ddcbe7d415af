//! The owner against the simulated machine.
