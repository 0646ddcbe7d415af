//! Exactly what lies where on a host, as a document to go back to: `kerf.v1.Checkpoint`.
//!
//! A layout says how many slices there are to be and leaves their places to the planner; a checkpoint says the places.
//! GPUs go by their UUID, so that one that has moved to another slot is found again; the address says where it was.

use std::collections::BTreeMap;

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{Inventory, MigMode, PciAddress, ProfileName, Sharing, Spot, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layout::SharingDocument;
use super::{Placement, schema_tag};
use crate::convert::{
    At, ConvertError, GRID_LIMIT, RULE_LIMIT, check_layout, check_rule, each, exact_places, parse,
};

schema_tag!(CheckpointSchema, "kerf.v1.Checkpoint");

/// What lay where on a host at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Names this document.
    pub schema: CheckpointSchema,
    /// The host.
    pub host: String,
    /// When it was taken, in UTC.
    pub taken_at: String,
    /// Its GPUs that have MIG or are shared.
    #[schemars(length(max = 256))]
    pub gpus: Vec<CheckpointGpu>,
}

/// One GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointGpu {
    /// UUID.
    pub uuid: String,
    /// Address.
    pub pci: String,
    /// Product.
    pub model: String,
    /// Whether MIG is on.
    pub mig: bool,
    /// What lies on it.
    #[schemars(length(max = 64))]
    pub instances: Vec<CheckpointInstance>,
    /// How it is shared or, with MIG on, each of its slices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<SharingDocument>,
}

/// One GPU instance, filled by one compute instance or divided into several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointInstance {
    /// Its profile.
    pub profile: String,
    /// Its place.
    pub placement: Placement,
    /// Where its parts lie, in compute slices; none where it is not divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub parts: Vec<Placement>,
}

/// What cannot be put into a document: an instance of a profile that the driver does not describe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "GPU {gpu} holds an instance of profile {profile} at {placement}, which its driver does not describe"
)]
pub struct Nameless {
    /// NVML index of the GPU.
    pub gpu: u32,
    /// The driver's profile id.
    pub profile: u32,
    /// Where it lies.
    pub placement: kerf_types::Placement,
}

impl Checkpoint {
    /// What lies where now.
    pub fn of(
        inventory: &Inventory,
        shared: &BTreeMap<PciAddress, Sharing>,
        now: Timestamp,
    ) -> Result<Self, Nameless> {
        let mut gpus = Vec::new();
        for gpu in inventory
            .gpus
            .iter()
            .filter(|gpu| gpu.mig_mode != MigMode::Unsupported || shared.contains_key(&gpu.pci))
        {
            let mut instances = Vec::new();
            for (spot, name) in lying_on(gpu)? {
                let placement = spot.placement.into();
                let part = spot.compute.map(Placement::from);
                match instances.last_mut() {
                    // By place, so that the parts of one instance stand together.
                    Some(CheckpointInstance {
                        placement: last,
                        parts,
                        ..
                    }) if *last == placement => parts.extend(part),
                    _ => instances.push(CheckpointInstance {
                        profile: name.part(None).to_string(),
                        placement,
                        parts: part.into_iter().collect(),
                    }),
                }
            }
            gpus.push(CheckpointGpu {
                uuid: gpu.uuid.to_string(),
                pci: gpu.pci.to_string(),
                model: gpu.name.clone(),
                mig: matches!(gpu.mig_mode, MigMode::Enabled | MigMode::EnablePending),
                instances,
                sharing: shared.get(&gpu.pci).map(|sharing| (*sharing).into()),
            });
        }
        Ok(Self {
            schema: CheckpointSchema::V1,
            host: inventory.host.clone(),
            taken_at: now.to_string(),
            gpus,
        })
    }
}

/// What lies on a GPU, by place: whole instances, and the parts of those that are divided.
pub fn lying_on(gpu: &kerf_types::Gpu) -> Result<BTreeMap<Spot, ProfileName>, Nameless> {
    let mut named = BTreeMap::new();
    for instance in &gpu.instances {
        let nameless = || Nameless {
            gpu: gpu.index,
            profile: instance.profile.0,
            placement: instance.placement,
        };
        let profile = gpu.profile(instance.profile).ok_or_else(nameless)?;
        let slices = gpu.slice_ids(instance).into_iter();
        named.extend(slices.map(|id| {
            let part = id.compute.map(|part| part.size);
            (id.spot(), profile.name.part(part))
        }));
    }
    Ok(named)
}

impl TryFrom<Checkpoint> for Layout {
    type Error = ConvertError;

    fn try_from(checkpoint: Checkpoint) -> Result<Self, ConvertError> {
        let rules = each("gpus", checkpoint.gpus, RULE_LIMIT, |gpu| {
            let sharing = gpu.sharing.map(Sharing::try_from);
            let places = each("instances", gpu.instances, GRID_LIMIT, slices_of)?;
            check_rule(LayoutRule {
                gpus: vec![GpuSelector::Uuid(parse("uuid", &gpu.uuid)?)],
                mig_enabled: gpu.mig,
                places: exact_places(places.into_iter().flatten().collect())?,
                sharing: sharing.transpose().at("sharing")?,
                ..LayoutRule::default()
            })
        })?;
        check_layout(Self { rules })
    }
}

/// The slices that an instance was, each with its place and its name.
fn slices_of(one: CheckpointInstance) -> Result<Vec<(Spot, String)>, ConvertError> {
    let read = |place: Placement| {
        kerf_types::Placement::try_new(place.start.into(), place.size.into()).at("placement")
    };
    let whole = Spot::from(read(one.placement)?);
    if one.parts.is_empty() {
        return Ok(vec![(whole, one.profile)]);
    }
    let profile: ProfileName = parse("profile", &one.profile)?;
    each("parts", one.parts, GRID_LIMIT, |place| {
        let part = read(place)?;
        let compute = Some(part);
        let name = profile.part(Some(part.size)).to_string();
        Ok::<_, ConvertError>((Spot { compute, ..whole }, name))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kerf_types::Timestamp;
    use kerf_types::layout::Layout;

    use super::Checkpoint;
    use crate::json::schema::SchemaKind;
    use crate::json::schema::tests::check_accepted;
    use crate::json::show::pretty;

    #[test]
    fn a_checkpoint_is_read_as_the_places_that_it_was_taken_of() {
        let inventory = crate::example::inventory();
        let taken = Checkpoint::of(&inventory, &BTreeMap::new(), Timestamp(0))
            .expect("every profile is known");
        insta::assert_snapshot!(pretty(&taken), @r#"
        {
          "schema": "kerf.v1.Checkpoint",
          "host": "node-1",
          "taken_at": "1970-01-01T00:00:00.000Z",
          "gpus": [
            {
              "uuid": "GPU-5d4c3b2a-0000-4000-8000-000000000001",
              "pci": "0000:1b:00.0",
              "model": "NVIDIA H100 80GB HBM3",
              "mig": true,
              "instances": [ { "profile": "1g.10gb", "placement": { "start": 6, "size": 1 } } ]
            }
          ]
        }
        "#);
        let json = serde_json::to_value(&taken).expect("it writes");
        check_accepted(SchemaKind::Checkpoint, &json);
        let read: Checkpoint = serde_json::from_value(json).expect("it reads");
        assert_eq!(read, taken);
        let layout = Layout::try_from(read).expect("a layout");
        let places = layout
            .rules
            .iter()
            .map(|rule| rule.places.iter().flatten().count());
        let lying = taken.gpus.iter().map(|gpu| gpu.instances.len());
        assert!(places.eq(lying));
    }

    #[test]
    fn the_parts_of_an_instance_are_kept_with_their_places() {
        let mut inventory = crate::example::inventory();
        let mut gpus = inventory.gpus.iter_mut();
        let gpu = gpus
            .find(|gpu| !gpu.instances.is_empty())
            .expect("one is cut");
        let whole = gpu.instances[0].compute[0].clone();
        let part = |start: u32| kerf_types::ComputeInstance {
            id: kerf_types::CiId(start),
            placement: kerf_types::Placement::try_new(start, 1).ok(),
            ..whole.clone()
        };
        gpu.instances[0].compute = vec![part(3), part(1)];
        let taken = Checkpoint::of(&inventory, &BTreeMap::new(), Timestamp(0))
            .expect("every profile is known");
        let instances = taken.gpus.iter().flat_map(|gpu| &gpu.instances);
        let parts: Vec<u8> = instances
            .flat_map(|one| &one.parts)
            .map(|part| part.start)
            .collect();
        assert_eq!(parts, [1, 3]);
        let json = serde_json::to_value(&taken).expect("it writes");
        check_accepted(SchemaKind::Checkpoint, &json);
        let layout = Layout::try_from(taken).expect("a layout");
        let places = layout
            .rules
            .iter()
            .flat_map(|rule| rule.places.iter().flatten());
        let places: Vec<String> = places
            .map(|(spot, name)| format!("{spot} {name}"))
            .collect();
        // The example's instance has one slice, so that a part of one has the whole's name.
        let name = "1g.10gb";
        assert_eq!(
            places,
            [format!("6:1/1:1 {name}"), format!("6:1/3:1 {name}")]
        );
    }

    #[test]
    fn a_checkpoint_that_was_edited_badly_is_refused() {
        let inventory = crate::example::inventory();
        let mut taken = Checkpoint::of(&inventory, &BTreeMap::new(), Timestamp(0))
            .expect("every profile is known");
        let gpu = taken
            .gpus
            .iter_mut()
            .find(|gpu| !gpu.instances.is_empty())
            .expect("one is cut");
        gpu.mig = false;
        let refusal = Layout::try_from(taken).expect_err("slices with MIG off");
        assert!(
            refusal
                .to_string()
                .ends_with("places: a GPU with MIG off has no slices"),
            "{refusal}"
        );
    }
}
