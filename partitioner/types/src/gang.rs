//! Where the members of a job are, so that each can find the others: addresses in the order of ranks, and the port at
//! which the first one is met.
//!
//! A member's number is its rank. Members of one host are neighbours, so a gang is a list of hosts with how many members
//! each has; every rank follows from that, and no two members can disagree about it.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;
use crate::ids::JobId;
use crate::peer::Attempt;

/// Most members of a gang, and so most hosts: as many as a job may have.
pub const GANG_LIMIT: u32 = 4_096;

/// Longest address of a host in bytes: the longest DNS name.
pub const HOST_ADDRESS_LIMIT: usize = 253;

/// One host of a gang.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GangHost {
    /// Where others reach it: an IP address or a name, without a port and without brackets.
    pub address: String,
    /// How many members it has.
    pub members: u32,
}

/// The members of one attempt of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gang {
    hosts: Vec<GangHost>,
    master_port: u16,
    members: u32,
}

/// Where one member stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number among all, from 0.
    pub rank: u32,
    /// Its number among those of its host, from 0.
    pub local_rank: u32,
    /// How many its host has.
    pub local_size: u32,
    /// The number of its host, from 0.
    pub host: u32,
}

/// Why something is no gang.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GangError {
    /// Nobody is in it.
    #[error("a gang has no host, or a host without members")]
    Empty,
    /// Too many are.
    #[error("a gang of {members} members, at most {GANG_LIMIT} are told of each other")]
    TooLarge {
        /// How many.
        members: u64,
    },
    /// A host cannot be reached under that.
    #[error("{address:?} is no address that members could reach a host by")]
    Address {
        /// The address, cut to 120 characters.
        address: String,
    },
    /// Port 0 is none.
    #[error("port 0 is none that members could meet at")]
    Port,
}

impl Gang {
    /// A gang whose members are numbered through these hosts in their order.
    ///
    /// # Errors
    /// When it is empty or too large, and when an address could be more than one word of a line: addresses become lines
    /// of a file and values of variables in containers.
    pub fn try_new(hosts: Vec<GangHost>, master_port: u16) -> Result<Self, GangError> {
        if hosts.is_empty() || hosts.iter().any(|host| host.members == 0) {
            return Err(GangError::Empty);
        }
        if master_port == 0 {
            return Err(GangError::Port);
        }
        if let Some(wrong) = hosts.iter().find(|host| !is_address(&host.address)) {
            let address = wrong.address.chars().take(120).collect();
            return Err(GangError::Address { address });
        }
        let members: u64 = hosts.iter().map(|host| u64::from(host.members)).sum();
        let size = u32::try_from(members)
            .ok()
            .filter(|size| *size <= GANG_LIMIT);
        Ok(Self {
            hosts,
            master_port,
            members: size.ok_or(GangError::TooLarge { members })?,
        })
    }

    /// The hosts, in the order of ranks.
    pub fn hosts(&self) -> &[GangHost] {
        &self.hosts
    }

    /// How many members there are.
    pub fn size(&self) -> u32 {
        self.members
    }

    /// The port at which the first member is met, on its host.
    pub fn master_port(&self) -> u16 {
        self.master_port
    }

    /// The address of the first member's host.
    pub fn master_address(&self) -> &str {
        self.hosts.first().map_or("", |host| &host.address)
    }

    /// Where the member of this rank stands; `None` where there is none.
    pub fn place(&self, rank: u32) -> Option<Place> {
        let mut before = 0_u32;
        for (number, host) in (0_u32..).zip(&self.hosts) {
            if let Some(local_rank) = rank.checked_sub(before)
                && local_rank < host.members
            {
                return Some(Place {
                    rank,
                    local_rank,
                    local_size: host.members,
                    host: number,
                });
            }
            before = before.saturating_add(host.members);
        }
        None
    }

    /// The address of each member, in the order of ranks.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().flat_map(|host| {
            let times = usize::try_from(host.members).unwrap_or(0);
            std::iter::repeat_n(host.address.as_str(), times)
        })
    }
}

/// One word: an IPv4 or IPv6 address, with its zone perhaps, or a DNS name.
fn is_address(text: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'_' | b'%');
    !text.is_empty()
        && text.len() <= HOST_ADDRESS_LIMIT
        && text.bytes().all(fits)
        && !text.starts_with('-')
}

/// Ports that first members are met at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Below the ports that kernels hand out by themselves (32768 and up on Linux) and the node ports of Kubernetes
    /// (30000 and up), so that nobody gets one by chance between the moment it is promised and the moment it is used.
    pub const USUAL: Self = Self {
        first: 20_000,
        last: 29_999,
    };

    /// How many there are.
    fn count(self) -> u64 {
        u64::from(self.last - self.first) + 1
    }

    /// The port for an attempt at a job. It follows from both alone, so nobody has to agree about it; one attempt after
    /// the other walks through the range, so that a port which somebody has is not tried again at once.
    pub fn port_for(self, job: JobId, attempt: Attempt) -> u16 {
        let [high, low] = halves(job);
        // The last bits of an id are random, but nobody has to make theirs so: both halves count.
        let mixed = mix(high ^ mix(low));
        let at = mixed.wrapping_add(attempt.0.into()) % self.count();
        // `at` is below the count of the range, which starts at `first`.
        u16::try_from(at).map_or(self.first, |at| self.first.saturating_add(at))
    }
}

fn halves(job: JobId) -> [u64; 2] {
    let bits = job.bits();
    let mask = u128::from(u64::MAX);
    [bits >> 64, bits & mask].map(|half| u64::try_from(half).unwrap_or(u64::MAX))
}

/// The last step of splitmix64 (public domain, Sebastiano Vigna 2015).
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Default for PortRange {
    fn default() -> Self {
        Self::USUAL
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for PortRange {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let hint = "the first port and the last, like 20000-29999, both from 1024 to 65535";
        let error = || ParseError::new("a range of ports", text, hint);
        let (first, last) = text.split_once('-').ok_or_else(error)?;
        let port = |text: &str| text.parse().ok().filter(|port| *port >= 1_024);
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(error()),
        }
    }
}
