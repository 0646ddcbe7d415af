//! `kerf doctor`: what is not as it should be on a host, each with what to do.

use serde::Serialize;

use super::schema_tag;

schema_tag!(DoctorSchema, "kerf.v1.Doctor");

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doctor {
    /// Names this document.
    pub schema: DoctorSchema,
    /// The host's name.
    pub host: String,
    /// Whether nothing is wrong: a note alone is none.
    pub ok: bool,
    /// The worst first, then by what they are about.
    pub findings: Vec<Finding>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The device, file or part of kerf that it is about.
    pub what: String,
    /// What is wrong with it.
    pub why: String,
    /// What to do; empty where nobody needs to do anything.
    pub hint: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something works, and slower or with less than it could.
    Warning,
    /// Something is not known that a kernel could tell.
    Note,
}

impl Severity {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Doctor {
    /// The document of these findings.
    pub fn new(host: String, mut findings: Vec<Finding>) -> Self {
        findings.sort();
        findings.dedup();
        Self {
            schema: DoctorSchema::V1,
            host,
            ok: findings.iter().all(|one| one.severity == Severity::Note),
            findings,
        }
    }
}
