//! What a level and a link between two accelerators count.

use kerf_planner::rings::Pair;
use kerf_types::topology::LinkClass;

/// A number for each level, and one for each link.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Weights {
    link: f64,
    board: f64,
    pix: f64,
    pxb: f64,
    phb: f64,
    node: f64,
    sys: f64,
}

/// GB/s: 20 for each link, as NCCL counts NVLink of V100 and A100 (`src/graph/topo.h`), and for PCIe an order of its levels.
const GBPS: Weights = Weights {
    link: 20.0,
    board: 13.0,
    pix: 12.0,
    pxb: 11.0,
    phb: 10.0,
    node: 9.0,
    sys: 8.0,
};

/// As NVIDIA's go-gpuallocator scores pairs.
const SCORES: Weights = Weights {
    link: 100.0,
    board: 60.0,
    pix: 50.0,
    pxb: 40.0,
    phb: 30.0,
    node: 20.0,
    sys: 10.0,
};

/// The largest number that may be given: 255 links of it are a bandwidth that fits, and 120 pairs of them a score.
const MOST: f64 = 10_000.0;

/// One number that is given in place of the usual one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Given {
    word: Word,
    number: f64,
}

/// What has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Word {
    Link,
    Board,
    Pix,
    Pxb,
    Phb,
    Node,
    Sys,
}

/// Reads `link=25`.
pub fn given(text: &str) -> Result<Given, String> {
    let (word, number) = text
        .split_once('=')
        .ok_or("write it as link=25 or pix=14")?;
    let word = clap::ValueEnum::from_str(word, true)
        .map_err(|_| format!("{word:?} is none of link, board, pix, pxb, phb, node, sys"))?;
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{number:?} is no number"))?;
    if !(0.0..=MOST).contains(&number) {
        return Err(format!("{number} is not between 0 and {MOST}"));
    }
    Ok(Given { word, number })
}

/// The same of whole numbers alone.
pub fn given_whole(text: &str) -> Result<Given, String> {
    let given = given(text)?;
    match given.number.fract() == 0.0 {
        true => Ok(given),
        false => Err(format!("{} is no whole number", given.number)),
    }
}

/// How near two accelerators of different addresses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nearness {
    /// By PCIe.
    pub level: LinkClass,
    /// Whether they are functions of one card.
    pub is_one_board: bool,
    /// Links between them besides.
    pub links: u32,
}

/// Both tables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tables {
    gbps: Weights,
    scores: Weights,
}

impl Tables {
    /// The usual ones, with what is given in its place.
    pub fn new(gbps: &[Given], scores: &[Given]) -> Self {
        Self {
            gbps: GBPS.with(gbps),
            scores: SCORES.with(scores),
        }
    }

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
        }
    }

    /// The score of a level, for what is no accelerator.
    pub fn score(&self, level: LinkClass) -> u32 {
        whole(self.scores.of(level, false))
    }
}

impl Weights {
    fn with(mut self, given: &[Given]) -> Self {
        for Given { word, number } in given {
            *match word {
                Word::Link => &mut self.link,
                Word::Board => &mut self.board,
                Word::Pix => &mut self.pix,
                Word::Pxb => &mut self.pxb,
                Word::Phb => &mut self.phb,
                Word::Node => &mut self.node,
                Word::Sys => &mut self.sys,
            } = *number;
        }
        self
    }

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
