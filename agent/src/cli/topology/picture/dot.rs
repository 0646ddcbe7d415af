//! The graph in Graphviz's language.

use super::shape::{Branch, Kind, Shape};

/// Writes it.
pub fn write(shape: &Shape) -> String {
    let mut text = String::from("graph topology {\n  rankdir=TB;\n  compound=true;\n");
    text.push_str("  node [shape=box, fontname=\"Helvetica\", style=\"filled,rounded\"];\n");
    text.push_str(&format!("  label={};\n", quoted(&shape.title())));
    for (number, node) in shape.nodes.iter().enumerate() {
        let name = match node.id {
            Some(id) => format!("NUMA node {id}"),
            None => "NUMA node unknown".to_owned(),
        };
        let label = quoted(&format!("{name}\n{}", node.label));
        text.push_str(&format!(
            "  subgraph cluster_{number} {{\n    label={label};\n"
        ));
        // A node without devices is a box as well.
        let anchor = quoted(&format!("numa {number}"));
        text.push_str(&format!("    {anchor} [shape=point, style=invis];\n"));
        for branch in &node.below {
            write_branch(&mut text, branch);
        }
        text.push_str("  }\n");
    }
    for link in &shape.links {
        let label = quoted(&format!("{} x{}", link.kind.as_str(), link.count));
        let (a, b) = (quoted(&link.a), quoted(&link.b));
        text.push_str(&format!(
            "  {a} -- {b} [label={label}, color=\"#76b900\", constraint=false];\n"
        ));
    }
    text.push_str("}\n");
    text
}

fn write_branch(text: &mut String, branch: &Branch) {
    let id = quoted(&id(branch));
    let lines = [&branch.name, &branch.at, &branch.label];
    let lines: Vec<&str> = lines
        .into_iter()
        .map(String::as_str)
        .filter(|line| !line.is_empty())
        .collect();
    let label = quoted(&lines.join("\n"));
    let color = color(branch.kind);
    text.push_str(&format!(
        "    {id} [label={label}, fillcolor=\"{color}\"];\n"
    ));
    for below in &branch.below {
        write_branch(text, below);
        let to = quoted(&self::id(below));
        text.push_str(&format!("    {id} -- {to};\n"));
    }
}

/// Accelerators are named by what their links name, everything else by its place.
fn id(branch: &Branch) -> String {
    match branch.kind {
        Kind::Accelerator => branch.name.clone(),
        _ if branch.at.is_empty() => branch.name.clone(),
        _ => branch.at.clone(),
    }
}

fn color(kind: Kind) -> &'static str {
    match kind {
        Kind::Bridge => "#eeeeee",
        Kind::Switch => "#dddddd",
        Kind::Accelerator => "#d5efb0",
        Kind::Nic => "#c6e4f5",
        Kind::Nvme => "#f8e3b4",
    }
}

/// A string of the language, where a line break is `\n`.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}
