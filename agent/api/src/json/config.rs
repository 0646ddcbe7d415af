//! `kerf config show`: the configuration in force.

use serde::Serialize;

use super::schema_tag;
use crate::v1;

schema_tag!(ConfigSchema, "kerf.v1.Config");

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// Names this document.
    pub schema: ConfigSchema,
    /// Files that it was read from, in order.
    pub files: Vec<String>,
    /// Every setting, as in the files.
    pub settings: serde_json::Value,
}

impl TryFrom<&v1::Config> for Config {
    type Error = toml::de::Error;

    fn try_from(config: &v1::Config) -> Result<Self, toml::de::Error> {
        let (schema, files) = (ConfigSchema::V1, config.files.clone());
        Ok(Self {
            schema,
            files,
            settings: toml::from_str(&config.toml)?,
        })
    }
}
