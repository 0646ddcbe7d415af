//! `nvidia-smi nvlink -s`: which NVLinks of each GPU are up.

use std::collections::BTreeMap;

use super::{NotUnderstood, not_understood};

/// NVLinks of one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuLinks {
    /// NVML index.
    pub index: u32,
    /// Whether each link is up, by number; `None` where nvidia-smi does not ask (MIG mode).
    pub up: Option<BTreeMap<u32, bool>>,
}

/// Reads the states.
pub fn links(text: &str) -> Result<Vec<GpuLinks>, NotUnderstood> {
    let mut gpus: Vec<GpuLinks> = Vec::new();
    for line in text.lines() {
        let wrong = || not_understood("a line of nvlink -s", line);
        if let Some(rest) = line.strip_prefix("GPU ") {
            let index = rest
                .split_once(':')
                .and_then(|(index, _)| index.parse().ok());
            gpus.push(GpuLinks {
                index: index.ok_or_else(wrong)?,
                up: Some(BTreeMap::new()),
            });
        } else if let Some(rest) = line.trim_start().strip_prefix("Link ") {
            let (number, state) = rest.split_once(':').ok_or_else(wrong)?;
            let number = number.trim().parse().map_err(|_| wrong())?;
            let gpu = gpus.last_mut().ok_or_else(wrong)?;
            let up = gpu.up.get_or_insert_default();
            up.insert(number, !state.contains("inactive"));
        } else if line.contains("not supported")
            && let Some(gpu) = gpus.last_mut()
        {
            gpu.up = None;
        }
    }
    Ok(gpus)
}
