//! Hosts in namespaces of their own, joined by a switch.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::process::Command;

use kerf_tests::world::{Fleet, Namespace, Network};
use kerf_tests::{Capability, poll, process, require};
use serde_json::Value;

use super::super::world::{LIMIT, all_see, config, empty, nodes};

/// Where each listens: the network is its own, and so are all ports of it.
const PORT: u16 = 9_451;

/// The fleet and its network. It reads as the fleet.
pub struct Net {
    fleet: Fleet,
    network: Network,
}

/// Which addresses the hosts have.
#[derive(Debug, Clone, Copy)]
pub enum Family {
    V4,
    V6,
}

impl Deref for Net {
    type Target = Fleet;

    fn deref(&self) -> &Fleet {
        &self.fleet
    }
}

/// So many hosts with an H100 each, which see each other over a network that is perfect still; none where namespaces or
/// containers cannot be made.
pub fn of(count: u8, family: Family, seed: u64) -> Option<Net> {
    if !require(Capability::Netns) {
        return None;
    }
    let fleet = empty()?;
    let log = fleet.folder().join("switch.log");
    let network = Network::open(count, seed, &log).expect("a switch");
    let mut net = Net { fleet, network };
    for number in 1..=usize::from(count) {
        net.add(number, family);
    }
    all_see(&net, usize::from(count));
    Some(net)
}

impl Net {
    fn add(&mut self, number: usize, family: Family) {
        let more = config(&self.fleet);
        let name = name(number);
        let settings = self.fleet.settings(&name, "h100x1", &more);
        let mut settings = settings.expect("containerd has the image");
        let namespace = self.namespace(number).clone();
        let ip: IpAddr = match family {
            Family::V4 => namespace.v4(),
            Family::V6 => namespace.v6(),
        };
        let peering = settings.peering.as_mut().expect("it has peers");
        peering.listen = SocketAddr::new(ip, PORT);
        settings.network = Some(namespace);
        self.fleet.start(settings).expect("a host comes up");
    }

    /// The network of a host.
    pub fn namespace(&self, number: usize) -> &Namespace {
        self.network.namespace(number).expect("a namespace")
    }

    /// Tells the switch something.
    pub fn tell(&self, command: &str) -> String {
        self.network.tell(command).expect("the switch does it")
    }

    /// Makes the ways between these hosts and all others so, in both directions.
    pub fn around(&self, these: &[usize], conditions: &str) {
        let others: Vec<usize> = self.numbers().filter(|one| !these.contains(one)).collect();
        let told = self.network.between(these, &others, conditions);
        told.expect("the switch does it");
    }

    /// Makes all ways perfect.
    pub fn heal(&self) {
        self.network.heal().expect("the switch does it");
    }

    /// Runs a program in the network of a host.
    pub fn run(&self, number: usize, words: &[&str]) {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        let said = process::run(&mut self.namespace(number).command(&command));
        said.expect("it does it");
    }

    /// Numbers of all hosts.
    pub fn numbers(&self) -> impl Iterator<Item = usize> + use<> {
        1..=self.fleet.hosts().len()
    }

    pub fn kill(&mut self, number: usize) {
        let host = self.fleet.host_mut(number).expect("a host");
        host.kill9().expect("it dies");
    }

    pub fn restart(&mut self, number: usize) {
        let host = self.fleet.host_mut(number).expect("a host");
        host.restart().expect("it returns");
    }

    /// Ends everything.
    pub fn stop(self) {
        self.fleet.stop().expect("nothing is left");
        self.network.stop().expect("the switch ends by itself");
    }

    /// Waits until all hosts know the same of all hosts: who they are, that they live, and their newest records.
    pub fn converges(&self) {
        let count = self.fleet.hosts().len();
        let views = || -> Vec<Vec<Value>> { self.numbers().map(|one| view(self, one)).collect() };
        let agree = poll::until_true("one view of all hosts", LIMIT, || {
            let views = views();
            let first = &views[0];
            let living = first.iter().filter(|node| node["presence"] == "alive");
            living.count() == count && views.iter().all(|view| view == first)
        });
        agree.unwrap_or_else(|error| panic!("{error:#}: {:#?}", views()));
    }
}

/// What hosts are called.
pub fn name(number: usize) -> String {
    format!("node-{number}")
}

/// The number of a host with this name.
pub fn number(name: &str) -> usize {
    let number = name.strip_prefix("node-").and_then(|one| one.parse().ok());
    number.unwrap_or_else(|| panic!("{name:?} is no name of a host"))
}

/// What a host knows of all, in the order of their ids and without what differs by who is asked.
fn view(fleet: &Fleet, number: usize) -> Vec<Value> {
    let mut nodes = nodes(fleet, number);
    nodes.sort_by_key(|node| node["id"].to_string());
    for node in &mut nodes {
        let node = node.as_object_mut().expect("an object");
        node.retain(|key, _| ["id", "name", "address", "presence", "record"].contains(&&**key));
    }
    nodes
}
