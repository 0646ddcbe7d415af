//! Jobs without a container engine: what is refused at the door.
