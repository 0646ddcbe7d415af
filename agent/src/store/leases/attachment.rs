//! The part of a lease's document that tells what it has put into a running container.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::process::attach::{Attachment, Node, Phase};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AttachmentDocument {
    phase: PhaseDocument,
    nodes: Vec<NodeDocument>,
    made: Vec<PathBuf>,
    allowed: Vec<(u32, u32)>,
    #[serde(default)]
    was_promised: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PhaseDocument {
    Begun,
    Held,
    Ending,
}

#[derive(Debug, Serialize, Deserialize)]
struct NodeDocument {
    path: PathBuf,
    numbers: (u32, u32),
    mode: u32,
    owner: (u32, u32),
}

impl From<&Attachment> for AttachmentDocument {
    fn from(attachment: &Attachment) -> Self {
        let node = |node: &Node| NodeDocument {
            path: node.path.clone(),
            numbers: node.numbers,
            mode: node.mode,
            owner: node.owner,
        };
        Self {
            phase: match attachment.phase {
                Phase::Begun => PhaseDocument::Begun,
                Phase::Held => PhaseDocument::Held,
                Phase::Ending => PhaseDocument::Ending,
            },
            nodes: attachment.nodes.iter().map(node).collect(),
            made: attachment.made.clone(),
            allowed: attachment.allowed.clone(),
            was_promised: attachment.was_promised,
        }
    }
}

impl From<AttachmentDocument> for Attachment {
    fn from(document: AttachmentDocument) -> Self {
        let node = |node: NodeDocument| Node {
            path: node.path,
            numbers: node.numbers,
            mode: node.mode,
            owner: node.owner,
        };
        Self {
            phase: match document.phase {
                PhaseDocument::Begun => Phase::Begun,
                PhaseDocument::Held => Phase::Held,
                PhaseDocument::Ending => Phase::Ending,
            },
            nodes: document.nodes.into_iter().map(node).collect(),
            made: document.made,
            allowed: document.allowed,
            was_promised: document.was_promised,
        }
    }
}
