//! Where the boxes of a drawing stand. Pure: sizes from the shape, then positions from the top down.

use super::shape::{Branch, Kind, Shape};

/// Size of a device's box in pixels: its name, its address, and a line of words.
const DEVICE: (u32, u32) = (176, 60);
/// Space around and between boxes.
pub const GAP: u32 = 8;
/// Height of a box's own line of text.
pub const HEADER: u32 = 24;
/// Boxes go into a new row beyond this width.
const ROW: u32 = 1_140;

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
    /// A NUMA node, by its place in the shape.
    Node(usize),
    /// A piece of the PCI tree.
    Branch(&'a Branch),
    /// A switch of the links' own, by its name.
    Switch(&'a str),
}

/// All boxes of a shape: a row of switches of the links' own, then the NUMA nodes below each other.
pub fn lay(shape: &Shape) -> Area<'_> {
    let mut boxes = Vec::new();
    let mut switches: Vec<&str> = shape
        .links
        .iter()
        .map(|link| link.b.as_str())
        .filter(|end| end.starts_with("NVSwitch"))
        .collect();
    switches.sort_unstable();
    switches.dedup();
    boxes.extend(switches.into_iter().map(|name| device(What::Switch(name))));
    let mut whole = Area {
        what: What::Node(usize::MAX),
        x: 0,
        y: 0,
        width: 0,
        height: 0,
        inside: Vec::new(),
    };
    let (width, height) = place(&mut boxes, HEADER + GAP);
    whole.inside = boxes;
    let mut y = if whole.inside.is_empty() {
        HEADER + GAP
    } else {
        height + 3 * GAP
    };
    whole.width = width;
    for (at, node) in shape.nodes.iter().enumerate() {
        let below = node.below.iter().map(branch).collect();
        let mut panel = container(What::Node(at), below);
        shift(&mut panel, GAP, y);
        y += panel.height + 2 * GAP;
        whole.width = whole.width.max(panel.width + 2 * GAP);
        whole.inside.push(panel);
    }
    whole.height = y;
    whole
}

fn branch(branch: &Branch) -> Area<'_> {
    match branch.kind {
        Kind::Accelerator | Kind::Nic | Kind::Nvme => device(What::Branch(branch)),
        Kind::Bridge | Kind::Switch => {
            let below = branch.below.iter().map(self::branch).collect();
            container(What::Branch(branch), below)
        }
    }
}

fn device(what: What<'_>) -> Area<'_> {
    let (width, height) = DEVICE;
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
    let (width, height) = place(&mut inside, HEADER);
    Area {
        what,
        x: 0,
        y: 0,
        // Wide enough for its own line.
        width: width.max(2 * DEVICE.0),
        height,
        inside,
    }
}

/// Puts boxes into rows from `top` on; returns the size of what holds them.
fn place(boxes: &mut [Area<'_>], top: u32) -> (u32, u32) {
    let (mut x, mut y, mut row, mut width) = (GAP, top, 0, 0);
    for one in boxes {
        if x > GAP && x + one.width > ROW {
            (x, y, row) = (GAP, y + row + GAP, 0);
        }
        shift(one, x, y);
        x += one.width + GAP;
        row = row.max(one.height);
        width = width.max(x);
    }
    (width, y + row + GAP)
}

fn shift(area: &mut Area<'_>, x: u32, y: u32) {
    area.x += x;
    area.y += y;
    for inside in &mut area.inside {
        shift(inside, x, y);
    }
}
