//! The reference implementation of CDI as a program, which tests compare with. It is a workspace of its own with two
//! hundred crates, built once into a folder of its own.

use anyhow::Result;
use kerf_tests::{Capability, bins, capability, tree};

use crate::out;
use crate::phase::{cargo, visible};

/// Builds it, or says in one line that it could not be had; fails where `KERF_REQUIRE` names it.
pub fn install() -> Result<()> {
    let folder = tree::workspace_root().join("tests/cdi-oracle");
    let target = bins::cdi_oracle_target()?;
    let mut build = cargo(&["build", "--locked", "--quiet", "--manifest-path"]);
    build.arg(folder.join("Cargo.toml"));
    build.arg("--target-dir").arg(target);
    let Err(error) = visible(&mut build) else {
        return Ok(());
    };
    if capability::demanded_here()?.contains(&Capability::Oracle) {
        return Err(error.context("no CDI reference, which KERF_REQUIRE names"));
    }
    out::line(&format!(
        "no CDI reference: {error:#}; tests that compare with it will skip"
    ));
    Ok(())
}
