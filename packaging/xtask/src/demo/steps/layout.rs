//! A layout file becomes a plan, a diff, and then slices.

use std::fs;

use anyhow::{Context, Result};

use super::super::hosts::Hosts;
use super::super::stage::Stage;
use super::slices;

/// GPU 0 is cut into four slices, the others stay whole.
const LAYOUT: &str = "\
schema: kerf.v1.Layout
rules:
  - gpus: [0]
    slices:
      1g.10gb: 2
      2g.20gb: 1
      3g.40gb: 1
  - gpus: [1, 2, 3, 4, 5, 6, 7]
    mig: false
";

/// The profiles that the layout asks for, in order of name.
const PROFILES: [&str; 4] = ["1g.10gb", "1g.10gb", "2g.20gb", "3g.40gb"];

/// What `kerf plan --exit-code` exits with when the host differs from the layout.
const DIFFERENT: i32 = 3;

/// Shows the plan; nothing is changed by it.
pub fn plan(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    let path = hosts.layout();
    fs::write(&path, LAYOUT).with_context(|| format!("cannot write {}", path.display()))?;
    stage.say("The layout:");
    stage.print(LAYOUT);
    let path = path.display().to_string();
    let (code, text) = stage.run_any(&mut hosts.kerf(&["plan", "--exit-code", &path])?)?;
    stage.check(
        "the exit code says that the host differs",
        code == DIFFERENT,
    )?;
    let named = PROFILES.iter().all(|profile| text.contains(profile));
    stage.check("the diff names every slice to be cut", named)?;
    stage.check("nothing has been cut yet", slices(hosts)?.is_empty())
}

/// Applies it, and looks at what is there then.
pub fn apply(stage: &mut Stage, hosts: &mut Hosts) -> Result<()> {
    let path = hosts.layout().display().to_string();
    stage.run(&mut hosts.kerf(&["apply", &path])?)?;
    stage.run(&mut hosts.kerf(&["slices"])?)?;
    let slices = slices(hosts)?;
    let mut profiles: Vec<&str> = slices.iter().map(|slice| slice.profile.as_str()).collect();
    profiles.sort_unstable();
    stage.check("GPU 0 has the four slices", profiles == PROFILES)?;
    let free = slices
        .iter()
        .all(|slice| slice.gpu == 0 && slice.state == "free");
    stage.check("all of them are free", free)?;
    let (code, _) = stage.run_any(&mut hosts.kerf(&["plan", "--exit-code", &path])?)?;
    stage.check("a second plan has nothing to do", code == 0)
}
