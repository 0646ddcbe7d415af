//! The grids by name, for planning without a machine. Owns the names, which are a contract.

use super::super::product::Product;
use super::super::profile::{GiProfile, Media};

/// What of a product a plan depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSpec {
    /// Name, such as `h100-80gb`.
    pub name: &'static str,
    /// Placement units.
    pub units: u32,
    /// Media engines that the instances share out among them.
    pub engines: Media,
    /// GPU-instance profiles.
    pub profiles: &'static [GiProfile],
}

static GRIDS: [(&str, &Product); 9] = [
    ("a30-24gb", &super::A30),
    ("a100-40gb", &super::A100_SXM4_40GB),
    ("a100-80gb", &super::A100_SXM4_80GB),
    ("h100-80gb", &super::H100_80GB_HBM3),
    ("h100-94gb", &super::H100_NVL),
    ("h200-141gb", &super::H200),
    ("b200-180gb", &super::B200),
    ("gb200-186gb", &super::GB200),
    ("rtxpro6000-96gb", &super::RTX_PRO_6000_SERVER),
];

/// The names of all grids.
pub fn grids() -> impl Iterator<Item = &'static str> {
    GRIDS.iter().map(|(name, _)| *name)
}

/// The grid of that name.
#[must_use]
pub fn grid(name: &str) -> Option<GridSpec> {
    let (name, product) = GRIDS.iter().find(|(known, _)| *known == name)?;
    Some(GridSpec {
        name,
        units: product.memory_slices,
        engines: product.media,
        profiles: product.gi_profiles,
    })
}
