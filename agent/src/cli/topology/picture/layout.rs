//! Where the boxes of a drawing stand. Pure: sizes from the shape and its words, then positions from the top down.

use super::fabric::{self, Line};
use super::label::{header_width, line_count};
use super::shape::{Bond, Branch, Node, Shape};

/// Width of a device's box in pixels: the longest names of GPUs and disks that are sold stand in one line of it.
const DEVICE_WIDTH: u32 = 200;
/// Space around and between boxes.
pub const GAP: u32 = 8;
/// Height of a box's own line of text.
pub const HEADER: u32 = 24;
/// From one line of text to the next.
pub const LINE: u32 = 15;
/// Boxes go into a new row beyond this width.
const ROW: u32 = 1_140;
/// A box is not made wider than this for its own line of text alone: a list of CPUs may have no end.
const HEADER_MOST: u32 = 560;

/// A box with those in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area<'a> {
    /// What it is.
    pub what: What<'a>,
    /// Its left edge.
    pub x: u32,
    /// Its upper edge.
    pub y: u32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Those in it.
    pub inside: Vec<Area<'a>>,
}

/// What a box stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What<'a> {
    /// All of it.
    Host(&'a Shape),
    /// A NUMA node, or several without devices of which the same is to be said.
    Nodes(&'a [Node]),
    /// A piece of the PCI tree.
    Branch(&'a Branch),
    /// The links of the accelerators' own.
    Links(&'a [Bond]),
    /// What such links end at, by its name, and whether it is an accelerator.
    End(&'a str, bool),
}

/// All of a drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout<'a> {
    /// The boxes.
    pub whole: Area<'a>,
    /// The links of the accelerators' own.
    pub lines: Vec<Line<'a>>,
}

/// All of a shape from the top down: its title, the links of the accelerators' own, the NUMA nodes.
pub fn lay(shape: &Shape) -> Layout<'_> {
    let mut whole = area(What::Host(shape), 0, 0);
    let groups = shape.nodes.chunk_by(is_the_same);
    let panels: Vec<Area<'_>> = groups.map(panel).collect();
    let mut fabric = fabric::lay(&shape.links);
    let widths = panels.iter().map(|panel| panel.width + 2 * GAP);
    let links_width = fabric.as_ref().map(|fabric| fabric.area.width + 2 * GAP);
    let title_width = header_width(whole.what).min(ROW);
    whole.width = widths.chain(links_width).fold(title_width, u32::max);

    let mut y = HEADER + GAP;
    let mut lines = Vec::new();
    if let Some(fabric) = &mut fabric {
        fabric.widen(whole.width - 2 * GAP);
        fabric.shift(GAP, y);
        y += fabric.area.height + 2 * GAP;
        lines = std::mem::take(&mut fabric.lines);
    }
    whole.inside.extend(fabric.map(|fabric| fabric.area));
    for mut row in panels
        .chunk_by(|a, b| a.inside.is_empty() && b.inside.is_empty())
        .map(<[_]>::to_vec)
    {
        if let [one] = row.as_mut_slice() {
            one.width = whole.width - 2 * GAP;
        }
        let (_, below) = place(&mut row, y, whole.width);
        y = below + GAP;
        whole.inside.extend(row);
    }
    whole.height = y;
    Layout { whole, lines }
}

/// Whether two NUMA nodes are one box: a Grace processor has seven empty ones beside each GPU.
fn is_the_same(a: &Node, b: &Node) -> bool {
    let follows = a.id.is_some_and(|id| id.checked_add(1) == b.id);
    follows && a.below.is_empty() && b.below.is_empty() && a.label == b.label
}

fn panel(nodes: &[Node]) -> Area<'_> {
    let below = nodes.iter().flat_map(|node| branches(&node.below));
    container(What::Nodes(nodes), below.collect())
}

/// The boxes of siblings, of which the devices are as high as the one with the most lines.
fn branches(branches: &[Branch]) -> Vec<Area<'_>> {
    let devices = branches.iter().filter(|branch| branch.kind.is_device());
    let lines = devices.map(|device| line_count(device, DEVICE_WIDTH)).max();
    let height = GAP + (0..lines.unwrap_or(0)).map(|_| LINE).sum::<u32>();
    let boxes = branches.iter().map(|branch| {
        let what = What::Branch(branch);
        match branch.kind.is_device() {
            true => area(what, DEVICE_WIDTH, height),
            false => container(what, self::branches(&branch.below)),
        }
    });
    boxes.collect()
}

/// A box without others in it.
pub fn area(what: What<'_>, width: u32, height: u32) -> Area<'_> {
    Area {
        what,
        x: 0,
        y: 0,
        width,
        height,
        inside: Vec::new(),
    }
}

fn container<'a>(what: What<'a>, mut inside: Vec<Area<'a>>) -> Area<'a> {
    let (width, height) = place(&mut inside, HEADER, ROW);
    Area {
        inside,
        ..area(what, width.max(header_width(what).min(HEADER_MOST)), height)
    }
}

/// Puts boxes into rows of a width from `top` on; returns the size of what holds them.
pub fn place(boxes: &mut [Area<'_>], top: u32, row_width: u32) -> (u32, u32) {
    let (mut x, mut y, mut row, mut width) = (GAP, top, 0, 0);
    for one in boxes {
        if x > GAP && x + one.width > row_width {
            (x, y, row) = (GAP, y + row + GAP, 0);
        }
        one.shift(x, y);
        x += one.width + GAP;
        row = row.max(one.height);
        width = width.max(x);
    }
    (width, y + row + GAP)
}

impl Area<'_> {
    /// Moves it with all that is in it.
    pub fn shift(&mut self, x: u32, y: u32) {
        self.x += x;
        self.y += y;
        for inside in &mut self.inside {
            inside.shift(x, y);
        }
    }
}
