//! `nvidia-smi -q`: sections by indentation, `key : value` in them.

use super::{NotUnderstood, Said, not_understood};

/// Everything that `-q` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// What stands before the first GPU, such as `CUDA Version`.
    host: Vec<(String, String)>,
    /// The GPUs in its order, which is that of their indices.
    pub gpus: Vec<GpuDetails>,
}

/// What `-q` says of one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuDetails {
    /// Its address as nvidia-smi writes it.
    pub pci: String,
    /// Values in order, each with its sections: `PCI/Replays Since Reset`.
    values: Vec<(String, String)>,
}

/// One MIG device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigDevice {
    /// Index among the MIG devices of the GPU, as `nvidia-smi -L` counts.
    pub index: u32,
    /// Its GPU instance.
    pub gi: u32,
    /// Its compute instance.
    pub ci: u32,
    /// Streaming multiprocessors.
    pub sm_count: Option<u32>,
    /// Memory in all, in MiB.
    pub memory_total_mib: Option<u64>,
    /// Memory in use, in MiB.
    pub memory_used_mib: Option<u64>,
}

impl Details {
    /// A value that stands before the GPUs.
    pub fn host(&self, key: &str) -> Said<'_> {
        find(&self.host, key)
    }
}

impl GpuDetails {
    /// A value by its path.
    pub fn said(&self, path: &str) -> Said<'_> {
        find(&self.values, path)
    }

    /// Process ids on it, in order.
    pub fn pids(&self) -> Vec<u32> {
        let ids = self
            .values
            .iter()
            .filter(|(path, _)| path == "Processes/Process ID");
        let mut pids: Vec<u32> = ids.filter_map(|(_, pid)| pid.parse().ok()).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Its MIG devices.
    pub fn mig_devices(&self) -> Result<Vec<MigDevice>, NotUnderstood> {
        let starts: Vec<usize> = (0..self.values.len())
            .filter(|at| {
                let path = self.values.get(*at).map(|(path, _)| path.as_str());
                path == Some("MIG Device/Index")
            })
            .collect();
        let ends = starts.iter().skip(1).copied();
        let ends = ends.chain([self.values.len()]);
        let block = |(start, end)| self.values.get(start..end).unwrap_or_default();
        let blocks = starts.iter().copied().zip(ends).map(block);
        blocks.map(mig_device).collect()
    }
}

fn find<'a>(values: &'a [(String, String)], path: &str) -> Said<'a> {
    let found = values.iter().find(|(at, _)| at == path);
    found.map_or(Said::Withheld("not in nvidia-smi -q"), |(_, text)| {
        Said::new(text)
    })
}

fn mig_device(block: &[(String, String)]) -> Result<MigDevice, NotUnderstood> {
    let text = |path: &str| {
        let path = format!("MIG Device/{path}");
        let found = block.iter().find(|(at, _)| *at == path);
        found.map(|(_, text)| text.as_str())
    };
    let number = |path: &str| text(path)?.trim_end_matches(" MiB").parse::<u64>().ok();
    let id = |path: &str| {
        let small = number(path).and_then(|number| u32::try_from(number).ok());
        small.ok_or_else(|| not_understood("a MIG device", text(path).unwrap_or(path)))
    };
    Ok(MigDevice {
        index: id("Index")?,
        gi: id("GPU Instance ID")?,
        ci: id("Compute Instance ID")?,
        sm_count: id("Device Attributes/Shared/Multiprocessor count").ok(),
        memory_total_mib: number("Shared FB Memory Usage/Total"),
        memory_used_mib: number("Shared FB Memory Usage/Used"),
    })
}

/// Reads the whole text.
pub fn details(text: &str) -> Details {
    let mut found = Details::default();
    // The keys above the present line, each with its indentation.
    let mut above: Vec<(usize, &str)> = Vec::new();
    for line in text.lines() {
        let key_and_value = line.trim();
        let indent = line.len() - line.trim_start().len();
        if key_and_value.is_empty() || key_and_value.starts_with('=') {
            continue;
        }
        if let Some(pci) = line.strip_prefix("GPU ")
            && !line.contains(" : ")
        {
            above.clear();
            found.gpus.push(GpuDetails {
                pci: pci.trim().to_owned(),
                values: Vec::new(),
            });
            continue;
        }
        let (key, value) = match key_and_value.split_once(" : ") {
            Some((key, value)) => (key.trim(), Some(value.trim())),
            None => (key_and_value, None),
        };
        above.retain(|(outer, _)| *outer < indent);
        above.push((indent, key));
        let Some(value) = value else { continue };
        let path: Vec<&str> = above.iter().map(|(_, key)| *key).collect();
        let entry = (path.join("/"), value.to_owned());
        match found.gpus.last_mut() {
            Some(gpu) => gpu.values.push(entry),
            None => found.host.push(entry),
        }
    }
    found
}

/// A value of a text that is one `key : value` to a line (`nvidia-smi --version`).
pub fn plain<'a>(text: &'a str, key: &str) -> Said<'a> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    let found = values
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case(key))
        .map(|(_, value)| Said::new(value))
        .next();
    found.unwrap_or(Said::Withheld("not told by nvidia-smi"))
}
