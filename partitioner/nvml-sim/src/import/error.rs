//! Why a description is no machine that can be made.

use thiserror::Error;

use crate::machine::CreateError;
use crate::model::spec::Bdf;

/// Why a machine could not be made of a description.
#[derive(Debug, Error)]
pub enum ImportError {
    /// It could not be written.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// A name that another machine has.
    #[error("{name:?} is the name of a machine that is no imported one")]
    Name {
        /// The name.
        name: String,
    },
    /// There is nothing on PCI.
    #[error("there is no PCI device in it")]
    Empty,
    /// It has more PCI functions than any machine.
    #[error("it has more than {limit} PCI devices")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A NUMA node that no machine has.
    #[error("{bdf} is next to NUMA node {node}; the last that can be simulated is {last}")]
    Node {
        /// The device.
        bdf: Bdf,
        /// Its node.
        node: u32,
        /// The last possible one.
        last: u32,
    },
    /// Two devices of one address.
    #[error("there is another device {bdf}")]
    Twice {
        /// The address.
        bdf: Bdf,
    },
    /// A device stands before the one that it hangs below, or far below others.
    #[error("{bdf} hangs below nothing that stands before it, or below too many")]
    Place {
        /// The device.
        bdf: Bdf,
    },
    /// Every bus of a PCI domain is in use.
    #[error("PCI domain {domain:04x} has no bus left for the ports above {bdf}")]
    NoBus {
        /// The domain.
        domain: u16,
        /// What needs them.
        bdf: Bdf,
    },
    /// More devices than one bus has places for ports.
    #[error("{bdf} is one of more than 256 devices beside each other")]
    NoPort {
        /// The device.
        bdf: Bdf,
    },
    /// GPUs of several makers.
    #[error("{bdf} is of another maker than the GPUs before it")]
    Makers {
        /// The first other one.
        bdf: Bdf,
    },
    /// A link that ends at nothing.
    #[error("a link of {gpu} ends at {target}, which is no GPU in it and no NVSwitch")]
    Target {
        /// Whose link.
        gpu: Bdf,
        /// Where it ends.
        target: Bdf,
    },
    /// A link to something that the machine does not see and that is no NVSwitch.
    #[error(
        "a link of {gpu} ends at nothing that the machine sees, which an NVSwitch alone may do"
    )]
    Unseen {
        /// Whose link.
        gpu: Bdf,
    },
    /// More NVLinks than the product has.
    #[error("{gpu} has {links} NVLinks; {product} has {most}")]
    Links {
        /// The GPU.
        gpu: Bdf,
        /// How many it is said to have.
        links: u32,
        /// Its product.
        product: &'static str,
        /// How many that has.
        most: u32,
    },
    /// Another compute capability than the product's.
    #[error("{gpu} has compute capability {}.{}; {product} has {}.{}", told.0, told.1, own.0, own.1)]
    Compute {
        /// The GPU.
        gpu: Bdf,
        /// What is said.
        told: (u32, u32),
        /// Its product.
        product: &'static str,
        /// What that has.
        own: (u32, u32),
    },
    /// A name that the kernel would not give to an interface.
    #[error("{name:?} at {bdf} is no name for a network interface")]
    NetName {
        /// The device.
        bdf: Bdf,
        /// The name.
        name: String,
    },
    /// Two interfaces of one name.
    #[error("{name} at {bdf} is the name of another network interface too")]
    NetTwice {
        /// The device.
        bdf: Bdf,
        /// The name.
        name: String,
    },
    /// Interfaces for which a card has no functions.
    #[error("{bdf} has {count} network interfaces, and not as many functions free")]
    NetFunctions {
        /// The card.
        bdf: Bdf,
        /// How many.
        count: usize,
    },
    /// A card with RDMA and plain interfaces, of which the kernel's classes would tell one kind alone.
    #[error("{bdf} has both network interfaces with RDMA and without")]
    NetKinds {
        /// The card.
        bdf: Bdf,
    },
}
