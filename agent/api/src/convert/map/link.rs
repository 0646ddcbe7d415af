//! Links between accelerators.

use kerf_types::map::{End, Link, LinkKind};

use crate::convert::gpu::{switch, switch_text};
use crate::convert::{At, ConvertError, NAME_LIMIT, number_error, required, text};
use crate::v1;
use crate::v1::link_end::End as WireEnd;

impl From<&Link> for v1::Link {
    fn from(link: &Link) -> Self {
        Self {
            a: Some((&link.a).into()),
            b: Some((&link.b).into()),
            kind: link.kind.as_str().to_owned(),
            count: link.count,
            gbps: link.gbps,
            ancestor: link.ancestor.clone(),
        }
    }
}

impl TryFrom<v1::Link> for Link {
    type Error = ConvertError;

    fn try_from(link: v1::Link) -> Result<Self, ConvertError> {
        let kind = LinkKind::from_word(&link.kind)
            .ok_or_else(|| number_error("kind", &link.kind, "a kind of link"))?;
        Ok(Self {
            a: End::try_from(required("a", link.a)?).at("a")?,
            b: End::try_from(required("b", link.b)?).at("b")?,
            kind,
            count: link.count,
            gbps: link.gbps,
            ancestor: text("ancestor", link.ancestor, NAME_LIMIT)?,
        })
    }
}

impl From<&End> for v1::LinkEnd {
    fn from(end: &End) -> Self {
        let end = match end {
            End::Accelerator(id) => WireEnd::Accelerator(id.clone()),
            End::Switch(pci) => WireEnd::Switch(switch_text(*pci)),
            End::Cpu(node) => WireEnd::Cpu(*node),
        };
        Self { end: Some(end) }
    }
}

impl TryFrom<v1::LinkEnd> for End {
    type Error = ConvertError;

    fn try_from(end: v1::LinkEnd) -> Result<Self, ConvertError> {
        Ok(match required("end", end.end)? {
            WireEnd::Accelerator(id) => Self::Accelerator(text("accelerator", id, NAME_LIMIT)?),
            WireEnd::Switch(pci) => Self::Switch(switch("switch", &pci)?),
            WireEnd::Cpu(node) => Self::Cpu(node),
        })
    }
}
