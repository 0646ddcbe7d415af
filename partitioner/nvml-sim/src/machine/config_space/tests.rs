//! What a topology reader takes from a configuration space.

use super::*;
use crate::machine::identity::identity;
use crate::model::machine::{function, functions};
use crate::model::spec::MachineSpec;
use crate::model::tables;
use crate::model::walk::is_shared;

fn spec(name: &str) -> &'static MachineSpec {
    tables::machine(name).expect("a known machine")
}

/// The bytes of a function of that machine whose link nobody tells.
fn told(name: &str, role: Role) -> Vec<u8> {
    let function = function(spec(name), role).expect("such a function");
    let is_shared = is_shared(functions(spec(name)), function);
    bytes(&identity(spec(name), role), function, None, is_shared)
}

#[test]
fn the_kind_of_a_port_follows_from_where_a_function_lies_and_not_from_its_link() {
    let kind = |name, role| told(name, role)[EXPRESS + 2] >> 4;
    assert_eq!(kind("h100x8", Role::RootPort), 4);
    assert_eq!(kind("h100x8", Role::Upstream), 5);
    assert_eq!(kind("h100x8", Role::Downstream), 6);
    assert_eq!(kind("h100x8", Role::Gpu(0)), 0);
    assert_eq!(kind("h100x8", Role::NvSwitch(0)), 0);
    assert_eq!(kind("tpu-v5e-8", Role::Gpu(0)), 9, "on the root bus");
}

#[test]
fn every_function_of_a_device_with_several_says_so() {
    let says = |name, role| told(name, role)[0x0e] & MULTI_FUNCTION != 0;
    assert!(says("alveo-u55cx2", Role::Management(1)), "function 0");
    assert!(says("alveo-u55cx2", Role::Gpu(1)), "function 1");
    assert!(!says("h100x8", Role::Gpu(1)), "the only one");
}
