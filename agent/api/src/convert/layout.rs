//! Layouts: what an operator wants, before any GPU is looked at.
//!
//! What can be known without an inventory is checked here; whether a GPU exists, and whether two names mean
//! the same one, is the planner's to say.

use std::collections::BTreeMap;

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{ParseError, ProfileName, Spot};

use super::{
    At, ConvertError, Fault, GRID_LIMIT, NAME_LIMIT, PROFILE_LIMIT, RULE_LIMIT, count, distinct,
    each, number_error, parse, part_place, placement, required,
};
use crate::v1;

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
            slices: slice_counts("slices", rule.slices)?,
            at_least: slice_counts("at_least", rule.at_least)?,
            fill: fill_order(rule.fill)?,
            places: exact_places(places.collect::<Result<_, ConvertError>>().at("places")?)?,
        })
    }
}

/// Reads how many slices of which profile. A count of 0 says nothing and is left out, as mig-parted does.
pub(crate) fn slice_counts(
    key: &str,
    slices: BTreeMap<String, u32>,
) -> Result<BTreeMap<ProfileName, u32>, ConvertError> {
    count(key, slices.len(), PROFILE_LIMIT)?;
    let mut counts = BTreeMap::new();
    for (text, count) in slices {
        let field = format!("{key}.{text}");
        let profile: ProfileName = parse(key, &text)?;
        if usize::try_from(count).map_or(true, |count| count > GRID_LIMIT) {
            return Err(number_error(
                &field,
                count,
                "a number of slices from 0 to 64",
            ));
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
    if let [first, ..] = wants.as_slice()
        && !rule.mig_enabled
    {
        return conflict(first, "a GPU with MIG off has no slices");
    }
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

/// What must hold among the rules.
pub(crate) fn check_layout(layout: Layout) -> Result<Layout, ConvertError> {
    let named = layout.rules.iter().flat_map(|rule| &rule.gpus);
    distinct("rules", named.map(gpu_selector_text))?;
    let all = layout
        .rules
        .iter()
        .any(|rule| rule.gpus.contains(&GpuSelector::All));
    if all && layout.rules.len() > 1 {
        let why = "a rule for all GPUs stands alone";
        return Err(ConvertError::new("rules", Fault::Conflict { why }));
    }
    Ok(layout)
}
