//! What the packages hold and nobody builds with cargo: pages of the manual, completions, change logs.
//!
//! It lies in `package/` of the release folder, since that is the only place of the build that both
//! packaging tools find wherever the build folder is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kerf_tests::{process, tree};

use super::{build, package};

/// The shells that have completions, and what the script of each is called.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "kerf.bash"),
    ("zsh", "_kerf"),
    ("fish", "kerf.fish"),
];

/// Where the parts lie.
pub fn dir() -> Result<PathBuf> {
    Ok(build::release_dir()?.join("package"))
}

/// Makes all of it anew.
pub fn stage() -> Result<()> {
    let folder = dir()?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let runtime = build::runtime()?;
    std::fs::copy(&runtime, folder.join("kerf-runtime"))
        .with_context(|| format!("{} was not built", runtime.display()))?;
    pages(&folder)?;
    completions(&folder.join("completions"))?;
    change_log("kerf", &folder)?;
    change_log("kerf-sim", &folder.join("sim"))
}

/// The pages that come from the grammars, and those that are written by hand, each in the folder of its section.
fn pages(folder: &Path) -> Result<()> {
    let made = folder.join("manual");
    let kerf = build::release_dir()?.join("kerf");
    process::run(Command::new(kerf).arg("manual").arg(&made))?;
    for source in [made.clone(), tree::workspace_root().join("packaging/man")] {
        let entries = std::fs::read_dir(&source);
        let entries = entries.with_context(|| format!("cannot read {}", source.display()))?;
        for entry in entries.flatten() {
            let page = entry.path();
            let section = page.extension().context("a page has no section")?;
            let section = folder.join(format!("man{}", section.to_string_lossy()));
            std::fs::create_dir_all(&section)?;
            let copy = section.join(entry.file_name());
            std::fs::copy(&page, &copy)?;
            compress(&copy)?;
        }
    }
    std::fs::remove_dir_all(&made).context("cannot remove what was made by the way")
}

fn completions(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let kerf = build::release_dir()?.join("kerf");
    for (shell, name) in SHELLS {
        let script = process::run(Command::new(&kerf).args(["completion", shell]))?;
        ensure!(script.contains("kerf"), "no completions for {shell}");
        std::fs::write(folder.join(name), script)?;
    }
    Ok(())
}

/// Debian wants one in each package; what changed is told in the project's own.
fn change_log(package: &str, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let at = format!("--date=@{}", package::epoch()?);
    let mut date = Command::new("date");
    date.env("LC_ALL", "C").args(["--utc", "--rfc-email", &at]);
    let date = process::run(&mut date)?;
    let version = env!("CARGO_PKG_VERSION");
    let text = format!(
        "{package} ({version}-1) unstable; urgency=medium\n\n  * Release {version}; what is new stands in \
         CHANGELOG.md of the sources.\n\n -- {maintainer}  {date}",
        maintainer = package::MAINTAINER,
    );
    let path = folder.join("changelog.Debian");
    std::fs::write(&path, text)?;
    compress(&path)
}

/// Without a name and a time in the head, so that the same text gives the same bytes.
fn compress(path: &Path) -> Result<()> {
    let mut gzip = Command::new("gzip");
    process::run(gzip.args(["--best", "--no-name", "--force"]).arg(path)).map(drop)
}
