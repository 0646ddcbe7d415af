//! The line of a document that is wrong, with a caret under the place and the nearest right word.

/// Longest line that is shown; of a longer one the part around the place.
const WIDTH: usize = 100;

/// A line and a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Counted from 1.
    line: u64,
    /// Characters before the place in `text`.
    before: usize,
    text: String,
    /// What would be right.
    hint: Option<String>,
}

impl Excerpt {
    /// The place in a text, both counted from 1.
    pub fn of(text: &str, line: u64, column: u64) -> Option<Self> {
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        let whole = text.lines().nth(at)?;
        let before = usize::try_from(column).ok()?.saturating_sub(1);
        let before = before.min(whole.chars().count());
        let skipped = before.saturating_sub(WIDTH * 2 / 3);
        let shown = whole.chars().skip(skipped).take(WIDTH);
        Some(Self {
            line,
            before: before - skipped,
            text: shown
                .map(|one| if one.is_control() { ' ' } else { one })
                .collect(),
            hint: None,
        })
    }

    /// The same with what would be right.
    #[must_use]
    pub fn saying(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// The lines to show.
    pub fn show(&self) -> String {
        let number = self.line.to_string();
        let (margin, gap) = (" ".repeat(number.len()), " ".repeat(self.before));
        let hint = self.hint.as_ref().map(|hint| format!(" {hint}"));
        let line = format!("  {number} | {}", self.text);
        let mark = format!("  {margin} | {gap}^{}", hint.unwrap_or_default());
        format!("{}\n{mark}\n", line.trim_end())
    }
}

/// serde says ``unknown field `a`, expected one of `b`, `c` ``, some readers without the ticks: the nearest of them.
pub fn nearest(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("unknown field `")?;
    let (found, rest) = rest.split_once('`')?;
    let (_, known) = rest.split_once("expected ")?;
    let known = known.trim_start_matches("one of ");
    let known = known.split(" at line").next().unwrap_or(known);
    let words = known.split([',', ' ']).map(|word| word.trim_matches('`'));
    let alike = |word: &&str| strsim::jaro_winkler(found, word);
    let best = words
        .filter(|word| !word.is_empty() && *word != "or")
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(&best) > 0.7).then(|| format!("did you mean {best}?"))
}

#[cfg(test)]
mod tests {
    use super::{Excerpt, nearest};

    #[test]
    fn a_place_is_marked() {
        let text = "rules:\n- gpu: [0]\n";
        let message = "unknown field `gpu`, expected one of gpus, mig, slices at line 2, column 3";
        let excerpt = Excerpt::of(text, 2, 3)
            .expect("a place")
            .saying(nearest(message));
        assert_eq!(
            excerpt.show(),
            "  2 | - gpu: [0]\n    |   ^ did you mean gpus?\n"
        );
        let long = format!("{}x", "a".repeat(5_000));
        let shown = Excerpt::of(&long, 1, 5_001).expect("a place").show();
        assert!(shown.len() < 250 && shown.contains("ax\n"), "{shown}");
        assert_eq!(Excerpt::of(text, 9, 1), None);
        assert_eq!(
            nearest("unknown field `zzz`, expected one of `gpus`, `mig`"),
            None
        );
        assert_eq!(nearest("something else"), None);
    }
}
