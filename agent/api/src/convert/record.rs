//! What a host tells the fleet about itself.
//!
//! A record comes from a peer, perhaps by way of others: every count and every text is bounded, and what it
//! says must hold together, so that nothing behind this module meets a GPU of no model or a place off the grid.

use std::collections::BTreeMap;

use kerf_types::host_record::{
    Admission, Amount, CutPolicy, GpuHealth, GpuModel, GpuRecord, HostRecord, NvlinkReach,
    Occupancy, RecordVersion, SliceRecord,
};
use kerf_types::{Bytes, Engines, HostId, PciAddress, Placement, Profile, ProfileId};

use super::{
    ADDRESS_LIMIT, At, ConvertError, Fault, GPU_LIMIT, GRID_LIMIT, LABEL_LIMIT, LABEL_TEXT_LIMIT,
    MODEL_LIMIT, NAME_LIMIT, PROFILE_LIMIT, architecture, architecture_number, count, distinct,
    each, mig_mode, number_error, parse, text,
};
use crate::peer::v1;

/// Longest encoded record that is read at all. A host of 8 GPUs in 56 slices needs less than 2 KiB.
pub const RECORD_LIMIT: usize = 64 << 10;

/// Engines of a profile, in the order of the message.
const ENGINES: usize = 5;

impl From<&HostRecord> for v1::HostRecord {
    fn from(record: &HostRecord) -> Self {
        Self {
            id: record.id.bits().to_be_bytes().to_vec(),
            name: record.name.to_string(),
            address: record.address.clone(),
            epoch: record.version.epoch.into(),
            revision: record.version.revision,
            labels: record.labels.clone(),
            admission: v1::Admission::from(record.admission).into(),
            on_demand: record.policy.on_demand,
            mode_change_when_idle: record.policy.mode_change_when_idle,
            models: record.models.iter().map(Into::into).collect(),
            gpus: record.gpus.iter().map(Into::into).collect(),
            cpu_milli_total: record.cpu_milli.total,
            cpu_milli_free: record.cpu_milli.free,
            memory_bytes_total: record.memory_bytes.total,
            memory_bytes_free: record.memory_bytes.free,
            load_per_mille: record.load_per_mille.into(),
            jobs: record.jobs,
            job_labels: record.job_labels.iter().map(label).collect(),
            price_milli_per_hour: record.price_milli_per_hour,
            host_network: record.host_network,
            keeps_jobs: record.keeps_jobs,
        }
    }
}

impl TryFrom<v1::HostRecord> for HostRecord {
    type Error = ConvertError;

    fn try_from(record: v1::HostRecord) -> Result<Self, ConvertError> {
        let models = each("models", record.models, MODEL_LIMIT, GpuModel::try_from)?;
        let gpus = each("gpus", record.gpus, GPU_LIMIT, |gpu| {
            read_gpu(gpu, models.len())
        })?;
        distinct("gpus", gpus.iter().map(|gpu| gpu.index))?;
        distinct("gpus", gpus.iter().map(|gpu| gpu.pci))?;
        let admission = v1::Admission::try_from(record.admission)
            .ok()
            .and_then(read_admission)
            .ok_or_else(|| number_error("admission", record.admission, "an admission"))?;
        Ok(Self {
            id: host_id("id", &record.id)?,
            name: parse("name", &record.name)?,
            address: text("address", record.address, ADDRESS_LIMIT)?,
            version: RecordVersion {
                epoch: small("epoch", record.epoch)?,
                revision: record.revision,
            },
            labels: labels(record.labels)?,
            admission,
            policy: CutPolicy {
                on_demand: record.on_demand,
                mode_change_when_idle: record.mode_change_when_idle,
            },
            models,
            gpus,
            cpu_milli: amount(
                "cpu_milli_free",
                record.cpu_milli_total,
                record.cpu_milli_free,
            )?,
            memory_bytes: amount(
                "memory_bytes_free",
                record.memory_bytes_total,
                record.memory_bytes_free,
            )?,
            load_per_mille: small::<u16>("load_per_mille", record.load_per_mille)
                .ok()
                .filter(|load| *load <= 1_000)
                .ok_or_else(|| {
                    number_error("load_per_mille", record.load_per_mille, "0 to 1000")
                })?,
            jobs: record.jobs,
            job_labels: each("job_labels", record.job_labels, LABEL_LIMIT, |label| {
                let key = text("key", label.key, LABEL_TEXT_LIMIT)?;
                Ok::<_, ConvertError>((key, text("value", label.value, LABEL_TEXT_LIMIT)?))
            })?,
            price_milli_per_hour: record.price_milli_per_hour,
            host_network: record.host_network,
            keeps_jobs: record.keeps_jobs,
        })
    }
}

/// The id of a host, as 16 bytes.
pub fn host_id(field: &str, bytes: &[u8]) -> Result<HostId, ConvertError> {
    bytes
        .try_into()
        .map(|bytes| HostId::from_bits(u128::from_be_bytes(bytes)))
        .map_err(|_| number_error(field, format!("{} bytes", bytes.len()), "a host id of 16"))
}

fn small<T: TryFrom<u32>>(field: &str, number: u32) -> Result<T, ConvertError> {
    T::try_from(number).map_err(|_| number_error(field, number, "a small enough number"))
}

fn amount(field: &str, total: u64, free: u64) -> Result<Amount, ConvertError> {
    if free > total {
        let why = "more is free than there is";
        return Err(ConvertError::new(field, Fault::Conflict { why }));
    }
    Ok(Amount { total, free })
}

fn labels(labels: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ConvertError> {
    count("labels", labels.len(), LABEL_LIMIT)?;
    for (key, value) in &labels {
        for part in [key, value] {
            let (bytes, limit) = (part.len(), LABEL_TEXT_LIMIT);
            if bytes > limit {
                return Err(ConvertError::new("labels", Fault::TooLong { bytes, limit }));
            }
        }
    }
    Ok(labels)
}

fn label((key, value): &(String, String)) -> v1::Label {
    v1::Label {
        key: key.clone(),
        value: value.clone(),
    }
}

impl From<Admission> for v1::Admission {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::Open => Self::Open,
            Admission::Cordoned => Self::Cordoned,
            Admission::Draining => Self::Draining,
        }
    }
}

fn read_admission(admission: v1::Admission) -> Option<Admission> {
    match admission {
        v1::Admission::Unspecified => None,
        v1::Admission::Open => Some(Admission::Open),
        v1::Admission::Cordoned => Some(Admission::Cordoned),
        v1::Admission::Draining => Some(Admission::Draining),
    }
}

impl From<&GpuModel> for v1::GpuModel {
    fn from(model: &GpuModel) -> Self {
        Self {
            name: model.name.clone(),
            architecture: architecture_number(model.architecture),
            compute_capability_major: model.compute_capability.0,
            compute_capability_minor: model.compute_capability.1,
            memory_bytes: model.memory.0,
            profiles: model.profiles.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::GpuModel> for GpuModel {
    type Error = ConvertError;

    fn try_from(model: v1::GpuModel) -> Result<Self, ConvertError> {
        let profiles = each("profiles", model.profiles, PROFILE_LIMIT, read_profile)?;
        distinct("profiles", profiles.iter().map(|profile| profile.id))?;
        Ok(Self {
            name: text("name", model.name, NAME_LIMIT)?,
            architecture: architecture(model.architecture),
            compute_capability: (
                model.compute_capability_major,
                model.compute_capability_minor,
            ),
            memory: Bytes(model.memory_bytes),
            profiles,
        })
    }
}

/// What a placement is multiplied by: one more than the largest size.
const PLACE_BASE: u32 = Placement::GRID_LIMIT + 1;

impl From<&Profile> for v1::RecordProfile {
    fn from(profile: &Profile) -> Self {
        let Engines {
            copy,
            decoder,
            encoder,
            jpeg,
            ofa,
        } = profile.engines;
        let pack = |place: &Placement| u32::from(place.start) * PLACE_BASE + u32::from(place.size);
        Self {
            id: profile.id.0,
            name: profile.name.to_string(),
            slices: profile.slices,
            memory_bytes: profile.memory.0,
            sm_count: profile.sm_count,
            engines: vec![copy, decoder, encoder, jpeg, ofa],
            max_count: profile.max_count,
            placements: profile.placements.iter().map(pack).collect(),
            full_compute_profile: profile.full_compute_profile.map(|id| id.0),
        }
    }
}

fn read_profile(profile: v1::RecordProfile) -> Result<Profile, ConvertError> {
    let found = profile.engines.len();
    let [copy, decoder, encoder, jpeg, ofa] = <[u32; ENGINES]>::try_from(profile.engines)
        .map_err(|_| number_error("engines", found, "a list of five"))?;
    let mut placements = each("placements", profile.placements, GRID_LIMIT, |packed| {
        Placement::try_new(packed / PLACE_BASE, packed % PLACE_BASE)
    })?;
    distinct("placements", &placements)?;
    placements.sort_unstable();
    Ok(Profile {
        id: ProfileId(profile.id),
        name: parse("name", &profile.name)?,
        slices: profile.slices,
        memory: Bytes(profile.memory_bytes),
        sm_count: profile.sm_count,
        engines: Engines {
            copy,
            decoder,
            encoder,
            jpeg,
            ofa,
        },
        max_count: profile.max_count,
        placements,
        full_compute_profile: profile.full_compute_profile.map(ProfileId),
        // What live instances told of their parts is not gossiped: others plan by the assumed ones.
        compute: Vec::new(),
    })
}

impl From<&GpuRecord> for v1::GpuRecord {
    fn from(gpu: &GpuRecord) -> Self {
        let (health, xid) = match gpu.health {
            GpuHealth::Ok => (v1::Health::Ok, 0),
            GpuHealth::Lost => (v1::Health::Lost, 0),
            GpuHealth::Unresponsive => (v1::Health::Unresponsive, 0),
            GpuHealth::ResetRequired => (v1::Health::ResetRequired, 0),
            GpuHealth::Xid(code) => (v1::Health::Xid, code),
            GpuHealth::Maintenance => (v1::Health::Maintenance, 0),
        };
        let nvlink_gpus = match &gpu.nvlink {
            NvlinkReach::None | NvlinkReach::Switched => Vec::new(),
            NvlinkReach::Gpus(indexes) => indexes.clone(),
        };
        Self {
            index: gpu.index,
            pci: pack_pci(gpu.pci),
            // A host has at most MODEL_LIMIT models; a larger number is refused where it is read.
            model: u32::try_from(gpu.model).unwrap_or(u32::MAX),
            health: health.into(),
            xid,
            mig_mode: crate::v1::MigMode::from(gpu.mig_mode).into(),
            numa_node: gpu.numa_node,
            nvlink_switch: gpu.nvlink == NvlinkReach::Switched,
            nvlink_gpus,
            occupancy: v1::Occupancy::from(gpu.occupancy).into(),
            slices: gpu.slices.iter().map(pack_slice).collect(),
        }
    }
}

fn read_gpu(gpu: v1::GpuRecord, models: usize) -> Result<GpuRecord, ConvertError> {
    let model = usize::try_from(gpu.model)
        .ok()
        .filter(|model| *model < models);
    let health = match v1::Health::try_from(gpu.health) {
        Ok(v1::Health::Ok) => GpuHealth::Ok,
        Ok(v1::Health::Lost) => GpuHealth::Lost,
        Ok(v1::Health::Unresponsive) => GpuHealth::Unresponsive,
        Ok(v1::Health::ResetRequired) => GpuHealth::ResetRequired,
        Ok(v1::Health::Xid) => GpuHealth::Xid(gpu.xid),
        Ok(v1::Health::Maintenance) => GpuHealth::Maintenance,
        Ok(v1::Health::Unspecified) | Err(_) => {
            return Err(number_error("health", gpu.health, "a state of health"));
        }
    };
    count("nvlink_gpus", gpu.nvlink_gpus.len(), GPU_LIMIT)?;
    let mut peers = gpu.nvlink_gpus;
    peers.sort_unstable();
    peers.dedup();
    let nvlink = match (gpu.nvlink_switch, peers.is_empty()) {
        (true, _) => NvlinkReach::Switched,
        (false, true) => NvlinkReach::None,
        (false, false) => NvlinkReach::Gpus(peers),
    };
    let slices = each("slices", gpu.slices, GRID_LIMIT, read_slice)?;
    distinct("slices", slices.iter().map(|slice| slice.placement))?;
    Ok(GpuRecord {
        index: gpu.index,
        pci: read_pci(gpu.pci)?,
        model: model.ok_or_else(|| number_error("model", gpu.model, "one of the models"))?,
        health,
        mig_mode: mig_mode("mig_mode", gpu.mig_mode)?,
        numa_node: gpu.numa_node,
        nvlink,
        occupancy: read_occupancy("occupancy", gpu.occupancy)?,
        slices,
    })
}

impl From<Occupancy> for v1::Occupancy {
    fn from(occupancy: Occupancy) -> Self {
        match occupancy {
            Occupancy::Free => Self::Free,
            Occupancy::Leased => Self::Leased,
            Occupancy::Other => Self::Other,
        }
    }
}

fn read_occupancy(field: &str, number: i32) -> Result<Occupancy, ConvertError> {
    match v1::Occupancy::try_from(number) {
        Ok(v1::Occupancy::Free) => Ok(Occupancy::Free),
        Ok(v1::Occupancy::Leased) => Ok(Occupancy::Leased),
        Ok(v1::Occupancy::Other) => Ok(Occupancy::Other),
        Ok(v1::Occupancy::Unspecified) | Err(_) => Err(number_error(field, number, "an occupancy")),
    }
}

fn pack_pci(pci: PciAddress) -> u64 {
    (u64::from(pci.domain) << 16)
        | (u64::from(pci.bus) << 8)
        | (u64::from(pci.device) << 3)
        | u64::from(pci.function)
}

fn read_pci(packed: u64) -> Result<PciAddress, ConvertError> {
    let byte = |shift: u32, mask: u64| u8::try_from((packed >> shift) & mask).unwrap_or(u8::MAX);
    let domain = u32::try_from(packed >> 16)
        .map_err(|_| number_error("pci", packed, "a packed PCI address"))?;
    Ok(PciAddress {
        domain,
        bus: byte(8, 0xff),
        device: byte(3, 0x1f),
        function: byte(0, 7),
    })
}

fn pack_slice(slice: &SliceRecord) -> u64 {
    let occupancy: u64 = match slice.occupancy {
        Occupancy::Free => 1,
        Occupancy::Leased => 2,
        Occupancy::Other => 3,
    };
    (u64::from(slice.profile.0) << 18)
        | (u64::from(slice.placement.start) << 11)
        | (u64::from(slice.placement.size) << 4)
        | occupancy
}

fn read_slice(packed: u64) -> Result<SliceRecord, ConvertError> {
    let part = |shift: u32, mask: u64| u32::try_from((packed >> shift) & mask).unwrap_or(u32::MAX);
    let profile = u32::try_from(packed >> 18)
        .map_err(|_| number_error("profile", packed, "a packed slice"))?;
    let occupancy = i32::try_from(packed & 0xf).unwrap_or(0);
    Ok(SliceRecord {
        profile: ProfileId(profile),
        placement: Placement::try_new(part(11, 0x7f), part(4, 0x7f)).at("placement")?,
        occupancy: read_occupancy("occupancy", occupancy)?,
    })
}
