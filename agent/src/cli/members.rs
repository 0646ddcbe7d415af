//! Hosts of jobs in words: short for a column, whole for one job.

use std::collections::BTreeMap;

use kerf_api::json::JobMember;

use super::words::{count, ranges};

/// Hosts that a column has room for by name.
const NAMED: usize = 2;

/// Characters of an id that tell apart two hosts of one name.
const SHORT: usize = 8;

/// A name, with the beginning of the id where others have the same name.
pub fn name_of(name: &str, id: &str, names: &BTreeMap<&str, usize>) -> String {
    if names.get(name).is_some_and(|hosts| *hosts > 1) {
        let short: String = id.chars().take(SHORT).collect();
        format!("{name} [{short}]")
    } else {
        name.to_owned()
    }
}

/// How many hosts have each name, of hosts that are there once each.
pub fn names<'a>(hosts: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut names = BTreeMap::new();
    for name in hosts {
        *names.entry(name).or_default() += 1;
    }
    names
}

/// `node-1`, `node-1,node-2`, `3 hosts`; nothing for a job that was not placed.
pub fn column(members: &[JobMember]) -> Option<String> {
    let hosts = hosts(members);
    match hosts.len() {
        0 => None,
        few if few <= NAMED => {
            let names: Vec<String> = hosts.into_iter().map(|(name, _)| name).collect();
            Some(names.join(","))
        }
        many => Some(count(many, "host")),
    }
}

/// Each host with the numbers of its members, in the order of the members.
pub fn hosts(members: &[JobMember]) -> Vec<(String, Vec<u32>)> {
    let mut hosts: Vec<(&JobMember, Vec<u32>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members {
        let next = hosts.len();
        let place = *places.entry(&member.host_id).or_insert(next);
        match hosts.get_mut(place) {
            Some((_, numbers)) => numbers.push(member.member),
            None => hosts.push((member, vec![member.member])),
        }
    }
    let names = names(hosts.iter().map(|(first, _)| first.host.as_str()));
    let named = |(first, numbers): &(&JobMember, Vec<u32>)| {
        let name = name_of(&first.host, &first.host_id, &names);
        (name, numbers.clone())
    };
    hosts.iter().map(named).collect()
}

/// `member 0`, `members 0-2,5`.
pub fn numbers(members: &[u32]) -> String {
    let word = if members.len() == 1 {
        "member"
    } else {
        "members"
    };
    format!("{word} {}", ranges(members))
}
