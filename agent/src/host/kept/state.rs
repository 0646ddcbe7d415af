//! What is kept, as it is written down and as it is read again.

use std::collections::{BTreeMap, BTreeSet};

use kerf_api::json::layout::LayoutError;
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{PciAddress, Sharing};

use crate::errors::chain;
use crate::host::HostError;
use crate::host::layout::layout_text;
use crate::store::{KeptLayout, UnreadPart, UnreadText};

/// The kept layout.
#[derive(Debug, Default)]
pub(in crate::host) struct Kept {
    pub(super) rules: BTreeMap<PciAddress, LayoutRule>,
    /// What GPUs had before maintenance and do not have again.
    pub(super) owed: BTreeMap<PciAddress, LayoutRule>,
    /// What did not read of both, the oldest first.
    unread: Vec<UnreadText>,
    pub(super) allow_reset: bool,
    pub(in crate::host) boot_id: String,
    pub(super) unmet: BTreeMap<PciAddress, Unmet>,
}

/// A GPU that does not have its layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unmet {
    /// It is looked at again.
    Open,
    /// The driver refused a step.
    GivenUp,
}

/// A part that does not read, and why.
pub(super) type Damage = (UnreadPart, String);

impl Kept {
    /// What a row says in this boot, and what of it does not read.
    pub fn read(row: KeptLayout, boot_id: String) -> (Self, Vec<Damage>) {
        let (mut kept, mut damage) = (Self::default(), Vec::new());
        let noted = row.unmet.iter().filter_map(|text| text.parse().ok());
        let noted: BTreeSet<PciAddress> = noted.collect();
        let (is_same_boot, allow_reset) = (row.boot_id == boot_id, row.allow_reset);
        let late = row.unread.len();
        let mut unmet: BTreeSet<PciAddress> = BTreeSet::new();
        for (number, text) in row.into_texts().enumerate() {
            let gpus = kept.take(text, &mut damage);
            // Nobody has noted how the GPUs of a text are that did not read before.
            unmet.extend(gpus.into_iter().filter(|_| number < late));
        }
        let rules = kept.rules.keys().copied();
        unmet.extend(rules.filter(|pci| !is_same_boot || noted.contains(pci)));
        unmet.extend(kept.owed.keys());
        kept.unmet = unmet.into_iter().map(|pci| (pci, Unmet::Open)).collect();
        // A GPU for which nothing is kept, and that is half changed, is so until the next boot.
        let lost = noted.into_iter().filter(|_| is_same_boot);
        let lost: Vec<PciAddress> = lost.filter(|pci| kept.wanted(*pci).is_none()).collect();
        let lost = lost.into_iter().map(|pci| (pci, Unmet::GivenUp));
        kept.unmet.extend(lost);
        (kept.allow_reset, kept.boot_id) = (allow_reset, boot_id);
        (kept, damage)
    }

    /// Takes up the rules of a text, or the text; returns the GPUs that it says something of.
    fn take(&mut self, text: UnreadText, damage: &mut Vec<Damage>) -> Vec<PciAddress> {
        let error = match by_gpu(&text.text) {
            Ok(mut rules) => {
                rules.retain(|pci, _| !text.said.contains(&pci.to_string()));
                let gpus = rules.keys().copied().collect();
                match text.of {
                    UnreadPart::Layout => self.rules.extend(rules),
                    UnreadPart::Owed => self.owed.extend(rules),
                }
                return gpus;
            }
            Err(error) => error,
        };
        // Where a whole row did not read, it is the text.
        if let Ok(row) = serde_json::from_str::<KeptLayout>(&text.text) {
            let texts = row.into_texts().flat_map(|mut inner| {
                inner.said.extend(text.said.iter().cloned());
                self.take(inner, damage)
            });
            return texts.collect();
        }
        damage.push((text.of, chain(&error)));
        self.unread.push(text);
        Vec::new()
    }

    /// As it is written down.
    pub fn row(&self) -> Result<KeptLayout, HostError> {
        let text = |rules: &BTreeMap<PciAddress, LayoutRule>| {
            let rules = rules.values().cloned().collect();
            layout_text(&Layout { rules })
        };
        Ok(KeptLayout {
            layout: text(&self.rules)?,
            owed: text(&self.owed)?,
            unread: self.unread.clone(),
            allow_reset: self.allow_reset,
            boot_id: self.boot_id.clone(),
            unmet: self.unmet.keys().map(ToString::to_string).collect(),
        })
    }

    /// Somebody has applied this rule for a GPU: nothing earlier counts for it.
    pub fn say(&mut self, pci: PciAddress, rule: LayoutRule) {
        self.unmet.remove(&pci);
        self.owed.remove(&pci);
        self.rules.insert(pci, rule);
        for text in &mut self.unread {
            text.said.insert(pci.to_string());
        }
    }

    /// What does not read may be about any of these GPUs, until a layout was applied for each.
    pub fn forget_what_was_said(&mut self, gpus: &BTreeSet<PciAddress>) {
        let is_open = |text: &UnreadText| {
            let mut said = gpus.iter().map(|pci| text.said.contains(&pci.to_string()));
            gpus.is_empty() || said.any(|is_said| !is_said)
        };
        self.unread.retain(is_open);
    }

    /// Whether something of a part does not read.
    pub fn is_unread(&self, part: UnreadPart) -> bool {
        self.unread.iter().any(|text| text.of == part)
    }

    /// GPUs that are looked at again for what they are to have.
    pub fn open(&self) -> impl Iterator<Item = PciAddress> {
        let unmet = self.unmet.iter();
        unmet.filter_map(|(pci, unmet)| (*unmet == Unmet::Open).then_some(*pci))
    }

    /// GPUs that are half changed, and for which nothing is kept.
    pub fn lost(&self) -> Vec<PciAddress> {
        let unmet = self.unmet.keys().copied();
        unmet.filter(|pci| self.wanted(*pci).is_none()).collect()
    }

    /// Whether something is kept for a GPU that it does not have.
    pub fn is_due(&self, pci: PciAddress) -> bool {
        self.unmet.contains_key(&pci) && self.wanted(pci).is_some()
    }

    /// The driver is another one: what it has refused is asked for again.
    pub fn ask_again(&mut self) {
        let due = self.unmet.keys().filter(|pci| self.is_due(**pci));
        let due: Vec<PciAddress> = due.copied().collect();
        self.unmet
            .extend(due.into_iter().map(|pci| (pci, Unmet::Open)));
    }

    /// A GPU is to have this again.
    pub fn owe(&mut self, pci: PciAddress, rule: LayoutRule) {
        self.owed.insert(pci, rule);
        self.unmet.insert(pci, Unmet::Open);
    }

    /// GPUs are to have again what stands in a text that does not read: why not, where that was not known.
    pub fn owe_unread(&mut self, text: &str) -> Option<Damage> {
        let is_same = |known: &UnreadText| known.of == UnreadPart::Owed && known.text == text;
        if self.unread.iter().any(is_same) {
            return None;
        }
        let mut damage = Vec::new();
        self.take(
            UnreadText::new(UnreadPart::Owed, text.to_owned()),
            &mut damage,
        );
        damage.pop()
    }

    /// What a GPU is to have.
    pub fn wanted(&self, pci: PciAddress) -> Option<&LayoutRule> {
        self.owed.get(&pci).or_else(|| self.rules.get(&pci))
    }

    /// What was shared by it in this boot.
    pub fn shared_in_this_boot(&self) -> Vec<(PciAddress, Sharing)> {
        let rules = self.rules.iter();
        let met = rules.filter(|(pci, _)| !self.unmet.contains_key(pci));
        met.filter_map(|(pci, rule)| Some((*pci, rule.sharing?)))
            .collect()
    }
}

/// The rules of a kept document by their GPUs.
fn by_gpu(text: &str) -> Result<BTreeMap<PciAddress, LayoutRule>, LayoutError> {
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rules = kerf_api::json::layout::parse(text)?.rules.into_iter();
    let one = |rule: LayoutRule| match rule.gpus.as_slice() {
        [GpuSelector::Pci(pci)] => Some((*pci, rule)),
        _ => None,
    };
    Ok(rules.filter_map(one).collect())
}

#[cfg(test)]
mod tests;
