//! What the named grids are.

/// The exhaustive benchmark of the planner runs on four grids, one of each shape: the others differ from one of these in
/// names and memory alone.
#[test]
fn every_named_grid_is_of_a_family() {
    let plain = |name: &str| {
        let spec = nvidia_ml::grid(name).expect("a named grid");
        let profiles = spec.profiles.iter().map(|one| {
            let engines = &one.engines;
            let media = [engines.decoder, engines.encoder, engines.jpeg, engines.ofa];
            (one.id, one.size, one.starts, one.max_count, media)
        });
        let profiles: Vec<_> = profiles.collect();
        let media = spec.engines;
        let media = [media.decoder, media.encoder, media.jpeg, media.ofa];
        (spec.units, media, profiles)
    };
    let families = ["a30-24gb", "a100-80gb", "h100-80gb", "rtxpro6000-96gb"].map(plain);
    for name in nvidia_ml::grids() {
        assert!(families.contains(&plain(name)), "{name}");
    }
}
