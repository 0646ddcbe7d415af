//! GPUs: what NCCL and RCCL write of them, as their drivers know it.

use nvidia_ml::import::describe::{AmdGpu, Holds, Links, NvidiaGpu};
use roxmltree::Node;

use super::{bdf, gdr};
use crate::nccl::read::{class, is, line, link_target, number, parsed, wrong};
use crate::nccl::{COMPUTE_CLASSES, NcclError, SWITCH_CLASS};

const NVIDIA: &str = "0x10de";

/// What the GPUs of a file have in common.
pub struct Gpus {
    /// Whether RCCL wrote it.
    is_rccl: bool,
    /// Whether it leaves the GPUs to NCCL.
    has_none: bool,
    /// Whether interfaces reach the memory of all of them.
    gdr: Option<bool>,
}

impl Gpus {
    /// Of a document.
    pub fn new(root: Node<'_, '_>) -> Self {
        Self {
            is_rccl: root.attribute("version") == Some("2"),
            has_none: !root.descendants().any(|node| is("gpu")(&node)),
            gdr: None,
        }
    }

    /// Whether interfaces reach their memory.
    pub fn are_reachable(&self) -> bool {
        self.gdr == Some(true)
    }

    /// What a `gpu` says.
    pub fn gpu(&mut self, node: Node<'_, '_>) -> Result<Holds, NcclError> {
        let gdr = gdr(node)?;
        if *self.gdr.get_or_insert(gdr) != gdr {
            let line = line(node);
            return Err(NcclError::Mixed { line });
        }
        if !self.is_rccl {
            // What nobody knows is left out where it is written down.
            let sm = node.attribute("sm");
            let sm = sm.map(|_| parsed::<u32>(node, "sm", "compute capability such as 90"));
            let sm = sm.transpose()?;
            return Ok(Holds::Nvidia(NvidiaGpu {
                compute: sm.map(|sm| (sm / 10, sm % 10)),
                links: links(node, "nvlink")?,
            }));
        }
        let target = node.attribute("gcn").and_then(target);
        Ok(Holds::Amd(AmdGpu {
            compute_units: parsed::<u16>(node, "sm", "number of compute units")?.into(),
            target: target.ok_or_else(|| wrong(node, "gcn", "target such as 908 or gfx942"))?,
            links: links(node, "xgmi")?,
        }))
    }

    /// What is known of a device without such an element: one of NVIDIA's that computes is a GPU of its driver's.
    pub fn untold(&self, node: Node<'_, '_>) -> Result<Holds, NcclError> {
        let computes = COMPUTE_CLASSES.contains(&(class(node)? >> 8));
        if self.has_none && computes && node.attribute("vendor") == Some(NVIDIA) {
            return Ok(Holds::Nvidia(NvidiaGpu {
                compute: None,
                links: Vec::new(),
            }));
        }
        Ok(Holds::Nothing)
    }
}

fn links(gpu: Node<'_, '_>, name: &'static str) -> Result<Vec<Links>, NcclError> {
    let nodes = gpu.children().filter(is(name));
    let link = |node| {
        let small = |target| bdf(target).ok_or_else(|| wrong(node, "target", super::SMALL_ADDRESS));
        Ok(Links {
            target: link_target(node)?.map(small).transpose()?,
            is_switch: number(node, "tclass", "PCI class such as 0x068000")? == SWITCH_CLASS,
            count: parsed(node, "count", "number of links below 256")?,
        })
    };
    nodes.map(link).collect()
}

/// `gfx_target_version` of what RCCL writes: numbers up to gfx940 (gfx90a has 910), names since.
fn target(gcn: &str) -> Option<u32> {
    let Some(digits) = gcn.strip_prefix("gfx") else {
        return match gcn {
            "900" => Some(90_000),
            "906" => Some(90_006),
            "908" => Some(90_008),
            "910" => Some(90_010),
            "940" => Some(90_400),
            _ => None,
        };
    };
    let is_clean = digits.is_ascii() && (3..=4).contains(&digits.len());
    let (major, rest) = is_clean.then(|| digits.split_at_checked(digits.len() - 2))??;
    let mut rest = rest.chars().map(|digit| digit.to_digit(16));
    let (minor, stepping) = (rest.next()??, rest.next()??);
    Some(major.parse::<u32>().ok()? * 10_000 + minor * 100 + stepping)
}
