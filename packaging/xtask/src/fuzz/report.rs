//! What libFuzzer says of a run, read from its log.

/// Where it says that it has kept a text.
const KEPT: &str = "Test unit written to ";

/// What came of one fuzzer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its name.
    pub target: String,
    /// Texts that were tried.
    pub execs: u64,
    /// How many of them in a second, on average.
    pub execs_per_second: u64,
    /// Places of the code that some text has reached.
    pub coverage: u64,
    /// Texts that reach something which no other does.
    pub corpus: u64,
    /// Where the texts lie that broke a promise.
    pub findings: Vec<String>,
    /// Whether it ran to its end.
    is_whole: bool,
}

impl Outcome {
    /// Reads a log; `is_whole` says whether the program ended well.
    pub fn read(target: &str, log: &str, is_whole: bool) -> Self {
        let statistic = |name: &str| {
            let mut lines = log.lines().rev();
            let line = lines.find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
            line.and_then(number).unwrap_or(0)
        };
        let last = |name: &str| {
            let mut lines = log.lines().rev().filter(|line| line.starts_with('#'));
            let text = lines.find_map(|line| line.split_once(name));
            text.and_then(|(_, rest)| number(rest)).unwrap_or(0)
        };
        let findings = log.lines().filter_map(|line| line.split_once(KEPT));
        Self {
            target: target.to_owned(),
            execs: statistic("number_of_executed_units:"),
            execs_per_second: statistic("average_exec_per_sec:"),
            coverage: last(" cov: "),
            corpus: last(" corp: "),
            findings: findings.map(|(_, path)| path.trim().to_owned()).collect(),
            is_whole,
        }
    }

    /// Whether it tried something and found nothing.
    pub fn is_good(&self) -> bool {
        self.is_whole && self.findings.is_empty() && self.execs > 0
    }

    /// In one line.
    pub fn line(&self) -> String {
        let Self {
            execs, coverage, ..
        } = self;
        let numbers = format!("{execs} execs, {coverage} places reached");
        match self.findings.as_slice() {
            [] if self.is_good() => numbers,
            [] => format!("{numbers}; it ended before its time and kept nothing"),
            kept => format!("{numbers}; found {}", kept.join(", ")),
        }
    }
}

/// The number that a text begins with.
fn number(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let end = text.find(|one: char| !one.is_ascii_digit());
    text.get(..end.unwrap_or(text.len()))?.parse().ok()
}

/// All outcomes, a line each.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<16} {:>12} {:>8} {:>8} {:>7}  FINDINGS",
        "TARGET", "EXECS", "PER S", "COVER", "CORPUS"
    );
    for one in outcomes {
        let found = match one.is_good() {
            true => "none".to_owned(),
            false => format!("{} ", one.findings.len().max(1)) + &one.findings.join(" "),
        };
        text.push_str(&format!(
            "\n{:<16} {:>12} {:>8} {:>8} {:>7}  {found}",
            one.target, one.execs, one.execs_per_second, one.coverage, one.corpus
        ));
    }
    text
}
