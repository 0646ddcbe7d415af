//! What a line says lives on a GPU: it must be a state that the GPU can be in.

use kerf_planner::Existing;
use kerf_types::{Engines, GiId, Placement, ProfileId};

use super::grid::Known;
use super::wire;

/// Why a state cannot be.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadState {
    /// No profile is called so.
    #[error("no profile is called {0:?}")]
    NoProfile(String),
    /// It may not begin there.
    #[error("{profile} may not lie at {start}")]
    NoPlace { profile: String, start: u32 },
    /// Something else lies there.
    #[error("{profile} at {start} lies over {other} at {other_start}")]
    Overlap {
        profile: String,
        start: u32,
        other: String,
        other_start: u8,
    },
    /// More than there may be.
    #[error("{count} of {profile} are placed, at most {most} can be")]
    TooMany {
        profile: String,
        count: u32,
        most: u32,
    },
    /// More engines than there are.
    #[error("what is placed owns {owned} {engine} engines, the GPU has {most}")]
    Engines {
        engine: &'static str,
        owned: u64,
        most: u64,
    },
}

/// The instances of a GPU, in the order of the line.
pub(super) fn current(known: &Known, placed: &[wire::Placed]) -> Result<Vec<Existing>, BadState> {
    let mut out: Vec<Existing> = Vec::with_capacity(placed.len());
    for (one, gi) in placed.iter().zip(0..) {
        let id = known
            .id(&one.profile)
            .ok_or_else(|| BadState::NoProfile(one.profile.clone()))?;
        let place = place(known, id, one)?;
        let mask = place.mask();
        if let Some(other) = out
            .iter()
            .find(|other| other.placement.mask().overlaps(mask))
        {
            return Err(BadState::Overlap {
                profile: one.profile.clone(),
                start: one.start,
                other: known.name(other.profile).to_owned(),
                other_start: other.placement.start,
            });
        }
        out.push(Existing {
            gi: GiId(gi),
            profile: id,
            placement: place,
            weight: one.weight,
            pinned: one.pinned,
            complete: true,
            compute: Vec::new(),
            parts: Vec::new(),
        });
    }
    check_counts(known, &out)?;
    check_engines(known, &out)?;
    Ok(out)
}

fn place(known: &Known, id: ProfileId, one: &wire::Placed) -> Result<Placement, BadState> {
    let mut places = known
        .profile(id)
        .into_iter()
        .flat_map(|profile| &profile.placements);
    let found = places.find(|place| u32::from(place.start) == one.start);
    found.copied().ok_or_else(|| BadState::NoPlace {
        profile: one.profile.clone(),
        start: one.start,
    })
}

fn check_counts(known: &Known, live: &[Existing]) -> Result<(), BadState> {
    for profile in &known.profiles {
        let count = live.iter().filter(|one| one.profile == profile.id).count();
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if count > profile.max_count {
            return Err(BadState::TooMany {
                profile: known.name(profile.id).to_owned(),
                count,
                most: profile.max_count,
            });
        }
    }
    Ok(())
}

fn check_engines(known: &Known, live: &[Existing]) -> Result<(), BadState> {
    type Kind = (&'static str, fn(&Engines) -> u32);
    let kinds: [Kind; 4] = [
        ("decoder", |engines| engines.decoder),
        ("encoder", |engines| engines.encoder),
        ("JPEG", |engines| engines.jpeg),
        ("OFA", |engines| engines.ofa),
    ];
    for ((engine, kind), most) in kinds.into_iter().zip(known.grid.capacity()) {
        let profiles = live.iter().filter_map(|one| known.profile(one.profile));
        let owned: u64 = profiles.map(|one| u64::from(kind(&one.engines))).sum();
        if owned > most {
            return Err(BadState::Engines {
                engine,
                owned,
                most,
            });
        }
    }
    Ok(())
}
