//! Addresses of members follow from the records of their hosts.

use kerf_types::HostId;

use super::seats;

fn check(hosts: &[u128], address: &str, expected: &[(&str, u32)]) {
    let hosts: Vec<HostId> = hosts.iter().map(|bits| HostId::from_bits(*bits)).collect();
    let told = |host: HostId| {
        let told = address.replace('N', &host.bits().to_string());
        (!told.is_empty()).then_some(told)
    };
    let seats = seats(&hosts, told);
    let found: Vec<(&str, u32)> = seats
        .iter()
        .map(|seat| (seat.address.as_str(), seat.members))
        .collect();
    assert_eq!(found, expected, "{address}");
}

#[test]
fn members_are_counted_host_by_host() {
    let one = [("10.0.0.7", 2), ("10.0.0.3", 1)];
    check(&[7, 7, 3], "10.0.0.N:9451", &one);
    check(&[3, 3], "10.0.0.N:9451", &[("10.0.0.3", 2)]);
}

#[test]
fn an_address_has_no_port_and_no_brackets() {
    check(&[1], "[fd00::N]:9451", &[("fd00::1", 1)]);
    check(&[1], "[::ffff:10.0.0.N]:9451", &[("10.0.0.1", 1)]);
    check(&[1], "gpu-N.example:9451", &[("gpu-1.example", 1)]);
    check(&[1, 1], "", &[("127.0.0.1", 2)]);
}
