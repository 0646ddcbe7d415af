//! What an attachment has put into a container, as it is written down before it is done. Pure.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::rules::Numbers;

/// A device node as the container is to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its path in the container, and below `/dev` there.
    pub path: PathBuf,
    /// Its numbers.
    pub numbers: Numbers,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner and group.
    pub owner: (u32, u32),
}

/// How far an attachment has come.
///
/// ```text
///   Begun ──done──► Held ──detach──► Ending ──taken out──► (none)
///     └──failed, or kerfd died──────────────────▲
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Written down; what of it was done is not known. It is taken back.
    Begun,
    /// The container has it.
    Held,
    /// It is being taken out.
    Ending,
}

/// What a lease has put into a running container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// How far it has come.
    pub phase: Phase,
    /// Every node of the lease.
    pub nodes: Vec<Node>,
    /// Those that were not there, and their folders, before them.
    pub made: Vec<PathBuf>,
    /// Numbers that the container could not open before.
    pub allowed: Vec<Numbers>,
    /// Whether the lease was promised before, and is again when nothing comes of this.
    pub was_promised: bool,
}

/// What is to be taken out of a container when one of its attachments ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Off {
    /// Rules.
    pub deny: Vec<Numbers>,
    /// Nodes and their folders, in the order in which they were made.
    pub remove: Vec<PathBuf>,
    /// The nodes among them.
    pub nodes: Vec<Node>,
}

/// What goes with an attachment, beside the others of the same container. What another one needs as well stays, and
/// becomes that one's to take away: nodes like `/dev/nvidiactl` are of every lease. What was there before any of them is
/// nobody's to take.
pub fn off<'a>(own: &Attachment, others: impl Iterator<Item = &'a mut Attachment>) -> Off {
    let mut off = Off {
        deny: own.allowed.clone(),
        remove: own.made.clone(),
        nodes: own.nodes.clone(),
    };
    for other in others {
        let numbers: BTreeSet<Numbers> = other.nodes.iter().map(|node| node.numbers).collect();
        let needs = |path: &PathBuf| other.nodes.iter().any(|node| node.path.starts_with(path));
        hand_over(&mut off.deny, &mut other.allowed, |one| {
            numbers.contains(one)
        });
        hand_over(&mut off.remove, &mut other.made, needs);
        // A folder stands before what is in it.
        other.made.sort();
    }
    off
}

fn hand_over<T: PartialEq>(from: &mut Vec<T>, to: &mut Vec<T>, needs: impl Fn(&T) -> bool) {
    let (given, kept): (Vec<T>, Vec<T>) = from.drain(..).partition(needs);
    *from = kept;
    for one in given {
        if !to.contains(&one) {
            to.push(one);
        }
    }
}
