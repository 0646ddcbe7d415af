//! Layouts: what an operator wants, before any GPU is looked at.
//!
//! What can be known without an inventory is checked here; whether a GPU exists, and whether two names mean
//! the same one, is the planner's to say.

use std::collections::BTreeMap;

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{AmdWish, ParseError, ProfileName, Sharing, Spot};

use super::{
    At, ConvertError, Fault, GRID_LIMIT, NAME_LIMIT, PROFILE_LIMIT, RULE_LIMIT, check_sharing,
    count, distinct, each, number_error, parse, part_place, placement, required,
};
use crate::v1;

/// Most GPUs that slices are split over: the planner's limit, since the largest hosts that are sold have sixteen.
const TOGETHER_LIMIT: usize = 16;

/// Reads a GPU's name in a layout: `all`, an NVML index, a UUID or a PCI address.
pub fn gpu_selector(text: &str) -> Result<GpuSelector, ParseError> {
    if text == "all" {
        return Ok(GpuSelector::All);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let hint = "an NVML index of at most 10 digits";
        let index = text
            .parse()
            .map_err(|_| ParseError::new("a GPU", text, hint))?;
        return Ok(GpuSelector::Index(index));
    }
    if let Some(pattern) = text.strip_prefix("model:") {
        return word(text, pattern).map(GpuSelector::Model);
    }
    if let Some(label) = text.strip_prefix("label:") {
        return word(text, label).map(GpuSelector::Label);
    }
    if text.starts_with("GPU-") {
        return text.parse().map(GpuSelector::Uuid);
    }
    let hint = "write all, an index like 0, a UUID like GPU-…, an address like 0000:1b:00.0, model:NAME, or \
                label:NAME";
    text.parse()
        .map(GpuSelector::Pci)
        .map_err(|_| ParseError::new("a GPU", text, hint))
}

/// What stands behind `model:` and `label:`.
fn word(text: &str, word: &str) -> Result<String, ParseError> {
    let word = word.trim();
    if word.is_empty() || word.len() > NAME_LIMIT {
        let hint = "a name of 1 to 256 bytes stands behind the colon";
        return Err(ParseError::new("a GPU", text, hint));
    }
    Ok(word.to_owned())
}

/// Writes what [`gpu_selector`] reads.
pub fn gpu_selector_text(selector: &GpuSelector) -> String {
    match selector {
        GpuSelector::All => "all".to_owned(),
        GpuSelector::Index(index) => index.to_string(),
        GpuSelector::Uuid(uuid) => uuid.to_string(),
        GpuSelector::Pci(pci) => pci.to_string(),
        GpuSelector::Model(pattern) => format!("model:{pattern}"),
        GpuSelector::Label(label) => format!("label:{label}"),
    }
}

impl From<&Layout> for v1::Layout {
    fn from(layout: &Layout) -> Self {
        Self {
            rules: layout.rules.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Layout> for Layout {
    type Error = ConvertError;

    fn try_from(layout: v1::Layout) -> Result<Self, ConvertError> {
        let rules = each("rules", layout.rules, RULE_LIMIT, LayoutRule::try_from)?;
        check_layout(Self { rules })
    }
}

impl From<&LayoutRule> for v1::LayoutRule {
    fn from(rule: &LayoutRule) -> Self {
        let counts = |counts: &BTreeMap<ProfileName, u32>| {
            let texts = counts
                .iter()
                .map(|(name, count)| (name.to_string(), *count));
            texts.collect()
        };
        let places = rule.places.iter().flatten();
        let places = places.map(|(spot, profile)| v1::PlacedSlice {
            placement: Some((&spot.placement).into()),
            profile: profile.to_string(),
            compute: spot.compute.as_ref().map(Into::into),
        });
        Self {
            gpus: rule.gpus.iter().map(gpu_selector_text).collect(),
            mig_enabled: rule.mig_enabled,
            slices: counts(&rule.slices),
            at_least: counts(&rule.at_least),
            fill: rule.fill.iter().map(ToString::to_string).collect(),
            places: places.collect(),
            together: rule.together,
            amd: rule.amd.map(Into::into),
            sharing: rule.sharing.map(Into::into),
        }
    }
}

impl TryFrom<v1::LayoutRule> for LayoutRule {
    type Error = ConvertError;

    fn try_from(rule: v1::LayoutRule) -> Result<Self, ConvertError> {
        let gpus = each("gpus", rule.gpus, RULE_LIMIT, |text| gpu_selector(&text))?;
        let places = rule.places.into_iter().map(|one| {
            let compute = part_place(one.compute, "compute")?;
            let placement = placement(one.placement)?;
            Ok((Spot { placement, compute }, one.profile))
        });
        check_rule(Self {
            gpus,
            mig_enabled: rule.mig_enabled,
            slices: slice_counts("slices", rule.slices, most(rule.together))?,
            at_least: slice_counts("at_least", rule.at_least, GRID_LIMIT)?,
            fill: fill_order(rule.fill)?,
            places: exact_places(places.collect::<Result<_, ConvertError>>().at("places")?)?,
            together: rule.together,
            amd: rule
                .amd
                .map(|modes| AmdWish::try_from(modes).at("amd"))
                .transpose()?,
            sharing: rule
                .sharing
                .map(|sharing| Sharing::try_from(sharing).at("sharing"))
                .transpose()?,
        })
    }
}

/// Most slices of one profile in a rule: what one GPU can hold, or several together.
pub(crate) fn most(together: bool) -> usize {
    match together {
        true => GRID_LIMIT * TOGETHER_LIMIT,
        false => GRID_LIMIT,
    }
}

/// Reads how many slices of which profile, at most `most`. A count of 0 says nothing and is left out, as mig-parted
/// does.
pub(crate) fn slice_counts(
    key: &str,
    slices: BTreeMap<String, u32>,
    most: usize,
) -> Result<BTreeMap<ProfileName, u32>, ConvertError> {
    count(key, slices.len(), PROFILE_LIMIT)?;
    let mut counts = BTreeMap::new();
    for (text, count) in slices {
        let field = format!("{key}.{text}");
        let profile: ProfileName = parse(key, &text)?;
        if usize::try_from(count).map_or(true, |count| count > most) {
            let hint = match most {
                GRID_LIMIT => "a number of slices from 0 to 64",
                _ => "a number of slices from 0 to 1024 on all GPUs together",
            };
            return Err(number_error(&field, count, hint));
        }
        if counts.contains_key(&profile) {
            let what = profile.to_string();
            return Err(ConvertError::new(key, Fault::Duplicate { what }));
        }
        if count > 0 {
            counts.insert(profile, count);
        }
    }
    Ok(counts)
}

/// Reads the profiles that fill, in their order.
pub(crate) fn fill_order(names: Vec<String>) -> Result<Vec<ProfileName>, ConvertError> {
    let fill = each("fill", names, PROFILE_LIMIT, |name| {
        name.parse::<ProfileName>()
    })?;
    distinct("fill", fill.iter().map(ToString::to_string))?;
    Ok(fill)
}

/// Reads what lies where. No places at all say no more than no slices do.
pub(crate) fn exact_places(
    places: Vec<(Spot, String)>,
) -> Result<Option<BTreeMap<Spot, ProfileName>>, ConvertError> {
    distinct("places", places.iter().map(|(place, _)| place.to_string()))?;
    let read = |(place, profile): (Spot, String)| {
        let profile = profile.parse::<ProfileName>().at(&place.to_string());
        profile.map(|profile| (place, profile))
    };
    let places: Vec<_> = each("places", places, GRID_LIMIT, read)?;
    Ok((!places.is_empty()).then(|| places.into_iter().collect()))
}

/// What must hold within one rule.
pub(crate) fn check_rule(rule: LayoutRule) -> Result<LayoutRule, ConvertError> {
    let conflict = |field: &str, why| Err(ConvertError::new(field, Fault::Conflict { why }));
    required("gpus", rule.gpus.first())?;
    if rule.gpus.len() > 1 && rule.gpus.contains(&GpuSelector::All) {
        return conflict("gpus", "all stands alone");
    }
    let wants = [
        ("slices", !rule.slices.is_empty()),
        ("at_least", !rule.at_least.is_empty()),
        ("fill", !rule.fill.is_empty()),
        ("places", rule.places.is_some()),
    ];
    let wants: Vec<&str> = wants
        .into_iter()
        .filter_map(|(key, there)| there.then_some(key))
        .collect();
    if let Some(wish) = rule.amd {
        return check_amd(rule, wish, &wants);
    }
    if rule.together && wants != ["slices"] {
        return conflict(
            "together",
            "slices are split over the GPUs, and nothing else is: such a rule has slices, and neither at_least, fill \
             nor places",
        );
    }
    if let [first, ..] = wants.as_slice()
        && !rule.mig_enabled
    {
        return conflict(first, "a GPU with MIG off has no slices");
    }
    check_sharing(rule.sharing, rule.mig_enabled, !wants.is_empty())?;
    if wants.contains(&"slices") && wants.contains(&"at_least") {
        return conflict(
            "at_least",
            "slices says exactly and at_least does not: a rule has one of them",
        );
    }
    if wants.contains(&"places") && wants.len() > 1 {
        return conflict(
            "places",
            "places say everything: such a rule has neither numbers nor fill",
        );
    }
    Ok(rule)
}

/// What must hold within a rule about AMD GPUs.
fn check_amd(rule: LayoutRule, wish: AmdWish, wants: &[&str]) -> Result<LayoutRule, ConvertError> {
    let conflict = |field: &str, why| Err(ConvertError::new(field, Fault::Conflict { why }));
    if let [first, ..] = wants {
        return conflict(first, "an AMD GPU has modes and no slices");
    }
    if rule.sharing.is_some() {
        return conflict("sharing", "kerf shares NVIDIA's GPUs alone");
    }
    if rule.mig_enabled || rule.together {
        return conflict("amd", "an AMD GPU has modes, and neither MIG nor slices");
    }
    if rule
        .gpus
        .iter()
        .any(|gpu| matches!(gpu, GpuSelector::Uuid(_)))
    {
        let why = "an AMD GPU has no UUID: name it by its address, or by its place among AMD GPUs";
        return conflict("gpus", why);
    }
    required("amd", (wish != AmdWish::default()).then_some(()))?;
    Ok(rule)
}

/// What must hold among the rules: those about AMD GPUs and those about NVIDIA's speak of different GPUs by the same
/// names.
pub(crate) fn check_layout(layout: Layout) -> Result<Layout, ConvertError> {
    let of_kind = |is_amd| {
        let rules = layout.rules.iter();
        rules.filter(move |rule| rule.amd.is_some() == is_amd)
    };
    for is_amd in [false, true] {
        let named = of_kind(is_amd).flat_map(|rule| &rule.gpus);
        distinct("rules", named.map(gpu_selector_text))?;
        let all = of_kind(is_amd).any(|rule| rule.gpus.contains(&GpuSelector::All));
        if all && of_kind(is_amd).count() > 1 {
            let why = "a rule for all GPUs stands alone";
            return Err(ConvertError::new("rules", Fault::Conflict { why }));
        }
    }
    Ok(layout)
}

impl From<AmdWish> for v1::AmdModes {
    fn from(wish: AmdWish) -> Self {
        let text = |mode: &dyn std::fmt::Display| mode.to_string().to_lowercase();
        Self {
            compute: wish.compute.map(|mode| text(&mode)),
            memory: wish.memory.map(|mode| text(&mode)),
        }
    }
}

impl TryFrom<v1::AmdModes> for AmdWish {
    type Error = ConvertError;

    fn try_from(modes: v1::AmdModes) -> Result<Self, ConvertError> {
        let v1::AmdModes { compute, memory } = modes;
        Ok(Self {
            compute: compute.map(|text| parse("compute", &text)).transpose()?,
            memory: memory.map(|text| parse("memory", &text)).transpose()?,
        })
    }
}
