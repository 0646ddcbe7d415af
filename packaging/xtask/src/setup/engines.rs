//! Engines of other Debian suites, unpacked side by side below the build folder.
//!
//! apt works on a state of its own there (lists, cache, an empty record of what is installed), so nothing of the
//! machine changes and root is not needed. Its mirror and key are those that the machine's apt has. A program that
//! does not start with the machine's C library is bound to the one that its own suite has.

mod mirror;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use kerf_tests::engines::{NOTE, Program, Suite};
use kerf_tests::{Capability, bins, capability, engines, process};

use crate::out;
use mirror::Mirror;

/// What apt is told besides where its state is. Without a network the tests should start soon.
const APT: [&str; 5] = [
    "Acquire::Retries=1",
    "Acquire::http::Timeout=20",
    "Acquire::Languages=none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
    "APT::Install-Recommends=false",
];

/// Unpacks what is missing; says so in one line where it cannot be had, and fails where `KERF_REQUIRE` names
/// `engines`.
pub fn install() -> Result<()> {
    for suite in Suite::ALL
        .into_iter()
        .filter(|suite| suite.probe().is_err())
    {
        let name = suite.name();
        out::line(&format!("# engines of Debian {name}, to be unpacked"));
        let Err(error) = unpack(suite) else {
            continue;
        };
        if capability::demanded_here()?.contains(&Capability::Engines) {
            return Err(error.context("no other engines, which KERF_REQUIRE names"));
        }
        let reason = format!("{error:#}");
        let reason = reason.lines().rev().find(|line| !line.trim().is_empty());
        let reason = reason.unwrap_or_default().trim();
        out::line(&format!("no engines of {name}: {reason}"));
        out::line("tests with engines of other versions will skip");
        return Ok(());
    }
    Ok(())
}

/// Fetches, unpacks and checks one suite. The note is written last: what is half-made is made anew.
fn unpack(suite: Suite) -> Result<()> {
    if bins::system("apt-get").is_none() || bins::system("dpkg").is_none() {
        bail!("apt-get and dpkg are not installed");
    }
    let folder = suite.folder()?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let root = folder.join("root");
    std::fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    let apt = Apt::prepare(&folder.join("apt"), &Mirror::of_this_machine()?, suite)?;
    process::run(apt.get().arg("update"))?;
    let mut fetch = apt.get();
    fetch.args(["install", "--yes", "--download-only"]);
    process::run(fetch.args(suite.packages()))?;
    for package in apt.fetched()? {
        process::run(Command::new("dpkg").arg("-x").arg(package).arg(&root))?;
    }
    // Manuals, words and pictures.
    std::fs::remove_dir_all(root.join("usr/share"))?;
    // Lists and packages are larger than what was unpacked, and nobody reads them again.
    std::fs::remove_dir_all(&apt.folder)?;
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin)?;
    for program in suite.programs() {
        let version = provide(program, &root, &bin)?;
        out::line(&format!("{}: {version}", program.name));
    }
    std::fs::write(folder.join(NOTE), suite.note(&folder)).context("cannot write the note")
}

/// Names an unpacked program in `bin`, and sees that it starts; returns its version in its own words.
fn provide(program: Program, root: &Path, bin: &Path) -> Result<String> {
    let name = program.name;
    let mut places = ["usr/bin", "usr/sbin", "bin", "sbin"].into_iter();
    let unpacked = places.find_map(|place| {
        let path = root.join(place).join(name).canonicalize().ok()?;
        path.is_file().then_some(path)
    });
    let unpacked = unpacked.with_context(|| format!("no package has a program {name}"))?;
    let version = || process::run(Command::new(&unpacked).arg(program.version));
    let said = version().or_else(|_| {
        bind(&unpacked, root)?;
        version().with_context(|| format!("{name} does not start with its own suite's libraries"))
    })?;
    std::os::unix::fs::symlink(&unpacked, bin.join(name))
        .with_context(|| format!("cannot name {name} in {}", bin.display()))?;
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}

/// Has a program use the loader and the libraries of its own suite.
fn bind(program: &Path, root: &Path) -> Result<()> {
    let patchelf = || patchelf().map(Command::new);
    let interpreter = process::run(patchelf()?.arg("--print-interpreter").arg(program))?;
    let interpreter = interpreter.trim().trim_start_matches('/').to_owned();
    let mut places = [root.join(&interpreter), root.join("usr").join(&interpreter)].into_iter();
    let loader = places.find(|path| path.exists());
    let loader = loader.with_context(|| format!("no package has a loader {interpreter}"))?;
    let loader = loader.canonicalize()?;
    // Where `/lib` and `/usr/lib` are two folders, the C library is in the one and most others are in the other.
    let triple = loader.parent().and_then(Path::file_name);
    let triple = triple.context("a loader lies in a folder")?;
    let libraries = ["lib", "usr/lib"].map(|place| root.join(place).join(triple));
    let libraries = std::env::join_paths(libraries).context("a colon in a folder's name")?;
    let mut command = patchelf()?;
    // DT_RPATH and not DT_RUNPATH, for it holds for the libraries that libraries need as well.
    command
        .arg("--force-rpath")
        .arg("--set-rpath")
        .arg(libraries);
    command.arg("--set-interpreter").arg(&loader);
    process::run(command.arg(program)).map(drop)
}

/// The one of the oldest suite, which is unpacked first and starts on every machine.
fn patchelf() -> Result<PathBuf> {
    let path = Suite::Bookworm.folder()?.join("root/usr/bin/patchelf");
    anyhow::ensure!(
        path.exists(),
        "no patchelf in {}",
        engines::folder()?.display()
    );
    Ok(path)
}

/// An apt with a state of its own.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn prepare(folder: &Path, mirror: &Mirror, suite: Suite) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            std::fs::create_dir_all(folder.join(part))
                .with_context(|| format!("cannot make {}/{part}", folder.display()))?;
        }
        // Nothing is installed as far as this apt knows, so everything that is needed is fetched.
        std::fs::write(folder.join("status"), "")?;
        std::fs::write(folder.join("debian.sources"), mirror.sources(suite.name()))?;
        let folder = folder.to_path_buf();
        Ok(Self { folder })
    }

    fn get(&self) -> Command {
        let mut command = Command::new("apt-get");
        let own = [
            ("Dir::State", ""),
            ("Dir::State::lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
            ("Dir::Etc::sourcelist", "debian.sources"),
            ("Dir::Etc::sourceparts", "none"),
            ("Dir::Etc::preferences", "none"),
            ("Dir::Etc::preferencesparts", "none"),
        ];
        for (option, place) in own {
            let path = self.folder.join(place);
            command
                .arg("-o")
                .arg(format!("{option}={}", path.display()));
        }
        for option in APT {
            command.args(["-o", option]);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    fn fetched(&self) -> Result<Vec<PathBuf>> {
        let archives = self.folder.join("cache/archives");
        let entries = std::fs::read_dir(&archives)?.collect::<Result<Vec<_>, _>>()?;
        let paths = entries.into_iter().map(|entry| entry.path());
        let packages: Vec<PathBuf> = paths
            .filter(|path| path.extension().is_some_and(|kind| kind == "deb"))
            .collect();
        anyhow::ensure!(!packages.is_empty(), "apt fetched nothing");
        Ok(packages)
    }
}
