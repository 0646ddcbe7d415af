//! What is wrong with a drawing of boxes, words and lines: an SVG as `kerf topology -o svg` writes it.
//!
//! It measures words by the true widths of DejaVu Sans, and shares no code with what draws.

use anyhow::{Context, Result};
use roxmltree::{Document, Node};

#[cfg(test)]
mod tests;

/// Thousandths of its height that each character from the blank to `~` is wide in DejaVu Sans (`hmtx` of the font's
/// file): the widest face that browsers on Linux take for Helvetica.
#[rustfmt::skip]
const REGULAR: [u16; 95] = [
    318, 401, 460, 838, 637, 951, 780, 275, 391, 391, 500, 838, 318, 361, 318, 337, 637, 637, 637, 637, 637, 637, 637,
    637, 637, 637, 337, 337, 838, 838, 838, 531, 1000, 685, 687, 699, 771, 632, 576, 775, 752, 295, 295, 656, 558, 863,
    749, 788, 604, 788, 695, 635, 611, 732, 685, 989, 686, 611, 686, 391, 337, 391, 838, 500, 500, 613, 635, 550, 635,
    616, 353, 635, 634, 278, 278, 580, 278, 975, 634, 612, 635, 635, 412, 521, 393, 634, 592, 818, 592, 592, 525, 637,
    337, 637, 838,
];

/// The same of DejaVu Sans Bold.
#[rustfmt::skip]
const BOLD: [u16; 95] = [
    349, 457, 521, 838, 696, 1002, 873, 307, 458, 458, 523, 838, 380, 416, 380, 366, 696, 696, 696, 696, 696, 696, 696,
    696, 696, 696, 400, 400, 838, 838, 838, 581, 1000, 774, 763, 734, 831, 684, 684, 821, 837, 373, 373, 775, 638, 996,
    837, 851, 733, 851, 771, 721, 683, 813, 774, 1104, 771, 725, 726, 458, 366, 458, 838, 500, 500, 675, 716, 593, 716,
    679, 436, 716, 712, 343, 343, 666, 343, 1042, 712, 688, 716, 716, 494, 596, 479, 712, 652, 924, 646, 652, 583, 712,
    366, 712, 838,
];

/// From the edge of a box inwards, where a line may end.
const EDGE: f64 = 2.0;

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rect {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Rect {
    fn holds(self, (x, y): (f64, f64)) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }

    fn holds_all(self, other: Self) -> bool {
        self.holds((other.left, other.top)) && self.holds((other.right, other.bottom))
    }

    fn meets(self, other: Self) -> bool {
        let beside = self.right <= other.left || other.right <= self.left;
        let below = self.bottom <= other.top || other.bottom <= self.top;
        !beside && !below
    }

    fn smaller(self, by: f64) -> Self {
        Self {
            left: self.left + by,
            top: self.top + by,
            right: self.right - by,
            bottom: self.bottom - by,
        }
    }

    fn size(self) -> f64 {
        (self.right - self.left) * (self.bottom - self.top)
    }
}

/// All complaints: words that run over the box they stand in, boxes and words that lie on each other, and lines that
/// cross a box which they do not lie in.
///
/// # Errors
/// Where it is no XML, or an element lacks a number that it must have.
pub fn complaints(svg: &str) -> Result<Vec<String>> {
    let document = Document::parse(svg).context("a drawing is XML")?;
    let of = |name: &'static str| {
        document
            .descendants()
            .filter(move |one| one.has_tag_name(name))
    };
    let boxes = of("rect").map(rect).collect::<Result<Vec<Rect>>>()?;
    let words = of("text")
        .map(text)
        .collect::<Result<Vec<(Rect, String)>>>()?;
    let lines = of("path").map(points).collect::<Result<Vec<_>>>()?;
    let mut wrong = Vec::new();
    for (place, words) in &words {
        let around = boxes
            .iter()
            .filter(|one| one.holds((place.left, place.bottom)));
        let around = around.min_by(|a, b| a.size().total_cmp(&b.size()));
        if !around.is_some_and(|around| around.holds_all(*place)) {
            wrong.push(format!("{words:?} at {place:?} runs over {around:?}"));
        }
    }
    for (at, one) in boxes.iter().enumerate() {
        let others = boxes.iter().skip(at + 1);
        let meet = others.filter(|other| {
            one.meets(**other) && !one.holds_all(**other) && !other.holds_all(*one)
        });
        wrong.extend(meet.map(|other| format!("{one:?} lies on {other:?}")));
    }
    for (at, (one, text)) in words.iter().enumerate() {
        let others = words.iter().skip(at + 1);
        let meet = others.filter(|(other, _)| one.meets(*other));
        wrong.extend(meet.map(|(_, other)| format!("{text:?} lies on {other:?}")));
    }
    for line in &lines {
        let is_around = |one: &&Rect| line.iter().all(|point| one.holds(*point));
        let closed = boxes.iter().filter(|one| !is_around(one));
        let closed = closed.chain(words.iter().map(|(place, _)| place));
        let crossed = closed.filter(|one| crosses(line, one.smaller(EDGE)));
        wrong.extend(crossed.map(|one| format!("{line:?} crosses {one:?}")));
    }
    Ok(wrong)
}

fn number(node: Node<'_, '_>, name: &str) -> Result<f64> {
    let text = node.attribute(name).unwrap_or("0");
    text.parse().with_context(|| format!("{name} of {node:?}"))
}

fn rect(node: Node<'_, '_>) -> Result<Rect> {
    let (left, top) = (number(node, "x")?, number(node, "y")?);
    Ok(Rect {
        left,
        top,
        right: left + number(node, "width")?,
        bottom: top + number(node, "height")?,
    })
}

fn text(node: Node<'_, '_>) -> Result<(Rect, String)> {
    let (left, bottom) = (number(node, "x")?, number(node, "y")?);
    let (mut width, mut whole) = (0.0, String::new());
    for piece in node.descendants().filter(Node::is_text) {
        let element = piece.parent_element().context("words are in an element")?;
        let words = piece.text().unwrap_or_default();
        width += number(element, "dx")? + width_of(element.attribute("class"), words);
        whole.push_str(words);
    }
    let place = Rect {
        left,
        // Capitals are three quarters of a line's height.
        top: bottom - 9.0,
        right: left + width,
        bottom,
    };
    Ok((place, whole))
}

/// Pixels of words of a class.
fn width_of(class: Option<&str>, words: &str) -> f64 {
    let (height, widths) = match class {
        Some("at") => return 11.0 * 0.602_1 * words.chars().map(|_| 1.0).sum::<f64>(),
        Some("words") => (10.0, &REGULAR),
        _ => (12.0, &BOLD),
    };
    let em = |one: char| {
        let place = u32::from(one).checked_sub(u32::from(' '));
        let place = place.and_then(|place| usize::try_from(place).ok());
        // Every other sign that is used, the ellipsis, is as wide as it is high.
        let width = place.and_then(|place| widths.get(place)).unwrap_or(&1_000);
        f64::from(*width) / 1_000.0
    };
    height * words.chars().map(em).sum::<f64>()
}

/// The points of a path of straight lines.
fn points(node: Node<'_, '_>) -> Result<Vec<(f64, f64)>> {
    let path = node.attribute("d").context("a path has a way")?;
    let point = |text: &str| {
        let (x, y) = text.trim().split_once(' ').context("two numbers")?;
        Ok((x.parse()?, y.parse()?))
    };
    let all = path.strip_prefix('M').context("a path begins with M")?;
    let points: Result<Vec<_>> = all.split('L').map(point).collect();
    points.with_context(|| format!("the path {path}"))
}

/// Whether a line goes through a rectangle: whether a part of it lies between each two opposite edges.
fn crosses(line: &[(f64, f64)], through: Rect) -> bool {
    line.windows(2).any(|ends| {
        let [(ax, ay), (bx, by)] = ends else {
            return false;
        };
        let across = between(*ax, *bx, through.left, through.right);
        let down = between(*ay, *by, through.top, through.bottom);
        across.0.max(down.0) < across.1.min(down.1)
    })
}

/// Which part of the way from `a` to `b`, from 0 to 1, lies between two edges; an end before its begin is none.
fn between(a: f64, b: f64, low: f64, high: f64) -> (f64, f64) {
    if a == b {
        return if (low..=high).contains(&a) {
            (0.0, 1.0)
        } else {
            (1.0, 0.0)
        };
    }
    let (one, other) = ((low - a) / (b - a), (high - a) / (b - a));
    (one.min(other).max(0.0), one.max(other).min(1.0))
}
