//! The shapes of profiles: where they may lie and in which order the driver tries. Owns the 7+8
//! family, which most products share, the products of four slices, and what a family has in common, so that a
//! product lists only what is its own.

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

/// The 7+8 family, without the figures that differ between products.
const SEVEN_SLICES: [GiProfile; 7] = [
    shape((0, 19), (1, 1, 7), ONE_WIDE, ONE_WIDE_ORDER),
    shape((7, 20), (1, 1, 1), ONE_WIDE, ONE_WIDE_ORDER),
    shape(
        (9, 15),
        (1, 2, 4),
        TWO_WIDE_DOUBLE_MEMORY,
        TWO_WIDE_DOUBLE_MEMORY_ORDER,
    ),
    shape((1, 14), (2, 2, 3), TWO_WIDE, TWO_WIDE_ORDER),
    shape((2, 9), (3, 4, 2), FOUR_WIDE, FOUR_WIDE_ORDER),
    shape((3, 5), (4, 4, 1), WHOLE, WHOLE),
    shape((4, 0), (7, 8, 1), WHOLE, WHOLE),
];

/// A profile without figures; `key` is (enumeration index, id), `shape` is (slices, size, max count).
const fn shape(
    key: (u32, u32),
    shape: (u32, u32, u32),
    starts: &'static [u32],
    default_order: &'static [u32],
) -> GiProfile {
    GiProfile {
        index: key.0,
        id: key.1,
        name: "",
        slices: shape.0,
        size: shape.1,
        starts,
        default_order,
        max_count: shape.2,
        multiprocessors: 0,
        engines: engines(0, 0, 0, 0),
        memory_mib: 0,
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

/// Engines of the 7+8 family since Hopper, with so many copy engines to a compute slice.
pub const fn since_hopper(copy: u32) -> [Engines; 7] {
    [
        engines(copy, 1, 1, 0),
        engines(copy, 1, 1, 1),
        engines(copy, 1, 1, 0),
        engines(copy * 2, 2, 2, 0),
        engines(copy * 3, 3, 3, 0),
        engines(copy * 4, 4, 4, 0),
        engines(copy * 8, 7, 7, 1),
    ]
}

/// The profiles of the 7+8 family in the order 1g, 1g+me, 1g double memory, 2g, 3g, 4g, 7g; every array is
/// in that order. `sizes` are names with the memory in MiB.
pub const fn family(
    engines: [Engines; 7],
    multiprocessors: [u32; 7],
    sizes: [(&'static str, u64); 7],
) -> [GiProfile; 7] {
    let mut all = SEVEN_SLICES;
    let mut nth = 0;
    while nth < all.len() {
        (all[nth].name, all[nth].memory_mib) = sizes[nth];
        all[nth].multiprocessors = multiprocessors[nth];
        all[nth].engines = engines[nth];
        nth += 1;
    }
    all
}

/// A product of four compute slices. Its profiles are quarters, halves and wholes, which differ in what comes
/// with them and not in size.
pub struct FourSlices {
    /// The quarter of the GPU.
    pub quarter: Share,
    /// The half.
    pub half: Share,
    /// The whole.
    pub whole: Share,
}

/// What every profile of that share of a GPU has.
pub struct Share {
    /// Placement units.
    pub size: u32,
    /// Legal first units.
    pub starts: &'static [u32],
    /// The driver's own order of choice.
    pub order: &'static [u32],
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
}

impl FourSlices {
    /// One of the quarters; `key` is (enumeration index, id).
    pub const fn quarter(
        &self,
        key: (u32, u32),
        name: &'static str,
        max_count: u32,
        engines: Engines,
    ) -> GiProfile {
        self.quarter.profile(key, name, (1, max_count), engines)
    }

    /// One of the halves.
    pub const fn half(
        &self,
        key: (u32, u32),
        name: &'static str,
        max_count: u32,
        engines: Engines,
    ) -> GiProfile {
        self.half.profile(key, name, (2, max_count), engines)
    }

    /// One of the wholes.
    pub const fn whole(&self, key: (u32, u32), name: &'static str, engines: Engines) -> GiProfile {
        self.whole.profile(key, name, (4, 1), engines)
    }
}

impl Share {
    /// `count` is (slices, max count).
    const fn profile(
        &self,
        key: (u32, u32),
        name: &'static str,
        count: (u32, u32),
        engines: Engines,
    ) -> GiProfile {
        let shape = shape(key, (count.0, self.size, count.1), self.starts, self.order);
        GiProfile {
            name,
            multiprocessors: self.multiprocessors,
            engines,
            memory_mib: self.memory_mib,
            ..shape
        }
    }
}
