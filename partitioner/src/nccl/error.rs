//! Why a file is no machine.

use kerf_types::PciAddress;

/// Why a text is no machine.
#[derive(Debug, thiserror::Error)]
pub enum NcclError {
    /// It is no XML.
    #[error("it is no XML: {why}")]
    Xml {
        /// Why, in one line.
        why: String,
    },
    /// Its root is another element.
    #[error("its root is <{found}>; NCCL writes <system>")]
    Root {
        /// What it is.
        found: String,
    },
    /// A version that nobody has described.
    #[error("its version is {found:?}; NCCL writes 1, RCCL 2")]
    Version {
        /// What it says.
        found: String,
    },
    /// An attribute that is missing or makes no sense.
    #[error("line {line}: <{element}> has {attribute}={value:?}, which is no {expected}")]
    Attribute {
        /// Where its element begins, from 1.
        line: u32,
        /// The element.
        element: String,
        /// The attribute.
        attribute: &'static str,
        /// What it says; empty where it is missing.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Devices below each other without end.
    #[error("line {line}: a device is below more others than any machine has")]
    TooDeep {
        /// Where it stands.
        line: u32,
    },
    /// A device outside of a `cpu`.
    #[error("line {line}: {device} is below no <cpu>")]
    NoCpu {
        /// Where it stands.
        line: u32,
        /// Which device.
        device: PciAddress,
    },
    /// What is known of a device, in a place where no kernel shows it.
    #[error("line {line}: <{element}> in <{parent}>: {why}")]
    Unshown {
        /// Where it stands.
        line: u32,
        /// What it is.
        element: &'static str,
        /// What it stands in.
        parent: String,
        /// What is wrong with that.
        why: &'static str,
    },
    /// Interfaces reach the memory of some GPUs and not that of others.
    #[error("line {line}: gdr is not the same for all GPUs, and the kernel has one module for all")]
    Mixed {
        /// Where the first other one stands.
        line: u32,
    },
    /// Two accelerators of one address.
    #[error("line {line}: there is another accelerator {device}")]
    Twice {
        /// Where the second one stands.
        line: u32,
        /// Which device.
        device: PciAddress,
    },
}

impl NcclError {
    /// What the reader of XML says may hold a character of the text as it is.
    pub(super) fn xml(error: roxmltree::Error) -> Self {
        let plain = |one: char| if one.is_control() { ' ' } else { one };
        let why = error.to_string().chars().map(plain).collect();
        Self::Xml { why }
    }
}
