//! From a profile's name, in whatever spelling, to the profile of a grid.

use kerf_types::{ProfileId, ProfileName};

use super::{Grid, GridProfile};

/// Why a name means no profile of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No profile is called so.
    #[error("no profile {name} here, nearest is {nearest}; known: {}", list(known))]
    Unknown {
        /// The name that was asked for.
        name: ProfileName,
        /// The name most like it.
        nearest: ProfileName,
        /// Every name of the GPU.
        known: Vec<ProfileName>,
    },
    /// Several profiles could be meant.
    #[error("{name} could mean {} here", list(known))]
    Ambiguous {
        /// The name that was asked for.
        name: ProfileName,
        /// What it could mean.
        known: Vec<ProfileName>,
    },
    /// The GPU instance cannot be divided so.
    #[error("no part {name} here, {whole} divides into: {}", list(known))]
    NoPart {
        /// The name that was asked for.
        name: ProfileName,
        /// The whole instance's name.
        whole: ProfileName,
        /// Its parts.
        known: Vec<ProfileName>,
    },
    /// Part of a GPU instance was asked for where only whole ones can be.
    #[error("{name} names a part of a GPU instance, only whole ones can be asked for: {whole}")]
    Partial {
        /// The name that was asked for.
        name: ProfileName,
        /// The whole instance's name.
        whole: ProfileName,
    },
}

/// Whether two figures can stand for one memory: drivers round them by shares of what they call the whole, which
/// differs by a few percent. Profiles of one GPU that only their memory tells apart have twice of it.
fn is_near(one: u32, other: u32) -> bool {
    one.abs_diff(other).saturating_mul(10) <= one.max(other)
}

fn list(names: &[ProfileName]) -> String {
    let words: Vec<String> = names.iter().map(ToString::to_string).collect();
    match words.as_slice() {
        [] => "nothing".to_owned(),
        words => words.join(", "),
    }
}

impl Grid {
    /// The profile that a name means and, for a part of an instance of it, its compute slices.
    pub fn resolve_slice(&self, name: &ProfileName) -> Result<(ProfileId, Option<u8>), NameError> {
        let id = self.resolve(&name.part(None))?;
        let part = name.compute_slices.filter(|slices| *slices != name.slices);
        let Some(slices) = part else {
            return Ok((id, None));
        };
        let Some(profile) = self.profile(id).filter(|one| one.part(slices).is_none()) else {
            return Ok((id, part));
        };
        let parts = profile.parts.iter();
        Err(NameError::NoPart {
            name: name.clone(),
            whole: profile.name.clone(),
            known: parts
                .map(|part| profile.name.part(Some(part.slices)))
                .collect(),
        })
    }

    /// The profile that a name of a whole instance means.
    ///
    /// The memory figure of a name differs between drivers and tools (`1g.23gb` and `1g.24gb` are one
    /// profile of a GB200), so a name that no profile has exactly means the only profile with its slices and
    /// its attribute; where there are several (`1g.47gb` has the same), the only one of about that memory.
    pub fn resolve(&self, name: &ProfileName) -> Result<ProfileId, NameError> {
        if name
            .compute_slices
            .is_some_and(|compute| compute != name.slices)
        {
            let whole = ProfileName {
                compute_slices: None,
                ..name.clone()
            };
            return Err(NameError::Partial {
                name: name.clone(),
                whole,
            });
        }
        let whole = ProfileName {
            compute_slices: None,
            ..name.clone()
        };
        let exact = self.matching(|profile| profile.name == whole);
        let alike = self.matching(|profile| {
            profile.name.slices == whole.slices && profile.name.attribute == whole.attribute
        });
        let near = alike.iter().copied();
        let near: Vec<_> = near
            .filter(|profile| is_near(profile.name.memory_gb, whole.memory_gb))
            .collect();
        let several = alike.len() > 1 && near.len() == 1;
        for found in [exact, if several { near } else { alike }] {
            match found.as_slice() {
                [one] => return Ok(one.id),
                [] => {}
                several => {
                    return Err(NameError::Ambiguous {
                        name: name.clone(),
                        known: several.iter().map(|profile| profile.name.clone()).collect(),
                    });
                }
            }
        }
        Err(NameError::Unknown {
            name: name.clone(),
            nearest: self.nearest(&whole).unwrap_or(whole),
            known: self
                .profiles()
                .iter()
                .map(|profile| profile.name.clone())
                .collect(),
        })
    }

    fn matching(&self, test: impl Fn(&GridProfile) -> bool) -> Vec<&GridProfile> {
        self.profiles()
            .iter()
            .filter(|profile| test(profile))
            .collect()
    }

    fn nearest(&self, name: &ProfileName) -> Option<ProfileName> {
        let names = self.profiles().iter().map(|profile| &profile.name);
        // Memory counts before slices: who writes 1g.40gb on an 80 GB board most often wants 40 GB.
        let distance = |other: &&ProfileName| {
            (
                other.memory_gb.abs_diff(name.memory_gb),
                other.slices.abs_diff(name.slices),
                other.attribute != name.attribute,
            )
        };
        names.min_by_key(distance).cloned()
    }
}
