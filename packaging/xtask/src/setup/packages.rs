//! Debian packages that the build and the tests need.
//!
//! Each is looked for by the files that matter, so other distributions pass when they have them.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use kerf_tests::{bins, process, world};
use nix::unistd::Uid;

use crate::out;
use crate::phase::visible;

/// Installs the packages that are given as arguments and starts none of their services.
///
/// dpkg's scripts ask `policy-rc.d` before they start a service; one that says no stands there
/// only while apt runs (`POLICY` names it so that tests can put it elsewhere). A policy that the
/// operator has is left alone. The lists are fetched only when a package is unknown or its file
/// is gone from the mirror, which takes long and needs the network. A machine that has just booted may be
/// updating itself: apt waits for that.
const INSTALL: &str = r#"
set -eu
if [ ! -e "$POLICY" ]; then
    trap 'rm -f "$POLICY"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$POLICY"
    chmod 755 "$POLICY"
fi
export DEBIAN_FRONTEND=noninteractive
update() {
    apt-get update -o DPkg::Lock::Timeout=300
}
fetch() {
    apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Options::=--force-confold "$@"
}
for package in "$@"; do
    if ! apt-cache show "$package" > /dev/null 2>&1; then
        update
        break
    fi
done
fetch "$@" || { update && fetch "$@"; }
"#;

/// Where dpkg's scripts look for the policy.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// A package of Debian 12 and 13.
pub struct Need {
    /// Its name.
    pub package: &'static str,
    /// What it is looked for by, in words.
    pub files: &'static str,
    /// Whether that is there.
    pub is_there: fn() -> bool,
}

/// What the build and the tests need.
pub const NEEDS: [Need; 12] = [
    Need {
        package: "protobuf-compiler",
        files: "protoc (the build of containerd-client runs it)",
        is_there: || has("protoc"),
    },
    Need {
        package: "libprotobuf-dev",
        files: "google/protobuf/any.proto in /usr/include or /usr/local/include",
        is_there: || {
            ["/usr/include", "/usr/local/include"]
                .into_iter()
                .any(has_protos)
        },
    },
    Need {
        package: "musl-tools",
        files: "musl-gcc",
        is_there: || has("musl-gcc"),
    },
    Need {
        package: "containerd",
        files: "containerd, containerd-shim-runc-v2 and ctr",
        is_there: || {
            ["containerd", "containerd-shim-runc-v2", "ctr"]
                .into_iter()
                .all(has)
        },
    },
    Need {
        package: "runc",
        files: "runc",
        is_there: || has("runc"),
    },
    Need {
        package: "busybox-static",
        files: "a busybox that needs no loader",
        is_there: || world::static_busybox().is_ok(),
    },
    Need {
        package: "prometheus",
        files: "promtool",
        is_there: || has("promtool"),
    },
    Need {
        package: "hwloc-nox",
        files: "lstopo-no-graphics",
        is_there: || has("lstopo-no-graphics"),
    },
    Need {
        package: "pciutils",
        files: "lspci",
        is_there: || has("lspci"),
    },
    Need {
        package: "iproute2",
        files: "ip",
        is_there: || has("ip"),
    },
    Need {
        package: "nftables",
        files: "nft",
        is_there: || has("nft"),
    },
    Need {
        package: "python3-venv",
        files: "python3 with venv and ensurepip",
        is_there: || process::run(Command::new("python3").args(["-c", PYTHON_MODULES])).is_ok(),
    },
];

/// Packages for tests that skip without them: nothing else needs them, and they are large.
const WANTS: [Need; 1] = [Need {
    package: "chromium",
    files: "chromium, for the test of the status page (110 MB to fetch)",
    is_there: || has("chromium"),
}];

const PYTHON_MODULES: &str = "import venv, ensurepip";

/// Installs with apt as root; otherwise says what somebody else would have to type.
pub fn install(needs: &[Need]) -> Result<()> {
    check(needs)?;
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|need| need.package).collect();
    out::line(&format!("# {}", line(&names)));
    visible(&mut script(&names, Path::new(POLICY)))?;
    let absent = missing.iter().filter(|need| !(need.is_there)());
    let absent: Vec<&str> = absent.map(|need| need.files).collect();
    if !absent.is_empty() {
        bail!(
            "apt-get has installed the packages, and these are still missing: {}",
            absent.join("; ")
        );
    }
    Ok(())
}

/// Names what is missing; an error says what to type where [`install`] cannot.
pub fn check(needs: &[Need]) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        out::line(&format!(
            "missing: {} (package {})",
            need.files, need.package
        ));
    }
    if bins::system("apt-get").is_none() {
        bail!("install the above with this system's package manager, then run this again");
    }
    if !Uid::effective().is_root() {
        let names: Vec<&str> = missing.iter().map(|need| need.package).collect();
        bail!(
            "not root; run this as root, then start again: {}",
            line(&names)
        );
    }
    Ok(())
}

fn missing(needs: &[Need]) -> Vec<&Need> {
    needs.iter().filter(|need| !(need.is_there)()).collect()
}

/// What somebody would type who has not got these packages, on a machine whose lists are of any age.
fn line(packages: &[&str]) -> String {
    format!(
        "apt-get update && apt-get install --yes --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Installs what only some tests want, where apt can; otherwise says in one line what skips.
pub fn install_wanted() {
    for want in WANTS.iter().filter(|want| !(want.is_there)()) {
        let package = want.package;
        let can = bins::system("apt-get").is_some() && Uid::effective().is_root();
        if can {
            out::line(&format!("# apt-get install {package}: {}", want.files));
        }
        let installed = can && visible(&mut script(&[package], Path::new(POLICY))).is_ok();
        if !installed || !(want.is_there)() {
            out::line(&format!("no {package}: tests that need it will skip"));
        }
    }
}

fn script(packages: &[&str], policy: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", INSTALL, "install"])
        .args(packages)
        .env("POLICY", policy);
    command
}

/// Whether a program is in the usual places.
pub fn has(program: &str) -> bool {
    bins::system(program).is_some()
}

fn has_protos(folder: &str) -> bool {
    Path::new(folder).join("google/protobuf/any.proto").exists()
}

#[cfg(test)]
mod tests;
