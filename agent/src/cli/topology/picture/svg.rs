//! The drawing as SVG: boxes in boxes, and the accelerators' own links as lines between them.

use super::fabric::Line;
use super::label::{Words, lines};
use super::layout::{Area, GAP, LINE, What, lay};
use super::shape::{Kind, Shape};

/// Sizes are those of [`super::measure::Face`], by which the words are cut.
const STYLE: &str = "text{font:12px Helvetica,Arial,sans-serif;fill:#1c1c1c}\
.name{font-weight:bold}.at{fill:#444;font-family:monospace;font-size:11px}.words{fill:#555;font-size:10px}\
.link{fill:none;stroke:#76b900;stroke-opacity:.7;stroke-linejoin:round}";

/// Draws it.
pub fn draw(shape: &Shape) -> String {
    let layout = lay(shape);
    let whole = &layout.whole;
    let (width, height) = (whole.width, whole.height);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        title = escaped(&shape.title()),
    );
    draw_words(&mut text, whole);
    // Lines begin at the edges of boxes, which are drawn over their ends.
    let (links, others): (Vec<_>, Vec<_>) = whole.inside.iter().partition(is_links);
    for panel in links {
        draw_box(&mut text, panel);
        draw_words(&mut text, panel);
        for line in &layout.lines {
            draw_line(&mut text, line);
        }
        for end in &panel.inside {
            draw_area(&mut text, end);
        }
    }
    for area in others {
        draw_area(&mut text, area);
    }
    text.push_str("</svg>\n");
    text
}

fn is_links(area: &&Area<'_>) -> bool {
    matches!(area.what, What::Links(_))
}

fn draw_area(text: &mut String, area: &Area<'_>) {
    draw_box(text, area);
    draw_words(text, area);
    for inside in &area.inside {
        draw_area(text, inside);
    }
}

fn draw_box(text: &mut String, area: &Area<'_>) {
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
}

/// Each line of a box; where words were cut, all of them are the lines' tip.
fn draw_words(text: &mut String, area: &Area<'_>) {
    let words = lines(area.what, area.width);
    if let Some(whole) = &words.whole {
        text.push_str(&format!("<g><title>{}</title>\n", escaped(whole)));
    }
    for (number, line) in (0u32..).zip(&words.lines) {
        let (x, y) = (area.x + GAP, area.y + 2 * GAP + number * LINE);
        text.push_str(&match line.as_slice() {
            [(face, words)] => format!(
                "<text class=\"{}\" x=\"{x}\" y=\"{y}\">{}</text>\n",
                face.class(),
                escaped(words)
            ),
            line => format!("<text x=\"{x}\" y=\"{y}\">{}</text>\n", spans(line)),
        });
    }
    if words.whole.is_some() {
        text.push_str("</g>\n");
    }
}

fn spans(line: &[Words]) -> String {
    let mut spans = String::new();
    for (number, (face, words)) in line.iter().enumerate() {
        let apart = match number {
            0 => String::new(),
            _ => format!(" dx=\"{GAP}\""),
        };
        let class = face.class();
        let words = escaped(words);
        spans.push_str(&format!("<tspan class=\"{class}\"{apart}>{words}</tspan>"));
    }
    spans
}

fn colors(what: What<'_>) -> (&'static str, &'static str) {
    match what {
        What::Host(_) => ("#ffffff", "none"),
        What::Links(_) | What::Nodes(_) => ("#f7f7f7", "#9a9a9a"),
        What::End(_, true) => ("#e6f5cf", "#76b900"),
        What::End(_, false) => ("#d5efb0", "#4f7d00"),
        What::Branch(branch) => match branch.kind {
            Kind::Bridge => ("#ffffff", "#c0c0c0"),
            Kind::Switch => ("#eeeeee", "#a8a8a8"),
            Kind::Accelerator => ("#e6f5cf", "#76b900"),
            Kind::Nic => ("#d6ebf8", "#3c8dbc"),
            Kind::Nvme => ("#fbeecb", "#c79a2b"),
        },
    }
}

/// Straight from point to point, as thick as the links are many.
fn draw_line(text: &mut String, line: &Line<'_>) {
    let bond = line.bond;
    let width = f64::from(bond.count).sqrt();
    let points = line.points.iter().map(|(x, y)| format!("{x} {y}"));
    let points = points.collect::<Vec<_>>().join(" L");
    text.push_str(&format!(
        "<path class=\"link\" stroke-width=\"{width:.1}\" d=\"M{points}\">\
         <title>{} {} {} x{}</title></path>\n",
        escaped(&bond.a),
        bond.kind.as_str(),
        escaped(&bond.b),
        bond.count
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
