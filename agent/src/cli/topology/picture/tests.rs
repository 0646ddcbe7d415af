//! Pictures of hosts, as text.
