//! What never moves while a GPU keeps its place and its driver.

use super::super::kerf::Documents;
use super::super::parse::Said;
use super::super::parse::details::plain;
use super::super::reading::Heard;
use super::{Gpu, Row, number, text};

/// Bytes of a MiB, the unit of nvidia-smi.
pub const MIB: u64 = 1 << 20;

/// Versions, of which a host has one.
pub fn host(kerf: &Documents, smi: &Heard) -> Vec<Row> {
    let ours = |pointer: &str| text(&kerf.inventory, pointer);
    let driver = smi.before.details.host("Driver Version");
    let cuda = smi.before.details.host("CUDA Version");
    let nvml = plain(&smi.version, "NVML version");
    vec![
        Row::said(
            "host",
            "driver version",
            ours("/driver/version"),
            driver,
            same,
        ),
        Row::said(
            "host",
            "cuda version",
            ours("/driver/cuda_version"),
            cuda,
            same,
        ),
        Row::said(
            "host",
            "nvml version",
            ours("/driver/nvml_version"),
            nvml,
            is_nvml,
        ),
    ]
}

/// NVML calls itself `13.590.48.01`, nvidia-smi calls it `590.48`.
fn is_nvml(ours: &str, theirs: &str) -> bool {
    let without_major = ours.split_once('.').map_or(ours, |(_, rest)| rest);
    ours == theirs
        || without_major
            .strip_prefix(theirs)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Identity, memory, modes and limits.
pub fn gpu(gpu: &Gpu<'_>, smi: &Heard) -> Vec<Row> {
    let of = gpu.name();
    let Some(queried) = smi.before.gpu(gpu.index) else {
        return Vec::new();
    };
    let ours = |pointer: &str| text(gpu.gpu, pointer);
    let said = |field: &str, kerf: Option<String>, agree: fn(&str, &str) -> bool| {
        Row::said(&of, field, kerf, queried.said(field), agree)
    };
    let link = |pointer: &str| {
        // 0 is kerf's word for a figure that the driver does not tell.
        let figure = number(gpu.gpu, pointer).filter(|figure| *figure != 0);
        figure.map(|figure| figure.to_string())
    };
    let (current, pending) = mig_mode(gpu);
    let mut rows = vec![
        said("name", ours("/name"), same),
        said("uuid", ours("/uuid"), same),
        said("serial", ours("/serial"), same),
        said("pci.bus_id", ours("/pci"), same_address),
        said("pci.device_id", pci_id(gpu, "pci"), same_id),
        said("pci.sub_device_id", pci_id(gpu, "pci_subsystem"), same_id),
        said("compute_cap", ours("/compute_capability"), same),
        memory(gpu, queried.said("memory.total")),
        said("mig.mode.current", current, same),
        said("mig.mode.pending", pending, same),
        said("pcie.link.gen.max", link("/pcie/max_generation"), same),
        said("pcie.link.width.max", link("/pcie/max_width"), same),
        power_limit(gpu, queried.said("enforced.power.limit")),
    ];
    rows.extend(from_details(gpu, smi));
    rows.extend(listed(gpu, smi));
    rows
}

/// Figures that only `-q` shows.
fn from_details(gpu: &Gpu<'_>, smi: &Heard) -> Vec<Row> {
    let of = gpu.name();
    let Some(details) = smi.before.details.gpus.get(gpu.place()) else {
        return vec![Row::not_compared(&of, "minor", "", "not in nvidia-smi -q")];
    };
    let minor = number(gpu.gpu, "/minor").map(|minor| minor.to_string());
    let architecture = text(gpu.gpu, "/architecture");
    let theirs = details.said("Product Architecture");
    vec![
        Row::said(&of, "minor", minor, details.said("Minor Number"), same),
        match architecture {
            Some(number) if number.starts_with("nvml-") => {
                Row::not_compared(&of, "architecture", &number, "kerf has no name for it")
            }
            architecture => Row::said(&of, "architecture", architecture, theirs, |ours, theirs| {
                ours.eq_ignore_ascii_case(theirs)
            }),
        },
    ]
}

/// The line of `-L`.
fn listed(gpu: &Gpu<'_>, smi: &Heard) -> Option<Row> {
    let theirs = smi
        .list
        .iter()
        .find(|listed| u64::from(listed.index) == gpu.index)?;
    let theirs = format!("{} {}", theirs.name, theirs.uuid);
    let ours = ["/name", "/uuid"].map(|pointer| text(gpu.gpu, pointer).unwrap_or_default());
    let ours = ours.join(" ");
    Some(Row::of(&gpu.name(), "-L", &ours, &theirs, ours == theirs))
}

fn same(ours: &str, theirs: &str) -> bool {
    ours == theirs
}

/// `0000:1b:00.0` is `00000000:1B:00.0`.
pub fn same_address(ours: &str, theirs: &str) -> bool {
    let plain = |text: &str| {
        let (domain, rest) = text.split_once(':')?;
        let domain = u32::from_str_radix(domain, 16).ok()?;
        Some((domain, rest.to_ascii_lowercase()))
    };
    plain(ours).is_some() && plain(ours) == plain(theirs)
}

/// Device id before vendor id, as nvidia-smi writes both: `0x233010DE`.
fn pci_id(gpu: &Gpu<'_>, of: &str) -> Option<String> {
    let vendor = text(gpu.gpu, &format!("/{of}_vendor_id"))?;
    Some(format!(
        "0x{}{vendor}",
        text(gpu.gpu, &format!("/{of}_device_id"))?
    ))
}

fn same_id(ours: &str, theirs: &str) -> bool {
    ours.eq_ignore_ascii_case(theirs)
}

/// nvidia-smi's pair of words for kerf's one; no words for a GPU without MIG.
fn mig_mode(gpu: &Gpu<'_>) -> (Option<String>, Option<String>) {
    let words = match text(gpu.gpu, "/mig_mode").as_deref() {
        Some("disabled") => ("Disabled", "Disabled"),
        Some("enabled") => ("Enabled", "Enabled"),
        Some("enable_pending") => ("Disabled", "Enabled"),
        Some("disable_pending") => ("Enabled", "Disabled"),
        _ => return (None, None),
    };
    (Some(words.0.to_owned()), Some(words.1.to_owned()))
}

fn memory(gpu: &Gpu<'_>, theirs: Said<'_>) -> Row {
    let bytes = number(gpu.gpu, "/memory_bytes");
    let shown = bytes.map(|bytes| format!("{bytes} B"));
    let row = Row::said(&gpu.name(), "memory.total", shown, theirs, |_, theirs| {
        let theirs = theirs.parse().ok();
        bytes
            .zip(theirs)
            .is_some_and(|(ours, mib)| is_mib(ours, mib))
    });
    unit(row, "MiB")
}

/// Whether so many bytes are printed as so many MiB. nvidia-smi rounds: its captures show used and free
/// memory adding up to one more than the total.
pub fn is_mib(bytes: u64, mib: u64) -> bool {
    bytes.abs_diff(mib.saturating_mul(MIB)) < MIB
}

fn power_limit(gpu: &Gpu<'_>, theirs: Said<'_>) -> Row {
    let watts = gpu
        .sample
        .get("power_limit_watts")
        .and_then(|at| at.as_f64());
    let shown = watts.map(|watts| format!("{watts:.2} W"));
    // Both have two digits after the point, so equality of texts is equality of values.
    let same = |ours: &str, theirs: &str| ours.strip_suffix(" W") == Some(theirs);
    unit(
        Row::said(&gpu.name(), "enforced.power.limit", shown, theirs, same),
        "W",
    )
}

/// Adds the unit that the query leaves out.
fn unit(row: Row, unit: &str) -> Row {
    let is_figure = row.smi.starts_with(|first: char| first.is_ascii_digit());
    let smi = if is_figure {
        format!("{} {unit}", row.smi)
    } else {
        row.smi
    };
    Row { smi, ..row }
}
