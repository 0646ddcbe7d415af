//! The drawing as SVG: boxes in boxes, and the accelerators' own links as lines between them.

use std::collections::BTreeMap;

use super::layout::{Area, HEADER, What, lay};
use super::shape::{Bond, Branch, Kind, Shape};

/// Characters of a line of words that fit into a device's box.
const FITS: usize = 26;

const STYLE: &str = "text{font:12px Helvetica,Arial,sans-serif;fill:#1c1c1c}\
.name{font-weight:bold}.at{fill:#444;font-family:monospace;font-size:11px}.words{fill:#555;font-size:10px}\
.link{fill:none;stroke:#76b900;stroke-opacity:.55}";

/// Draws it.
pub fn draw(shape: &Shape) -> String {
    let whole = lay(shape);
    let (width, height) = (whole.width, whole.height);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text class=\"name\" x=\"10\" y=\"18\">{title}</text>\n",
        title = escaped(&shape.title),
    );
    for area in &whole.inside {
        draw_area(&mut text, area, shape);
    }
    let mut places = BTreeMap::new();
    find(&whole, &mut places);
    for link in &shape.links {
        draw_link(&mut text, link, &places);
    }
    text.push_str("</svg>\n");
    text
}

fn draw_area(text: &mut String, area: &Area<'_>, shape: &Shape) {
    let (fill, stroke) = colors(area.what);
    let Area {
        x,
        y,
        width,
        height,
        ..
    } = area;
    text.push_str(&format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{fill}\" \
         stroke=\"{stroke}\"/>\n"
    ));
    let lines = match area.what {
        What::Node(at) => shape.nodes.get(at).map_or_else(Vec::new, |node| {
            let id = node
                .id
                .map_or_else(|| "unknown".to_owned(), |id| id.to_string());
            vec![("name", format!("NUMA node {id}   {}", node.label))]
        }),
        What::Switch(name) => vec![("name", name.to_owned())],
        What::Branch(branch) => lines(branch),
    };
    for (line, (class, words)) in (0u32..).zip(lines) {
        let (x, y) = (x + 8, y + HEADER - 8 + line * 16);
        let words = escaped(&words);
        text.push_str(&format!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{words}</text>\n"
        ));
    }
    for inside in &area.inside {
        draw_area(text, inside, shape);
    }
}

/// A box of boxes has one line, a device three and the whole of its words as a tip.
fn lines(branch: &Branch) -> Vec<(&'static str, String)> {
    let Branch {
        name, at, label, ..
    } = branch;
    match branch.kind {
        Kind::Bridge | Kind::Switch => vec![("at", format!("{name} {at}   {label}"))],
        Kind::Accelerator | Kind::Nic | Kind::Nvme => {
            let short: String = label.chars().take(FITS).collect();
            let is_short = label.chars().count() <= FITS;
            let words = if is_short {
                short
            } else {
                format!("{short}…")
            };
            vec![("name", name.clone()), ("at", at.clone()), ("words", words)]
        }
    }
}

fn colors(what: What<'_>) -> (&'static str, &'static str) {
    match what {
        What::Node(_) => ("#f7f7f7", "#9a9a9a"),
        What::Switch(_) => ("#d5efb0", "#4f7d00"),
        What::Branch(branch) => match branch.kind {
            Kind::Bridge => ("#ffffff", "#c0c0c0"),
            Kind::Switch => ("#eeeeee", "#a8a8a8"),
            Kind::Accelerator => ("#e6f5cf", "#76b900"),
            Kind::Nic => ("#d6ebf8", "#3c8dbc"),
            Kind::Nvme => ("#fbeecb", "#c79a2b"),
        },
    }
}

/// The middle of the upper edge of everything that a link can end at, by its name.
fn find<'a>(area: &Area<'a>, places: &mut BTreeMap<&'a str, (u32, u32)>) {
    let name = match area.what {
        What::Switch(name) => Some(name),
        What::Branch(branch) if branch.kind == Kind::Accelerator => Some(branch.name.as_str()),
        What::Branch(_) | What::Node(_) => None,
    };
    if let Some(name) = name {
        let is_switch = matches!(area.what, What::Switch(_));
        let y = area.y + if is_switch { area.height } else { 0 };
        places.insert(name, (area.x + area.width / 2, y));
    }
    for inside in &area.inside {
        find(inside, places);
    }
}

/// A curve that leaves both ends upwards or downwards, as thick as the links are many.
fn draw_link(text: &mut String, link: &Bond, places: &BTreeMap<&str, (u32, u32)>) {
    let ends = (places.get(link.a.as_str()), places.get(link.b.as_str()));
    let (Some((ax, ay)), Some((bx, by))) = ends else {
        return;
    };
    let is_switch = link.b.starts_with("NVSwitch");
    // Between two devices the curve bows above both.
    let bow = if is_switch {
        (ay + by) / 2
    } else {
        ay.min(by).saturating_sub(40)
    };
    let width = f64::from(link.count).sqrt();
    text.push_str(&format!(
        "<path class=\"link\" stroke-width=\"{width:.1}\" d=\"M{ax} {ay} C{ax} {bow} {bx} {bow} {bx} {by}\">\
         <title>{} {} {} x{}</title></path>\n",
        escaped(&link.a),
        link.kind.as_str(),
        escaped(&link.b),
        link.count
    ));
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for one in text.chars() {
        match one {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no place for them.
            one if one.is_control() => escaped.push('?'),
            one => escaped.push(one),
        }
    }
    escaped
}
