//! `nvidia-smi -L`: names and UUIDs of GPUs and of the MIG devices on them.

use super::{NotUnderstood, not_understood};

/// A GPU of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGpu {
    /// NVML index.
    pub index: u32,
    /// Marketing name.
    pub name: String,
    /// `GPU-…`.
    pub uuid: String,
    /// MIG devices on it.
    pub mig: Vec<ListedMig>,
}

/// A MIG device of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMig {
    /// Index among the MIG devices of its GPU.
    pub index: u32,
    /// `1g.10gb`, or `1c.3g.40gb` where it is a part of its GPU instance.
    pub name: String,
    /// `MIG-…`.
    pub uuid: String,
}

/// Reads the list; lines that name no device are left out, since nvidia-smi puts warnings between.
pub fn list(text: &str) -> Result<Vec<ListedGpu>, NotUnderstood> {
    let mut gpus: Vec<ListedGpu> = Vec::new();
    for line in text.lines() {
        let wrong = || not_understood("a line of -L", line);
        if let Some(rest) = line.strip_prefix("GPU ") {
            let (index, name, uuid) = device(rest).ok_or_else(wrong)?;
            gpus.push(ListedGpu {
                index,
                name: name.to_owned(),
                uuid: uuid.to_owned(),
                mig: Vec::new(),
            });
        } else if let Some(rest) = line.trim_start().strip_prefix("MIG ") {
            let (name, rest) = rest.split_once(" Device ").ok_or_else(wrong)?;
            let (index, _, uuid) = device(rest).ok_or_else(wrong)?;
            let gpu = gpus.last_mut().ok_or_else(wrong)?;
            gpu.mig.push(ListedMig {
                index,
                name: name.trim().to_owned(),
                uuid: uuid.to_owned(),
            });
        }
    }
    Ok(gpus)
}

/// `0: NAME (UUID: X)`.
fn device(text: &str) -> Option<(u32, &str, &str)> {
    let (index, rest) = text.split_once(':')?;
    let (name, uuid) = rest.rsplit_once("(UUID: ")?;
    Some((
        index.trim().parse().ok()?,
        name.trim(),
        uuid.trim_end().strip_suffix(')')?,
    ))
}
