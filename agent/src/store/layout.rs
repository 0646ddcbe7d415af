//! The layout that this host is to have: what was applied last on each GPU, to be had again after a boot. GPU instances
//! never outlive one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::only::Only;
use super::{Store, StoreError};

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLayout {
    /// The `kerf.v1.Layout` document; each rule speaks of one GPU by its address.
    pub layout: String,
    /// Whether GPU resets were accepted.
    pub allow_reset: bool,
    /// The boot in which it was last brought about.
    pub boot_id: String,
    /// Addresses of the GPUs that do not have theirs yet.
    pub unmet: Vec<String>,
    /// What GPUs had before maintenance and do not have again, as another such document.
    #[serde(default)]
    pub owed: String,
    /// What did not read of both, as it stood there: a later kerfd may read it.
    #[serde(default)]
    pub unread: Vec<UnreadText>,
}

/// A text of a kept layout that does not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadText {
    /// What stands in it.
    pub of: UnreadPart,
    /// As it stood there.
    pub text: String,
    /// Addresses of the GPUs for which somebody has applied a layout since: of them it says nothing any more.
    pub said: BTreeSet<String>,
}

impl UnreadText {
    /// A text since which nobody has applied a layout.
    pub fn new(of: UnreadPart, text: String) -> Self {
        let said = BTreeSet::new();
        Self { of, text, said }
    }
}

/// What stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnreadPart {
    /// The layout.
    Layout,
    /// What GPUs had before maintenance.
    Owed,
}

impl KeptLayout {
    /// Its texts, the oldest first: the newer ones know better.
    pub fn into_texts(self) -> impl Iterator<Item = UnreadText> {
        let own = [
            UnreadText::new(UnreadPart::Layout, self.layout),
            UnreadText::new(UnreadPart::Owed, self.owed),
        ];
        self.unread.into_iter().chain(own)
    }
}

impl Store {
    /// The kept layout. Where the whole row does not read it is a text that a later kerfd may read.
    pub fn kept_layout(&self) -> Result<Option<KeptLayout>, StoreError> {
        let read = |text: String| {
            serde_json::from_str(&text).unwrap_or_else(|error| {
                tracing::error!(%error, "unreadable kept layout");
                KeptLayout {
                    unread: vec![UnreadText::new(UnreadPart::Layout, text)],
                    ..KeptLayout::default()
                }
            })
        };
        Ok(self.only(Only::Layout)?.map(read))
    }

    /// Keeps a layout in place of the one before.
    pub fn keep_layout(&mut self, kept: &KeptLayout) -> Result<(), StoreError> {
        self.put_only(Only::Layout, kept)
    }

    /// Forgets it.
    pub fn forget_layout(&mut self) -> Result<(), StoreError> {
        self.clear_only(Only::Layout)
    }
}
