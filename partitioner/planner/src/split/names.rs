//! From wanted names to the profiles of each GPU.

use std::collections::BTreeMap;

use kerf_types::{ProfileId, ProfileName};

use super::{SplitError, Wanted};
use crate::grid::{Grid, NameError};

/// What each name means on each GPU, for [`super::plan_split`].
///
/// A name means the profile that is called exactly so. Only where no GPU of all has one is it taken as on
/// one GPU, where the memory figure may differ: else an A100 with 40 GB would pass for one with 80.
pub fn wanted(
    grids: &[&Grid],
    want: &BTreeMap<ProfileName, u32>,
) -> Result<Vec<Wanted>, SplitError> {
    let mut out: Vec<Wanted> = Vec::new();
    for (name, &count) in want.iter().filter(|(_, count)| **count > 0) {
        if name.compute_slices.is_some_and(|part| part != name.slices) {
            return Err(SplitError::Partial {
                name: name.to_string(),
            });
        }
        let profiles = meaning(grids, name)?;
        let name = name.to_string();
        if profiles.iter().all(Option::is_none) {
            return Err(SplitError::Nowhere { name });
        }
        // Two spellings of one profile.
        if let Some(same) = out.iter_mut().find(|known| known.profiles == profiles) {
            same.count = same.count.saturating_add(count);
            continue;
        }
        out.push(Wanted {
            name,
            count,
            profiles,
        });
    }
    Ok(out)
}

fn meaning(grids: &[&Grid], name: &ProfileName) -> Result<Vec<Option<ProfileId>>, SplitError> {
    let exact = |grid: &&Grid| {
        let mut profiles = grid.profiles().iter();
        profiles.find(|known| known.name == *name).map(|one| one.id)
    };
    let found: Vec<Option<ProfileId>> = grids.iter().map(exact).collect();
    if found.iter().any(Option::is_some) {
        return Ok(found);
    }
    let near = grids
        .iter()
        .zip(0..)
        .map(|(grid, gpu)| match grid.resolve(name) {
            Ok(id) => Ok(Some(id)),
            Err(NameError::Ambiguous { known, .. }) => {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                Err(SplitError::Ambiguous {
                    name: name.to_string(),
                    gpu,
                    candidates: known.join(", "),
                })
            }
            Err(
                NameError::Unknown { .. } | NameError::Partial { .. } | NameError::NoPart { .. },
            ) => Ok(None),
        });
    near.collect()
}
