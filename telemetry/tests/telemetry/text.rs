//! Pages as text, and taken apart again by code that shares nothing with the writer.

use std::collections::BTreeMap;
use std::time::Duration;

use kerf_telemetry::{Format, Rendered, SelfMetrics, Snapshot};

/// A whole page, scraped a quarter of a second after it was rendered.
pub fn page(snapshot: &Snapshot, format: Format) -> String {
    let own = SelfMetrics::try_new().expect("the families are sound");
    Rendered::new(Some(snapshot), &own).text(format, Duration::from_millis(250))
}

/// The lines of a page that say something about `name`, or about a series whose name begins so.
pub fn about(page: &str, name: &str) -> String {
    let lines = page.lines().filter(|line| line.contains(name));
    lines.collect::<Vec<_>>().join("\n")
}

/// One family of a page.
#[derive(Debug, Default)]
pub struct Block {
    /// What stands after `# TYPE name`.
    pub kind: String,
    /// What stands after `# HELP name`.
    pub help: String,
    /// What stands after `# UNIT name`, if it is there.
    pub unit: Option<String>,
    /// Series: everything before the value.
    pub series: Vec<String>,
}

/// Takes a page apart.
///
/// # Panics
/// When comment lines are missing, are not in order, come twice, or samples stand outside of their family.
pub fn blocks(page: &str) -> BTreeMap<String, Block> {
    let mut blocks: BTreeMap<String, Block> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                current = name.to_owned();
                let block = Block {
                    help: help.to_owned(),
                    ..Block::default()
                };
                let before = blocks.insert(current.clone(), block);
                assert!(before.is_none(), "two families are called {name}");
            }
            (Some("#"), Some(what), Some(name), Some(text)) => {
                assert_eq!(name, current, "{line}");
                let block = blocks.get_mut(name).expect("HELP comes first");
                assert!(block.series.is_empty(), "comments first: {line}");
                match what {
                    "TYPE" => block.kind = text.to_owned(),
                    "UNIT" => block.unit = Some(text.to_owned()),
                    _ => panic!("{line}"),
                }
            }
            _ => {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                let block = blocks.get_mut(&current).expect("a family comes first");
                assert!(
                    belongs(series, &current, &block.kind),
                    "{line} under {current}"
                );
                block.series.push(series.to_owned());
            }
        }
    }
    blocks
}

fn belongs(series: &str, family: &str, kind: &str) -> bool {
    let name = series.split_once('{').map_or(series, |(name, _)| name);
    let Some(suffix) = name.strip_prefix(family) else {
        return false;
    };
    match kind {
        "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
        // The classic format has the whole name in its comments.
        "counter" => ["", "_total"].contains(&suffix) && name.ends_with("_total"),
        "info" => suffix == "_info",
        "gauge" => suffix.is_empty(),
        _ => false,
    }
}
