//! The tree for a terminal.

use std::collections::BTreeMap;

use kerf_types::map::LinkKind;

use super::shape::{Bond, Branch, Kind, Node, Shape};
use crate::cli::style::{Ink, Style};

/// Draws it.
pub fn draw(shape: &Shape, style: Style) -> String {
    let mut text = format!("{}\n", style.paint(Ink::Bold, shape.title()));
    for (position, node) in shape.nodes.iter().enumerate() {
        let is_last = position + 1 == shape.nodes.len();
        draw_node(&mut text, node, is_last, style);
    }
    for line in link_lines(&shape.links) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn draw_node(text: &mut String, node: &Node, is_last: bool, style: Style) {
    let name = match node.id {
        Some(id) => format!("NUMA node {id}"),
        None => "NUMA node unknown".to_owned(),
    };
    let (branch, indent) = edges(is_last);
    let name = style.paint(Ink::Bold, &name);
    let label = style.paint(Ink::Dim, &node.label);
    text.push_str(format!("{branch}{name}  {label}").trim_end());
    text.push('\n');
    draw_all(text, &node.below, indent, style);
}

fn draw_all(text: &mut String, branches: &[Branch], indent: &str, style: Style) {
    for (position, one) in branches.iter().enumerate() {
        let (branch, deeper) = edges(position + 1 == branches.len());
        let name = style.paint(ink(one.kind), &one.name);
        let parts = [name, one.at.clone(), style.paint(Ink::Dim, &one.label)];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        text.push_str(&format!("{indent}{branch}{}\n", parts.join("  ")));
        draw_all(text, &one.below, &format!("{indent}{deeper}"), style);
    }
}

/// What stands before an entry, and before those below it.
fn edges(is_last: bool) -> (&'static str, &'static str) {
    if is_last {
        ("└─ ", "   ")
    } else {
        ("├─ ", "│  ")
    }
}

fn ink(kind: Kind) -> Ink {
    match kind {
        Kind::Bridge | Kind::Switch => Ink::Plain,
        Kind::Accelerator => Ink::Green,
        Kind::Nic => Ink::Cyan,
        Kind::Nvme => Ink::Yellow,
    }
}

/// One line for those that have the same links to the same ends, which on a server are all of them.
fn link_lines(links: &[Bond]) -> Vec<String> {
    let mut by_end: BTreeMap<(LinkKind, &str), Vec<(&str, u32)>> = BTreeMap::new();
    for link in links {
        let ends = by_end.entry((link.kind, link.a.as_str())).or_default();
        ends.push((link.b.as_str(), link.count));
    }
    let line = |((kind, from), ends): ((LinkKind, &str), Vec<(&str, u32)>)| {
        let ends = ends.iter().map(|(to, count)| format!("{to} x{count}"));
        let ends: Vec<String> = ends.collect();
        format!("{}  {from} - {}", kind.as_str(), ends.join(", "))
    };
    by_end.into_iter().map(line).collect()
}
