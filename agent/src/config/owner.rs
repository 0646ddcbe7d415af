//! `partition.owner`: whose the GPUs are to cut.

use super::ConfigError;

/// Whose the GPUs of this host are to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Owner {
    /// kerf's, as long as no other manager that cuts them is seen.
    #[default]
    Auto,
    /// kerf's, whoever else is seen.
    Kerf,
    /// Others': kerf leases what is there and cuts nothing.
    Others,
}

impl Owner {
    const ALL: [Self; 3] = [Self::Auto, Self::Kerf, Self::Others];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kerf => "kerf",
            Self::Others => "others",
        }
    }

    /// Reads the key.
    pub(super) fn read(text: Option<&str>) -> Result<Self, ConfigError> {
        let Some(text) = text else {
            return Ok(Self::default());
        };
        let known = Self::ALL.into_iter().find(|owner| owner.as_str() == text);
        known.ok_or_else(|| ConfigError::Value {
            key: "partition.owner",
            message: format!(
                "{text:?} is none of {}",
                Self::ALL.map(Self::as_str).join(", ")
            ),
        })
    }
}
