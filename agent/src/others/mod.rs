//! Others on this host that manage, hand out or watch accelerators: what each is, what it means beside kerf, what to do.
//!
//! What is known of them is a table ([`known::KNOWN`]), what is there are [`Facts`], and what follows is a pure function of
//! both. kerf ends nobody and changes no file of theirs: where one of them cuts GPUs too, kerf does not, until
//! `partition.owner` says whose they are.

mod facts;
mod known;
#[cfg(test)]
mod tests;

use kerf_api::json::{Finding, Severity};

pub use facts::{Facts, Process, RuntimeUse};
use known::{KNOWN, Known};

/// Whose GPUs somebody cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker {
    /// MIG.
    Nvidia,
    /// Compute and memory modes.
    Amd,
}

/// Somebody who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name, as people know it.
    pub name: &'static str,
    /// By what it was seen: a process, a unit, a file.
    pub seen: Vec<String>,
    /// Whose GPUs it cuts now.
    pub cuts: Option<Maker>,
    severity: Severity,
    why: String,
    hint: &'static str,
}

impl Neighbour {
    /// Its name and by what it was seen, in one line.
    pub fn words(&self) -> String {
        format!("{} ({})", self.name, self.seen.join(", "))
    }

    /// What a person is told.
    pub fn finding(&self) -> Finding {
        Finding {
            severity: self.severity,
            what: self.name.to_owned(),
            why: format!("{}: {}", self.seen.join(", "), self.why),
            hint: self.hint.to_owned(),
        }
    }
}

/// `TASK_COMM_LEN` of the kernel, without the byte that ends it.
const COMM: usize = 15;

/// Who is there.
pub fn found(facts: &Facts) -> Vec<Neighbour> {
    let known = KNOWN.iter().filter_map(|known| of_known(known, facts));
    known.chain(runtimes(facts)).chain(cdi(facts)).collect()
}

/// Whether a program of one of these has this name, as the kernel keeps it: its first fifteen bytes.
fn is_known(comm: &str) -> bool {
    let mut programs = KNOWN.iter().flat_map(|known| known.programs.iter());
    programs.any(|program| program.get(..COMM).unwrap_or(program) == comm)
}

/// Who cuts GPUs of a maker now.
pub fn who_cuts(neighbours: &[Neighbour], maker: Maker) -> Option<&Neighbour> {
    neighbours.iter().find(|one| one.cuts == Some(maker))
}

fn of_known(known: &Known, facts: &Facts) -> Option<Neighbour> {
    let processes = || {
        let processes = facts.processes.iter();
        processes.filter(|one| known.programs.contains(&one.name.as_str()))
    };
    let mut seen: Vec<String> = Vec::new();
    let mut cuts = false;
    for process in processes() {
        let pid = process.pid;
        match (&process.mig_strategy, known.cuts_by_strategy) {
            (Some(strategy), true) => {
                seen.push(format!("process {pid} with MIG strategy {strategy}"));
                cuts |= strategy != "none";
            }
            _ => {
                seen.push(format!("process {pid}"));
                cuts |= !known.cuts_by_strategy;
            }
        }
    }
    let units = facts.units.iter();
    for unit in units.filter(|unit| known.units.contains(&unit.as_str())) {
        seen.push(format!("{unit} is enabled"));
        cuts = true;
    }
    for socket in &facts.sockets {
        let name = socket.rsplit('/').next().unwrap_or_default();
        if known.sockets.iter().any(|begin| name.starts_with(begin)) {
            seen.push(socket.clone());
        }
    }
    let is_there = !seen.is_empty();
    is_there.then(|| Neighbour {
        name: known.name,
        seen,
        cuts: known.cuts.filter(|_| cuts),
        severity: known.severity,
        why: known.why.to_owned(),
        hint: known.hint,
    })
}

/// NVIDIA's container runtime, where an engine has it.
fn runtimes(facts: &Facts) -> impl Iterator<Item = Neighbour> {
    facts.runtimes.iter().map(|one| {
        let seen = vec![format!("{} has it as {}", one.file, one.handler)];
        let (severity, why) = match one.is_default {
            true => (
                Severity::Warning,
                "it is the default there, so that any image gets GPUs by its environment, beside kerf's leases",
            ),
            false => (
                Severity::Note,
                "containers that are started with it get GPUs beside kerf's leases",
            ),
        };
        Neighbour {
            name: "nvidia-container-runtime",
            seen,
            cuts: None,
            severity,
            why: why.to_owned(),
            hint: "make kerf known with kerf setup, start containers with it, and take the other away then",
        }
    })
}

/// CDI files that nvidia-ctk has written.
fn cdi(facts: &Facts) -> Option<Neighbour> {
    (!facts.cdi.is_empty()).then(|| Neighbour {
        name: "nvidia-ctk's CDI files",
        seen: facts.cdi.clone(),
        cuts: None,
        severity: Severity::Note,
        why: "containers that name nvidia.com/gpu get GPUs beside kerf's leases, and slices there may be gone".to_owned(),
        hint: "take them away once nobody names nvidia.com/gpu; nvidia-cdi-refresh writes them anew while it is enabled",
    })
}
