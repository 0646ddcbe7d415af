//! `[web]`: where the status page is. It has no log-in, so an address that other hosts reach is an error
//! unless the configuration says that this is meant.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::file::listen;

/// Where the page is unless the configuration says otherwise.
const DEFAULT: &str = "127.0.0.1:9452";

/// The status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Web {
    /// Where it is served; `None` turns it off.
    pub listen: Option<SocketAddr>,
    /// Whether other hosts may read it.
    pub allow_remote: bool,
}

/// `[web]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebTable {
    /// Default `127.0.0.1:9452`; `none` turns it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_remote: Option<bool>,
}

impl WebTable {
    /// Lays a later table over this one.
    pub fn merge(&mut self, later: Self) {
        self.listen = later.listen.or(self.listen.take());
        self.allow_remote = later.allow_remote.or(self.allow_remote);
    }

    /// Fills in defaults and refuses an address that other hosts reach where that was not said.
    pub fn resolve(self) -> Result<Web, ConfigError> {
        let key = "web.listen";
        let allow_remote = self.allow_remote.unwrap_or(false);
        let listen = listen(key, self.listen.as_deref().unwrap_or(DEFAULT))?;
        if let Some(address) = listen
            && !address.ip().to_canonical().is_loopback()
            && !allow_remote
        {
            let message = format!(
                "{address} is not of this host alone, and the page has no log-in: whoever reaches it reads it; \
                 say web.allow_remote = true if that is meant"
            );
            return Err(ConfigError::Value { key, message });
        }
        Ok(Web {
            listen,
            allow_remote,
        })
    }
}

impl From<&Web> for WebTable {
    fn from(web: &Web) -> Self {
        let listen = web.listen.map_or("none".to_owned(), |at| at.to_string());
        Self {
            listen: Some(listen),
            allow_remote: Some(web.allow_remote),
        }
    }
}
