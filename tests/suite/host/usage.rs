//! Accounts of leases: what a container had of its devices, also after it, and over the death of kerfd.

use serde_json::Value;

use nvidia_ml::control::{LoadRequest, load};

use super::world::{SAMPLED, World};

pub fn usages(world: &World) -> Vec<Value> {
    let mut command = world.kerfd.kerf().expect("a program");
    let out = command
        .args(["lease", "usage", "-o", "json"])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    let document: Value = serde_json::from_slice(&out.stdout).expect("a document");
    assert_eq!(document["schema"], "kerf.v1.LeaseUsages");
    document["leases"].as_array().expect("leases").clone()
}

#[test]
fn a_container_has_an_account_that_outlives_it_and_its_kerfd() {
    let Some(mut world) = World::new("h100x1", SAMPLED) else {
        return;
    };
    assert_eq!(usages(&world), Vec::<Value>::new());
    world.start("c0", "1g.10gb");
    let slice = world.client.slices().swap_remove(0);
    let request = LoadRequest {
        gpu: 0,
        gi: Some(slice.gi),
        ci: None,
        sm_percent: 50,
        memory_bytes: 3 << 30,
        pid: world.pid("c0"),
    };
    load(&world.kerfd.machine(), request).expect("a load");
    let number = |one: &Value, key: &str| one[key].as_f64().unwrap_or_default();
    world.until("an account of a load", || {
        let now = usages(&world);
        now.first().is_some_and(|one| {
            number(one, "busy_seconds") > 0.5
                && number(one, "memory_peak_bytes") >= f64::from(3 << 30)
                && number(one, "energy_joules") > 0.0
        })
    });
    let before = usages(&world).swap_remove(0);
    assert_eq!(before["wanted"], "1g.10gb");
    assert_eq!(before["devices"], serde_json::json!([slice.id]));
    assert_eq!(before["ended_at"], Value::Null);
    let (held, busy) = (
        number(&before, "device_seconds"),
        number(&before, "busy_seconds"),
    );
    assert!(busy <= held, "{before}");
    world.kerfd.terminate().expect("it goes");
    world.kerfd.restart().expect("kerfd comes back");
    let after = usages(&world).swap_remove(0);
    assert_eq!(after["begun_at"], before["begun_at"], "{after}");
    assert!(number(&after, "device_seconds") >= held, "{after}");
    world.end("c0");
    world.until_no_leases();
    let ended = usages(&world).swap_remove(0);
    assert!(ended["ended_at"].is_string(), "{ended}");
    assert!(
        number(&ended, "device_seconds") >= number(&after, "device_seconds"),
        "{ended}"
    );
    world.kerfd.kill9().expect("it goes");
    world.kerfd.restart().expect("kerfd comes back");
    assert_eq!(usages(&world), [ended]);
}
