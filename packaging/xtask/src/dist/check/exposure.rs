//! systemd's own measure of what a unit may do, against the numbers of the specification.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use kerf_tests::{process, tree};

use crate::out;

/// Unit, and the most that it may have.
const LIMITS: [(&str, f32); 4] = [
    ("kerfd.service", 2.7),
    ("kerf-partitioner@.service", 1.7),
    ("kerf-process@.service", 2.4),
    ("kerf-mps@.service", 2.9),
];

/// What stands before the number.
const VERDICT: &str = "Overall exposure level for ";

/// Measures each.
pub fn check() -> Result<()> {
    for (unit, limit) in LIMITS {
        let path = tree::workspace_root().join("systemd").join(unit);
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["security", "--offline=true", "--no-pager"]);
        // It takes a unit for wanting too much by its own measure, and then exits with 1.
        let output = process::output(analyze.arg(&path))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let exposure = verdict(&text).with_context(|| format!("no verdict on {unit}: {text}"))?;
        ensure!(
            exposure <= limit,
            "{unit} has {exposure}, more than {limit}"
        );
        out::line(&format!("  {unit}: {exposure} (at most {limit})"));
    }
    Ok(())
}

fn verdict(text: &str) -> Option<f32> {
    let line = text.lines().find(|line| line.contains(VERDICT))?;
    let (_, after) = line.rsplit_once(": ")?;
    after.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn the_number_is_found() {
        let text = "x ✗ 0.1\n\n→ Overall exposure level for a@i.service: 1.5 OK 🙂\n";
        assert_eq!(verdict(text), Some(1.5));
        assert_eq!(verdict("nothing"), None);
    }
}
