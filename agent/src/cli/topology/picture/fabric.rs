//! The accelerators' own links, in a box of their own above the PCI tree. Pure.
//!
//! Not as lines between the devices of the tree: they would cross its words, and of those that lie on each other no
//! person could say which ends they have. Here no line crosses a word: where all links go to switches or processors,
//! these stand in a row above the accelerators, with nothing in between; else all ends stand around a circle, and the
//! lines are its chords.

use std::collections::BTreeSet;
use std::f64::consts::TAU;

use super::layout::{Area, GAP, HEADER, What, area};
use super::measure::{Face, width};
use super::shape::Bond;

/// An end's box is as wide as its name, up to this.
const END_MOST: u32 = 220;
/// Room for the lines between both rows.
const BETWEEN: u32 = 96;
/// A circle of few ends is not smaller than this: its lines would be too short to be told apart.
const RADIUS_LEAST: u32 = 104;

/// A place in the drawing, from the left and from the top.
pub type Point = (u32, u32);

/// From the circle to the nearest box.
const APART: f64 = 4.0;

/// A link with its way from the one end to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// The link.
    pub bond: &'a Bond,
    /// Where it begins, turns and ends.
    pub points: Vec<Point>,
}

/// The box with its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fabric<'a> {
    /// The box, and the ends in it.
    pub area: Area<'a>,
    /// The links.
    pub lines: Vec<Line<'a>>,
}

/// An end and the way of all its lines from its box to where they part.
type Placed<'a> = (Area<'a>, Vec<Point>);

/// The box of these links; none of no links.
pub fn lay(links: &[Bond]) -> Option<Fabric<'_>> {
    let hubs = links.iter().filter(|link| link.is_to_hub);
    let hubs = sorted(hubs.map(|link| link.b.as_str()));
    let others = links.iter().filter(|link| !link.is_to_hub);
    let others = others.map(|link| link.b.as_str());
    let devices = sorted(links.iter().map(|link| link.a.as_str()).chain(others));
    let has_hubs_alone = links.iter().all(|link| link.is_to_hub);
    let (ends, width, height) = match (devices.is_empty(), has_hubs_alone) {
        (true, _) => return None,
        (false, true) => rows(&hubs, &devices),
        (false, false) => circle(&devices, &hubs),
    };
    let way = |name: &str| {
        let is_it = |(end, _): &&Placed<'_>| matches!(end.what, What::End(one, _) if one == name);
        ends.iter().find(is_it).map(|(_, way)| way)
    };
    let lines = links.iter().filter_map(|bond| {
        let (from, to) = (way(&bond.a)?, way(&bond.b)?);
        let points = from.iter().chain(to.iter().rev()).copied().collect();
        Some(Line { bond, points })
    });
    let lines = lines.collect();
    let whole = Area {
        inside: ends.into_iter().map(|(end, _)| end).collect(),
        ..area(What::Links(links), width, height)
    };
    Some(Fabric { area: whole, lines })
}

impl Fabric<'_> {
    /// Makes the box as wide as those below it, with its content in the middle.
    pub fn widen(&mut self, width: u32) {
        let more = width.saturating_sub(self.area.width);
        let x = self.area.x;
        self.shift(more / 2, 0);
        self.area.x = x;
        self.area.width += more;
    }

    /// Moves it with all that is in it.
    pub fn shift(&mut self, x: u32, y: u32) {
        self.area.shift(x, y);
        for line in &mut self.lines {
            for point in &mut line.points {
                *point = (point.0 + x, point.1 + y);
            }
        }
    }
}

/// Names once each, in the order of people: GPU2 before GPU10.
fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let names: BTreeSet<(usize, &str)> = names.map(|name| (name.len(), name)).collect();
    names.into_iter().map(|(_, name)| name).collect()
}

fn end(name: &str, is_device: bool) -> Area<'_> {
    let width = width(Face::Name, name) + 2 * GAP;
    // An even width has a middle.
    let width = width.next_multiple_of(2).min(END_MOST);
    area(What::End(name, is_device), width, HEADER)
}

fn rows<'a>(hubs: &[&'a str], devices: &[&'a str]) -> (Vec<Placed<'a>>, u32, u32) {
    let below = HEADER + HEADER + BETWEEN;
    let mut hubs: Vec<Area<'a>> = hubs.iter().map(|name| end(name, false)).collect();
    let mut devices: Vec<Area<'a>> = devices.iter().map(|name| end(name, true)).collect();
    let length = |row: &[Area<'a>]| row.iter().map(|one| one.width + 2 * GAP).sum::<u32>();
    let width = length(&hubs).max(length(&devices));
    for (row, top) in [(&mut hubs, HEADER), (&mut devices, below)] {
        let mut x = (width - length(row)) / 2;
        for one in row.iter_mut() {
            one.shift(x + GAP, top);
            x += one.width + 2 * GAP;
        }
    }
    let middle = |one: &Area<'a>| one.x + one.width / 2;
    let hubs = hubs.into_iter().map(|one| {
        let at = (middle(&one), one.y + one.height);
        (one, vec![at])
    });
    let devices = devices.into_iter().map(|one| {
        let at = (middle(&one), one.y);
        (one, vec![at])
    });
    (hubs.chain(devices).collect(), width, below + HEADER + GAP)
}

/// The ends outside of a circle, from the top on as a clock goes. A box touches the tangent in its own direction from
/// outside, so that no chord of the circle reaches it.
fn circle<'a>(devices: &[&'a str], hubs: &[&'a str]) -> (Vec<Placed<'a>>, u32, u32) {
    let devices = devices.iter().map(|name| end(name, true));
    let hubs = hubs.iter().map(|name| end(name, false));
    let boxes: Vec<Area<'a>> = devices.chain(hubs).collect();
    let widest = boxes.iter().map(|one| one.width).max().unwrap_or(0);
    // The side of a polygon of n corners is at least 6/n of its radius where n is at least 6: with this radius it is
    // longer than the diagonal of a box, and no two boxes touch.
    let around = boxes.iter().map(|_| widest + HEADER).sum::<u32>();
    let radius = (around / 6).max(RADIUS_LEAST).next_multiple_of(2);
    let center = (radius + widest + 2 * GAP, HEADER + radius + HEADER + GAP);
    let count = boxes.iter().map(|_| 1.0).sum::<f64>();
    let mut turn = 0.0;
    let placed = boxes.into_iter().map(|mut one| {
        let (sine, cosine) = (TAU * turn / count).sin_cos();
        turn += 1.0;
        let (half_width, half_height) = (f64::from(one.width) / 2.0, f64::from(one.height) / 2.0);
        let out = half_width * sine.abs() + half_height * cosine.abs();
        // How much of that way is in the box; a division by 0 is endless, and the other one is less.
        let within = (half_width / sine.abs()).min(half_height / cosine.abs());
        let at = |away: f64| {
            let away = f64::from(radius) + away;
            let (x, y) = (f64::from(center.0), f64::from(center.1));
            (whole(x + away * sine), whole(y - away * cosine))
        };
        // More than the rounding of both can take.
        let (x, y) = at(out + APART);
        one.shift(x - one.width / 2, y - one.height / 2);
        (one, vec![at(out + APART - within), at(0.0)])
    });
    let placed = placed.collect();
    let height = center.1 + radius + HEADER + 2 * GAP;
    (placed, 2 * center.0, height)
}

fn whole(pixels: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a drawing, and a cast of a float keeps to the range of its type"
    )]
    let whole = pixels.round() as u32;
    whole
}
