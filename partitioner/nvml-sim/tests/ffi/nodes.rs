//! Who is a client of the driver shows in `/proc`, as with a real one.

use std::collections::BTreeSet;

use crate::common::{Nvml, World, check};

/// Nodes of the machine that this process holds open.
fn held(world: &World) -> BTreeSet<String> {
    let dev = world.dir().join("root/dev");
    let dev = dev.canonicalize().expect("the nodes");
    let open = std::fs::read_dir("/proc/self/fd").expect("descriptors");
    open.flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter_map(|path| Some(path.strip_prefix(&dev).ok()?.to_str()?.to_owned()))
        .collect()
}

#[test]
fn an_initialised_library_holds_the_nodes_of_its_gpus_until_the_last_shutdown() {
    let world = World::new("a30x4");
    let nvml = Nvml::load_only(&world.machine.library);
    assert_eq!(held(&world), BTreeSet::new());
    let all = ["nvidia0", "nvidia1", "nvidia2", "nvidia3", "nvidiactl"];
    let all: BTreeSet<String> = all.map(str::to_owned).into();
    nvml.init().expect("nvmlInit");
    nvml.init().expect("once more");
    assert_eq!(held(&world), all);
    // SAFETY: no argument.
    let shutdown = || check(unsafe { nvml.0.nvmlShutdown() });
    shutdown().expect("one of two");
    assert_eq!(held(&world), all);
    shutdown().expect("the last");
    assert_eq!(held(&world), BTreeSet::new());
}
