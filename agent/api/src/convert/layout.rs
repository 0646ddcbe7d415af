//! Layouts: what an operator wants, before any GPU is looked at.
//!
//! What can be known without an inventory is checked here; whether a GPU exists, and whether two names mean
//! the same one, is the planner's to say.

use std::collections::BTreeMap;

use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{ParseError, ProfileName};

use super::{
    ConvertError, Fault, GRID_LIMIT, PROFILE_LIMIT, RULE_LIMIT, count, distinct, each,
    number_error, parse, required,
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
    if text.starts_with("GPU-") {
        return text.parse().map(GpuSelector::Uuid);
    }
    let hint = "write all, an index like 0, a UUID like GPU-…, or an address like 0000:1b:00.0";
    text.parse()
        .map(GpuSelector::Pci)
        .map_err(|_| ParseError::new("a GPU", text, hint))
}

/// Writes what [`gpu_selector`] reads.
pub fn gpu_selector_text(selector: &GpuSelector) -> String {
    match selector {
        GpuSelector::All => "all".to_owned(),
        GpuSelector::Index(index) => index.to_string(),
        GpuSelector::Uuid(uuid) => uuid.to_string(),
        GpuSelector::Pci(pci) => pci.to_string(),
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
        let slices = rule
            .slices
            .iter()
            .map(|(name, count)| (name.to_string(), *count));
        Self {
            gpus: rule.gpus.iter().map(gpu_selector_text).collect(),
            mig_enabled: rule.mig_enabled,
            slices: slices.collect(),
        }
    }
}

impl TryFrom<v1::LayoutRule> for LayoutRule {
    type Error = ConvertError;

    fn try_from(rule: v1::LayoutRule) -> Result<Self, ConvertError> {
        let gpus = each("gpus", rule.gpus, RULE_LIMIT, |text| gpu_selector(&text))?;
        let slices = slice_counts(rule.slices)?;
        check_rule(Self {
            gpus,
            mig_enabled: rule.mig_enabled,
            slices,
        })
    }
}

/// Reads how many slices of which profile. A count of 0 says nothing and is left out, as mig-parted does.
pub(crate) fn slice_counts(
    slices: BTreeMap<String, u32>,
) -> Result<BTreeMap<ProfileName, u32>, ConvertError> {
    count("slices", slices.len(), PROFILE_LIMIT)?;
    let mut counts = BTreeMap::new();
    for (text, count) in slices {
        let field = format!("slices.{text}");
        let profile: ProfileName = parse("slices", &text)?;
        if usize::try_from(count).map_or(true, |count| count > GRID_LIMIT) {
            return Err(number_error(
                &field,
                count,
                "a number of slices from 0 to 64",
            ));
        }
        if counts.contains_key(&profile) {
            let what = profile.to_string();
            return Err(ConvertError::new("slices", Fault::Duplicate { what }));
        }
        if count > 0 {
            counts.insert(profile, count);
        }
    }
    Ok(counts)
}

/// What must hold within one rule.
pub(crate) fn check_rule(rule: LayoutRule) -> Result<LayoutRule, ConvertError> {
    let conflict = |field: &str, why| Err(ConvertError::new(field, Fault::Conflict { why }));
    required("gpus", rule.gpus.first())?;
    if rule.gpus.len() > 1 && rule.gpus.contains(&GpuSelector::All) {
        return conflict("gpus", "all stands alone");
    }
    if !rule.mig_enabled && !rule.slices.is_empty() {
        return conflict("slices", "a GPU with MIG off has no slices");
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
