//! Real kerfd in network namespaces, over a network that delays, loses and is cut: what the simulated fleets promise, once
//! more with processes, containers and fences as they are.

mod beats;
mod decides;
mod halves;
mod heal;
mod net;
mod one_way;
mod rough;
mod saved;
