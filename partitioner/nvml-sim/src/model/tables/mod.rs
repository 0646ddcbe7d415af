//! The products and machines that can be simulated, as data. Owns nothing else: a new GPU model
//! or a new machine is a new record here.
//!
//! Figures come from `nvidia-smi` output of the hardware; where none was found, from a rule, and
//! the record says `derived`. The rules:
//! - memory: twice the next smaller width and 256 MiB, as on an H100 from 2g to 7g;
//! - multiprocessors: a 4g has those of two 2g, a 3g four fewer, a 7g all, as on an H100;
//! - engines: a 3g has those of three 1g and a 4g of four, as on an H100; a 7g has every media
//!   engine of the GPU, and the copy engines of eight 1g;
//! - `+me` and the like: as without, but for the media engines.
//!
//! Names of boards (part numbers, subsystems, firmware) are in the manner of their family where no
//! capture of the board was found; nothing may depend on them.

mod a100;
mod a30;
mod b200;
mod b300;
mod cards;
mod gb200;
mod gh200;
mod grids;
mod h100;
mod h200;
mod machines;
pub mod processors;
mod rtx_pro_6000;
mod shape;
#[cfg(test)]
mod tests;

pub use a30::A30;
pub use a100::{A100_SXM4_40GB, A100_SXM4_80GB};
pub use b200::B200;
pub use b300::{B300, GB300};
pub use gb200::GB200;
pub use gh200::{GH200_96GB, GH200_144GB};
pub use grids::{GridSpec, grid, grids};
pub use h100::{H100_80GB_HBM3, H100_NVL};
pub use h200::H200;
pub use machines::{MACHINES, machine};
pub use rtx_pro_6000::RTX_PRO_6000_SERVER;
