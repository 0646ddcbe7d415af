//! What stands in the boxes of a drawing. Pure: from the shape to words of a width, never where they stand.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{GAP, What};
use super::measure::{Face, shortened, width, wrapped};
use super::shape::{Bond, Branch, Kind, Node, Shape};

/// Lines that a device's words may take: two of the longest names that are sold, and one of how it is linked.
const WORD_LINES: usize = 3;

/// Words of one way to write.
pub type Words = (Face, String);

/// The lines of a box, cut to its width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// From the top down, each of its words from left to right, [`GAP`] apart.
    pub lines: Vec<Vec<Words>>,
    /// All of the words, where not all are in the lines.
    pub whole: Option<String>,
}

/// The only line of a box of boxes, whole.
pub fn header(what: What<'_>) -> Vec<Words> {
    let (name, more) = match what {
        What::Host(shape) => (shape.name.clone(), processors(shape)),
        What::Nodes(nodes) => node_words(nodes),
        What::Links(links) => ("Links".to_owned(), link_words(links)),
        What::End(name, _) => (name.to_owned(), String::new()),
        What::Branch(branch) => {
            let name = format!("{} {}", branch.name, branch.at);
            return spaced(Face::At, name, branch.label.clone());
        }
    };
    spaced(Face::Name, name, more)
}

/// Pixels that the whole header takes with the space to its left and right.
pub fn header_width(what: What<'_>) -> u32 {
    let words = header(what);
    let words = words.iter().map(|(face, text)| width(*face, text) + GAP);
    words.sum::<u32>() + GAP
}

/// What stands in a box that is so wide.
pub fn lines(what: What<'_>, box_width: u32) -> Lines {
    let room = box_width.saturating_sub(2 * GAP);
    match what {
        What::Branch(branch) if branch.kind.is_device() => device(branch, room),
        What::Host(_) | What::Nodes(_) | What::Links(_) | What::End(..) | What::Branch(_) => {
            fitted(&header(what), room)
        }
    }
}

/// How many lines a device takes in a box that is so wide.
pub fn line_count(branch: &Branch, box_width: u32) -> usize {
    device(branch, box_width.saturating_sub(2 * GAP))
        .lines
        .len()
}

fn spaced(face: Face, name: String, more: String) -> Vec<Words> {
    let words = [(face, name), (Face::Words, more)];
    words
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

/// A browser draws one blank where there are more.
fn processors(shape: &Shape) -> String {
    let words = shape.processors.replacen("  ", ", ", 1);
    let words: Vec<&str> = words.split_whitespace().collect();
    words.join(" ")
}

fn node_words(nodes: &[Node]) -> (String, String) {
    let label = |node: &Node| node.label.clone();
    let id = |node: &Node| {
        node.id
            .map_or_else(|| "unknown".to_owned(), |id| id.to_string())
    };
    match nodes {
        [first, .., last] => (
            format!("NUMA nodes {}-{}", id(first), id(last)),
            format!("{} each", label(first)),
        ),
        [one] => (format!("NUMA node {}", id(one)), label(one)),
        [] => (String::new(), String::new()),
    }
}

/// The kinds of links, with how many are between two ends.
fn link_words(links: &[Bond]) -> String {
    let mut kinds: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for link in links {
        kinds
            .entry(link.kind.as_str())
            .or_default()
            .insert(link.count);
    }
    let differ = kinds.values().flatten().collect::<BTreeSet<_>>().len() > 1;
    let words = kinds.into_iter().map(|(kind, counts)| {
        let counts = counts.into_iter().map(|count| format!("x{count}"));
        format!("{kind} {}", counts.collect::<Vec<_>>().join(" or "))
    });
    let thicker = differ.then(|| "thicker where there are more".to_owned());
    words.chain(thicker).collect::<Vec<_>>().join(", ")
}

/// The first words go before the others, which get what is left of the room.
fn fitted(words: &[Words], room: u32) -> Lines {
    let (mut line, mut left) = (Vec::new(), room);
    for (face, text) in words {
        // Less than this is an ellipsis without words.
        if left < 4 * GAP {
            break;
        }
        let short = shortened(*face, text, left);
        left = left.saturating_sub(width(*face, &short) + GAP);
        line.push((*face, short));
    }
    let whole = (line != words).then(|| joined(words.iter().map(|(_, text)| text.as_str())));
    Lines {
        lines: vec![line],
        whole,
    }
}

fn device(branch: &Branch, room: u32) -> Lines {
    let Branch {
        name, at, label, ..
    } = branch;
    let words = wrapped(Face::Words, label, room, WORD_LINES);
    let cut = |face, text: &str| (face, shortened(face, text, room));
    let (name_cut, at_cut) = (cut(Face::Name, name), cut(Face::At, at));
    let is_whole = name_cut.1 == *name
        && at_cut.1 == *at
        && words.last().is_none_or(|last| label.ends_with(last));
    let words = words.into_iter().map(|line| (Face::Words, line));
    let lines = [name_cut, at_cut].into_iter().chain(words);
    Lines {
        lines: lines.map(|line| vec![line]).collect(),
        whole: (!is_whole).then(|| joined([name.as_str(), at, label].into_iter())),
    }
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
    texts.join("  ")
}

impl Kind {
    /// Whether nothing hangs below it.
    pub const fn is_device(self) -> bool {
        match self {
            Self::Bridge | Self::Switch => false,
            Self::Accelerator | Self::Nic | Self::Nvme => true,
        }
    }
}
