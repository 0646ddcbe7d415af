//! A keyring for the hosts of a fleet whose gossip is to be sealed.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::process::Command;

use anyhow::{Context, Result};

use super::kerfd::Settings;
use crate::{bins, process};

/// One with a new key, for all hosts of a fleet.
#[derive(Debug, Clone)]
pub struct Ring(String);

impl Ring {
    /// Has kerf make one.
    ///
    /// # Errors
    /// When it does not.
    pub fn new() -> Result<Self> {
        let mut kerf = Command::new(bins::kerf()?);
        process::run(kerf.args(["keyring", "generate"])).map(Self)
    }

    /// Gives it to a host that was not started yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn give(&self, settings: &Settings) -> Result<()> {
        let folder = settings.folder.join("state/cluster");
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        made.with_context(|| format!("cannot make {}", folder.display()))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(folder.join("keyring.json"))?;
        Ok(file.write_all(self.0.as_bytes())?)
    }
}
