//! What NVLink joins: directly, through switches that the host sees, and through those that it does not.

use kerf_types::MigMode;
use kerf_types::fabric::{Fabric, FabricState};
use kerf_types::inventory::{NvLink, NvLinkRemote};

use super::World;

/// A link that is up.
fn link(remote: NvLinkRemote) -> Vec<NvLink> {
    vec![NvLink {
        link: 0,
        active: true,
        version: 4,
        remote,
    }]
}

#[test]
fn nvlink_joins_what_is_given_together() {
    let mut world = World::new(4);
    let pci: Vec<_> = world.gpus.iter().map(|gpu| gpu.pci).collect();
    for (gpu, peer) in [(0, 2), (2, 0), (1, 3), (3, 1)] {
        world.gpus[gpu].mig_mode = MigMode::Disabled;
        world.gpus[gpu].nvlinks = link(NvLinkRemote::Gpu(pci[peer]));
    }
    assert_eq!(world.ask("nvlink:2"), "0 2");
    assert_eq!(world.ask("gpu:2"), "0 1");
    assert!(
        world
            .ask("nvlink:3")
            .contains("nvlink does not join it with enough free GPUs")
    );
    let switch = NvLinkRemote::Switch(Some(pci[0]));
    for gpu in &mut world.gpus {
        gpu.nvlinks[0].remote = switch;
    }
    assert_eq!(world.ask("nvlink:4"), "0 1 2 3");
    // With MIG on the driver answers nothing about links: that is the reason, not that there are none.
    world.gpus[3].mig_mode = MigMode::Enabled;
    let links = std::mem::take(&mut world.gpus[3].nvlinks);
    let refused = world.ask("nvlink:4");
    assert!(
        refused.contains("GPU 3 (0000:13:00.0): its nvlinks are not known while MIG is on"),
        "{refused}"
    );
    assert!(
        refused.contains("GPUs 0, 1, 2: nvlink does not join it with enough free GPUs"),
        "{refused}"
    );
    world.gpus[3].mig_mode = MigMode::Disabled;
    world.gpus[3].nvlinks = links;
    world.gpus[1].nvlinks[0].active = false;
    assert_eq!(world.ask("nvlink:3"), "0 2 3");
}

#[test]
fn switches_that_are_not_on_the_bus_join_one_clique() {
    let mut world = World::new(4);
    for (gpu, clique) in world.gpus.iter_mut().zip([7, 7, 8, 8]) {
        gpu.mig_mode = MigMode::Disabled;
        gpu.nvlinks = link(NvLinkRemote::Switch(None));
        gpu.fabric = Some(Fabric {
            state: FabricState::Completed,
            status: Some(0),
            cluster: Some([9; 16]),
            clique: Some(clique),
            health: None,
        });
    }
    assert_eq!(world.ask("nvlink:2"), "0 1");
    assert_eq!(world.ask("nvlink:2,include=2"), "2 3");
    assert!(
        world
            .ask("nvlink:3")
            .contains("nvlink does not join it with enough free GPUs")
    );
    // GPUs of which no clique is told are not parted.
    for gpu in &mut world.gpus {
        gpu.fabric = None;
    }
    assert_eq!(world.ask("nvlink:4"), "0 1 2 3");
}
