//! Parts in the occupancy model: each compute slice is counted, by the table of the instance's profile.

use std::collections::BTreeMap;

use kerf_types::{Placement, Profile, ProfileId};

use super::{Compute, Model};
use crate::check::Violation;

impl Model<'_> {
    /// One more part in an instance: slice by slice, by the table of its profile.
    pub(super) fn divide(
        &mut self,
        at: usize,
        place: Placement,
        compute: ProfileId,
        part: Placement,
    ) {
        let pinned = self.expected.pinned.contains(&place);
        let profile = self.live.iter().find(|live| live.place == place);
        let profile = profile.and_then(|live| self.profile(live.profile));
        let table = profile.map(Profile::parts).unwrap_or_default();
        let Some(live) = self.live.iter_mut().find(|live| live.place == place) else {
            return self.found.push(Violation::NotThere { step: at });
        };
        if pinned && live.gi.is_some() {
            self.found.push(Violation::Pinned { step: at, place });
        }
        let row = table.iter().find(|row| row.id == compute);
        let legal = row.is_some_and(|row| row.placements.contains(&part));
        if !legal {
            self.found.push(Violation::IllegalPart {
                step: at,
                profile: compute,
                place,
                part,
            });
        }
        if live.compute.iter().any(|other| other.part.is_none()) {
            self.found.push(Violation::Filled { step: at });
        }
        let taken = |slice: &u8| {
            let mut others = live.compute.iter().filter_map(|other| other.part);
            others.any(|other| other.start <= *slice && *slice < other.start + other.size)
        };
        if let Some(slice) = (part.start..part.start.saturating_add(part.size)).find(taken) {
            self.found.push(Violation::PartOverlap { step: at, slice });
        }
        let same = live
            .compute
            .iter()
            .filter(|other| other.profile == compute)
            .count();
        let most = row.map_or(u32::MAX, |row| row.max_count);
        if u32::try_from(same).is_ok_and(|same| same >= most) {
            self.found.push(Violation::TooMany {
                step: at,
                profile: compute,
                most,
            });
        }
        live.compute.push(Compute {
            id: None,
            uuid: None,
            profile: compute,
            part: Some(part),
        });
    }

    /// The instances that hold parts and nothing else: profile and places of the parts, by place.
    pub fn divided(&self) -> BTreeMap<Placement, (ProfileId, Vec<Placement>)> {
        let mut out = BTreeMap::new();
        for live in self.live.iter().filter(|live| !live.compute.is_empty()) {
            let parts: Option<Vec<Placement>> = live.compute.iter().map(|one| one.part).collect();
            if let Some(parts) = parts {
                out.insert(live.place, (live.profile, parts));
            }
        }
        out
    }
}
