//! Ranks follow from the list of hosts, and ports from a job and its attempt.

use std::collections::BTreeSet;

use crate::gang::{GANG_LIMIT, GangError, HOST_ADDRESS_LIMIT, Place};
use crate::peer::Attempt;
use crate::{Gang, GangHost, JobId, PortRange};

fn gang(hosts: &[(&str, u32)], port: u16) -> Result<Gang, GangError> {
    let host = |(address, members): &(&str, u32)| GangHost {
        address: (*address).to_owned(),
        members: *members,
    };
    Gang::try_new(hosts.iter().map(host).collect(), port)
}

#[test]
fn ranks_count_through_the_hosts() {
    let gang = gang(&[("a", 2), ("b", 1), ("fd00::1%eth0", 3)], 1).expect("a gang");
    let place = |rank: u32| {
        gang.place(rank).map(|place| {
            let Place {
                rank,
                local_rank,
                local_size,
                host,
            } = place;
            (rank, local_rank, local_size, host)
        })
    };
    let places: Vec<_> = (0..7).map(place).collect();
    assert_eq!(
        places,
        [
            Some((0, 0, 2, 0)),
            Some((1, 1, 2, 0)),
            Some((2, 0, 1, 1)),
            Some((3, 0, 3, 2)),
            Some((4, 1, 3, 2)),
            Some((5, 2, 3, 2)),
            None,
        ]
    );
    let addresses: Vec<&str> = gang.addresses().collect();
    let last = "fd00::1%eth0";
    assert_eq!(addresses, ["a", "a", "b", last, last, last]);
    assert_eq!((gang.size(), gang.master_address()), (6, "a"));
}

#[test]
fn what_is_no_gang_is_refused() {
    let check = |hosts: &[(&str, u32)], port, expected: &str| {
        let error = gang(hosts, port).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    };
    let empty = "a gang has no host, or a host without members";
    check(&[], 1, empty);
    check(&[("a", 1), ("b", 0)], 1, empty);
    check(&[("a", 1)], 0, "port 0 is none that members could meet at");
    let most = "a gang of 4097 members, at most 4096 are told of each other";
    check(&[("a", GANG_LIMIT), ("b", 1)], 1, most);
    gang(&[("a", GANG_LIMIT)], 1).expect("the largest");
    let long = "a".repeat(HOST_ADDRESS_LIMIT + 1);
    for wrong in [
        "", "a b", "a\nb", "a,b", "a=b", "[::1]", "-a", "\u{e9}", &long,
    ] {
        let error = gang(&[(wrong, 1)], 1).expect_err("no address");
        assert!(matches!(error, GangError::Address { .. }), "{wrong:?}");
    }
    gang(&[("a", u32::MAX), ("b", u32::MAX)], 1).expect_err("no overflow");
}

#[test]
fn ports_spread_over_their_range_and_change_with_each_attempt() {
    let range: PortRange = "20000-20099".parse().expect("a range");
    let mut seen = BTreeSet::new();
    for number in 0..=255 {
        let job = JobId::new(1_700_000_000_000, [number; 10]);
        let ports: Vec<u16> = (1..=100)
            .map(|attempt| range.port_for(job, Attempt(attempt)))
            .collect();
        assert_eq!(ports[0], range.port_for(job, Attempt(1)), "it follows");
        assert!(ports.iter().all(|port| (20_000..20_100).contains(port)));
        let each: BTreeSet<&u16> = ports.iter().collect();
        assert_eq!(each.len(), 100, "a hundred attempts are a hundred ports");
        seen.insert(ports[0]);
    }
    // 256 draws of 100: 92 different ones are expected.
    assert!(seen.len() > 75, "{}", seen.len());
    let one: PortRange = "65535-65535".parse().expect("a range of one");
    assert_eq!(
        one.port_for(JobId::new(1, [1; 10]), Attempt(u32::MAX)),
        65_535
    );
}

#[test]
fn a_range_of_ports_reads_back() {
    for text in ["20000-29999", "1024-1024", "1024-65535"] {
        let range: PortRange = text.parse().expect("a range");
        assert_eq!(range.to_string(), text);
    }
    for wrong in [
        "",
        "20000",
        "2-1",
        "0-1",
        "1023-2000",
        "2000-1999",
        "1024-65536",
        "a-b",
    ] {
        wrong.parse::<PortRange>().expect_err(wrong);
    }
}
