//! What a level and a link between two accelerators count: the one place where these numbers stand.

use kerf_types::PciAddress;
use kerf_types::topology::LinkClass;

use super::{Pair, RingDevice};

/// A number for each level, and one for each link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// One link of the accelerators' own.
    pub link: f64,
    /// Functions of one card.
    pub board: f64,
    /// At most one PCIe switch.
    pub pix: f64,
    /// Several PCIe switches.
    pub pxb: f64,
    /// The host bridge.
    pub phb: f64,
    /// Host bridges of one NUMA node.
    pub node: f64,
    /// The link between NUMA nodes.
    pub sys: f64,
}

/// GB/s: 20 for each link, as NCCL counts NVLink of V100 and A100 (`src/graph/topo.h`), and for PCIe an order of its levels.
pub const GBPS: Weights = Weights {
    link: 20.0,
    board: 13.0,
    pix: 12.0,
    pxb: 11.0,
    phb: 10.0,
    node: 9.0,
    sys: 8.0,
};

/// As NVIDIA's go-gpuallocator scores pairs.
pub const SCORES: Weights = Weights {
    link: 100.0,
    board: 60.0,
    pix: 50.0,
    pxb: 40.0,
    phb: 30.0,
    node: 20.0,
    sys: 10.0,
};

/// How near two accelerators are that are not the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearness {
    /// By PCIe.
    pub level: LinkClass,
    /// Whether they are functions of one card.
    pub is_one_board: bool,
    /// Links between them besides.
    pub links: u32,
}

impl Nearness {
    /// Of two that are at these addresses, as far as they are PCI functions.
    pub fn between(
        a: Option<PciAddress>,
        b: Option<PciAddress>,
        level: LinkClass,
        links: u32,
    ) -> Self {
        let card = |pci: PciAddress| (pci.domain, pci.bus, pci.device);
        Self {
            level,
            is_one_board: a.is_some() && a.map(card) == b.map(card),
            links,
        }
    }
}

/// What pairs count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairWeights {
    /// Bandwidth in GB/s.
    pub gbps: Weights,
    /// Scores.
    pub scores: Weights,
}

/// [`GBPS`] and [`SCORES`].
impl Default for PairWeights {
    fn default() -> Self {
        Self {
            gbps: GBPS,
            scores: SCORES,
        }
    }
}

impl PairWeights {
    /// What a pair counts: the bandwidth of its links, or of its level where it has none; the score of both.
    pub fn pair(&self, near: Nearness) -> Pair {
        let links = f64::from(near.links);
        let gbps = match near.links {
            0 => self.gbps.of(near.level, near.is_one_board),
            _ => self.gbps.link * links,
        };
        let score = self.scores.of(near.level, near.is_one_board) + self.scores.link * links;
        Pair {
            mbps: whole(gbps * 1_000.0),
            score: whole(score),
            is_below_one_switch: near.is_one_board || near.level <= LinkClass::Pxb,
        }
    }

    /// An accelerator with how near each network interface is to it.
    pub fn device(
        &self,
        numa_node: Option<u32>,
        nics: impl Iterator<Item = LinkClass> + Clone,
    ) -> RingDevice {
        let nic = nics.clone().min();
        let scores = nics.map(|level| whole(self.scores.of(level, false)));
        RingDevice {
            numa_node,
            nic_score: scores.max().unwrap_or(0),
            nic,
        }
    }
}

impl Weights {
    fn of(&self, level: LinkClass, is_one_board: bool) -> f64 {
        match level {
            _ if is_one_board => self.board,
            // Neither is a level between two devices.
            LinkClass::Same | LinkClass::Own(..) | LinkClass::Pix => self.pix,
            LinkClass::Pxb => self.pxb,
            LinkClass::Phb => self.phb,
            LinkClass::Node => self.node,
            LinkClass::Sys => self.sys,
        }
    }
}

/// The nearest whole number; too large ones are the largest.
fn whole(number: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float keeps to the range of its type"
    )]
    let whole = number.round() as u32;
    whole
}
