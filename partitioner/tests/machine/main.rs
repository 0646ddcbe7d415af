//! The worker against simulated machines, through the real library ABI and the real socket.

mod observe;
mod world;
