//! The bits of the health mask, by the definitions of nvml.h, and what is said of them.

use super::{Fabric, FabricConfiguration, FabricHealth, FabricState, FabricSummary};

fn health(mask: u32) -> FabricHealth {
    FabricHealth {
        mask,
        summary: None,
    }
}

fn check(fabric: Fabric, expected: &[&str]) {
    assert_eq!(fabric.complaints(), expected, "{fabric:?}");
}

fn completed(mask: u32, summary: u32) -> Fabric {
    Fabric {
        state: FabricState::Completed,
        status: Some(0),
        cluster: None,
        clique: Some(0),
        health: Some(FabricHealth {
            mask,
            summary: FabricSummary::from_number(summary),
        }),
    }
}

#[test]
fn every_field_of_the_mask_is_read_at_its_place() {
    type Field = fn(FabricHealth) -> Option<bool>;
    let fields: [(u32, Field); 4] = [
        (0, FabricHealth::degraded_bandwidth),
        (2, FabricHealth::route_recovery),
        (4, FabricHealth::route_unhealthy),
        (6, FabricHealth::access_timeout_recovery),
    ];
    for (shift, field) in fields {
        for (value, meaning) in [(0, None), (1, Some(true)), (2, Some(false)), (3, None)] {
            assert_eq!(field(health(value << shift)), meaning, "{value} << {shift}");
            // What lies beside it is somebody else's.
            assert_eq!(field(health(!(0b11 << shift) | value << shift)), meaning);
        }
    }
    let configuration = |value: u32| health(value << 8 | 0xff).configuration();
    assert_eq!(configuration(0), None);
    assert_eq!(configuration(1), Some(FabricConfiguration::Right));
    assert_eq!(configuration(4), Some(FabricConfiguration::NoPartition));
    assert_eq!(configuration(9), Some(FabricConfiguration::Other(9)));
}

#[test]
fn what_is_wrong_is_said_and_nothing_else() {
    // Every field says no, and the configuration is right.
    check(completed(0x1aa, 1), &[]);
    check(completed(0, 0), &[]);
    check(completed(0x1a9, 3), &["its bandwidth is degraded"]);
    check(
        completed(0x5_9a, 2),
        &[
            "a route is unhealthy",
            "too few NVLinks are up for its configuration",
        ],
    );
    check(completed(0x1aa, 2), &["the driver calls it unhealthy"]);
    let not_yet = Fabric {
        state: FabricState::InProgress,
        status: None,
        ..completed(0x1a9, 0)
    };
    check(not_yet, &["joining it is still in progress"]);
    let failed = Fabric {
        status: Some(999),
        ..completed(0x1aa, 1)
    };
    check(failed, &["joining it failed with NVML return code 999"]);
    let none = Fabric {
        state: FabricState::NotSupported,
        ..failed
    };
    check(none, &[]);
}

#[test]
fn a_cluster_is_written_as_a_uuid() {
    let mut fabric = completed(0, 0);
    assert_eq!(fabric.cluster_text(), None);
    fabric.cluster = Some(std::array::from_fn(|at| u8::try_from(at).expect("small")));
    let text = "00010203-0405-0607-0809-0a0b0c0d0e0f";
    assert_eq!(fabric.cluster_text().as_deref(), Some(text));
}

#[test]
fn numbers_come_back() {
    for number in 0..9 {
        assert_eq!(FabricState::from_number(number).number(), number);
        let told = FabricSummary::from_number(number).map_or(0, FabricSummary::number);
        assert_eq!(told, number);
    }
}
