//! The shapes of profiles: where they may lie and in which order the driver tries. Owns the 7+8
//! family, which most products share, and the makers of a record.

use super::super::profile::{Engines, GiProfile};

/// Legal starts of the 7+8 family, identical in every `nvidia-smi mig -lgipp` seen.
const ONE_WIDE: &[u32] = &[0, 1, 2, 3, 4, 5, 6];
const TWO_WIDE: &[u32] = &[0, 2, 4];
const TWO_WIDE_DOUBLE_MEMORY: &[u32] = &[0, 2, 4, 6];
const FOUR_WIDE: &[u32] = &[0, 4];
/// Of a profile that takes the whole GPU, or the half that only one may take.
pub const WHOLE: &[u32] = &[0];

/// The driver's own order of choice (MIG User Guide and an H100 dump).
const ONE_WIDE_ORDER: &[u32] = &[6, 4, 5, 0, 1, 2, 3];
const TWO_WIDE_ORDER: &[u32] = &[4, 0, 2];
const TWO_WIDE_DOUBLE_MEMORY_ORDER: &[u32] = &[6, 4, 0, 2];
const FOUR_WIDE_ORDER: &[u32] = &[4, 0];

/// A profile's figures that differ between products.
pub struct Figures {
    pub name: &'static str,
    pub multiprocessors: u32,
    pub engines: Engines,
    pub memory_mib: u64,
}

/// The figures of one profile, in the order of `nvidia-smi mig -lgip`'s columns but for the name.
pub const fn figures(
    name: &'static str,
    memory_mib: u64,
    multiprocessors: u32,
    engines: Engines,
) -> Figures {
    Figures {
        name,
        multiprocessors,
        engines,
        memory_mib,
    }
}

/// Engines of a product whose video encoders, if it has any, are not handed out.
pub const fn engines(copy: u32, decoder: u32, jpeg: u32, ofa: u32) -> Engines {
    Engines {
        copy,
        decoder,
        encoder: 0,
        jpeg,
        ofa,
    }
}

/// The seven profiles of the 7+8 family in the order 1g, 1g+me, 1g double memory, 2g, 3g, 4g, 7g.
pub const fn family(figures: [Figures; 7]) -> [GiProfile; 7] {
    let [one, media, double, two, three, four, seven] = figures;
    [
        profile((0, 19), one, (1, 1, 7), ONE_WIDE, ONE_WIDE_ORDER),
        profile((7, 20), media, (1, 1, 1), ONE_WIDE, ONE_WIDE_ORDER),
        profile(
            (9, 15),
            double,
            (1, 2, 4),
            TWO_WIDE_DOUBLE_MEMORY,
            TWO_WIDE_DOUBLE_MEMORY_ORDER,
        ),
        profile((1, 14), two, (2, 2, 3), TWO_WIDE, TWO_WIDE_ORDER),
        profile((2, 9), three, (3, 4, 2), FOUR_WIDE, FOUR_WIDE_ORDER),
        profile((3, 5), four, (4, 4, 1), WHOLE, WHOLE),
        profile((4, 0), seven, (7, 8, 1), WHOLE, WHOLE),
    ]
}

/// One profile; `key` is (enumeration index, id), `shape` is (slices, size, max count).
pub const fn profile(
    key: (u32, u32),
    figures: Figures,
    shape: (u32, u32, u32),
    starts: &'static [u32],
    default_order: &'static [u32],
) -> GiProfile {
    GiProfile {
        index: key.0,
        id: key.1,
        name: figures.name,
        slices: shape.0,
        size: shape.1,
        starts,
        default_order,
        max_count: shape.2,
        multiprocessors: figures.multiprocessors,
        engines: figures.engines,
        memory_mib: figures.memory_mib,
    }
}
