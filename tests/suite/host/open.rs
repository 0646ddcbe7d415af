//! Containers that may open every device: they get nothing, unless the host's settings say so, and then everybody is told
//! that they are not isolated.

use serde_json::json;

use super::bundle::Bundles;
use super::world::World;

#[test]
fn a_privileged_container_is_let_in_by_the_hosts_word_and_called_not_isolated() {
    let Some(world) = World::new("h100x1", "") else {
        return;
    };
    let bundles = Bundles::new(&world);
    let runtime = world.kerfd.runtime();
    let start = |id: &str| {
        let mut spec = bundles.spec(id, "exec sleep 600");
        spec["annotations"] = json!({ "kerf.dev/accelerator": "1g.10gb" });
        spec["linux"]["resources"]["devices"] = json!([{ "allow": true, "access": "rwm" }]);
        let bundle = bundles.write(id, spec.to_string().as_bytes());
        bundles.run(&runtime, id, &bundle, &["run", "--detach"])
    };
    let refused = start("no");
    assert!(
        refused.error().contains("is privileged"),
        "{}",
        refused.text
    );
    world.assert_untouched();
    let file = runtime.with_file_name("kerf-runtime.toml");
    let settings = std::fs::read_to_string(&file).expect("the wrapper's settings");
    std::fs::write(&file, format!("{settings}allow_privileged = true\n")).expect("a file");
    start("yes").ok();
    let lease = world.lease();
    assert_eq!(
        (lease.state.as_str(), lease.isolated),
        ("active", Some(false))
    );
    bundles.end("yes");
    world.until_no_leases();
    world.assert_untouched();
}
