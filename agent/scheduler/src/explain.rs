//! What was said of each host when a job was placed, or why it waits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kerf_types::{HostId, HostName};

use crate::filter::Refusal;
use crate::score::Score;

/// What was said of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It gets these members.
    Chosen {
        /// Which, counted from 0.
        members: Vec<u32>,
        /// Its score for the last of them.
        score: Score,
        /// Why it gets no more of them.
        full: Option<Arc<Refusal>>,
    },
    /// It could serve, others are better.
    Feasible(Score),
    /// It cannot serve.
    Refused(Arc<Refusal>),
}

/// What was said of every host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The member that finds no host, and how many there are; `None` where all are placed.
    pub unplaced: Option<(u32, u32)>,
    /// Each host that was looked at, with its name, by id.
    pub hosts: BTreeMap<HostId, (HostName, Verdict)>,
    /// Hosts that were not looked at, since enough others were found before.
    pub not_sampled: usize,
}

impl Explanation {
    /// The same in one line, for a list: who asks for more gets it from the whole.
    pub fn summary(&self) -> String {
        let mut refused = self
            .hosts
            .values()
            .filter_map(|(_, verdict)| match verdict {
                Verdict::Refused(refusal) => Some(refusal),
                Verdict::Chosen { .. } | Verdict::Feasible(_) => None,
            });
        match (self.unplaced, refused.next(), self.hosts.len()) {
            (Some((_, 1)), Some(only), 1) if self.not_sampled == 0 => only.to_string(),
            (Some((_, 1)), _, count) => format!("none of {count} hosts has room for it"),
            _ => self
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// A placement that was made as if no job held anything, once everything is reserved so: who is chosen is told by it, and of
    /// every other host what was last seen of it as it is.
    pub(crate) fn come_true(mut self, told: Option<&Self>) -> Self {
        let chosen = |verdict: &Verdict| matches!(verdict, Verdict::Chosen { .. });
        self.hosts.retain(|_, (_, verdict)| chosen(verdict));
        if let Some(told) = told {
            self.not_sampled = told.not_sampled;
            for (host, said) in &told.hosts {
                self.hosts.entry(*host).or_insert_with(|| said.clone());
            }
        }
        self
    }

    /// Whether waiting may help: some host could serve if it had room.
    pub fn may_pass(&self) -> bool {
        self.hosts.values().any(|(_, verdict)| match verdict {
            Verdict::Refused(refusal) => refusal.may_pass(),
            Verdict::Chosen { .. } | Verdict::Feasible(_) => true,
        })
    }
}

impl fmt::Display for Explanation {
    /// One line for each host, those that serve first, those that were not looked at only counted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unplaced {
            Some(_) if self.hosts.is_empty() => return f.write_str("waits: no host is known"),
            Some((_, 1)) => f.write_str("waits: no host has room")?,
            Some((member, of)) => {
                let number = member.saturating_add(1);
                write!(f, "waits: no host has room for member {number} of {of}")?;
            }
            None => f.write_str("placed")?,
        }
        let mut lines: Vec<(u8, &HostName, String)> = Vec::new();
        for (name, verdict) in self.hosts.values() {
            match verdict {
                Verdict::Chosen {
                    members,
                    score,
                    full,
                } => {
                    let numbers: Vec<String> = members.iter().map(ToString::to_string).collect();
                    let mut text = format!("gets member {} ({score})", numbers.join(", "));
                    if let Some(full) = full {
                        text = format!("{text}, no room beside: {full}");
                    }
                    lines.push((0, name, text));
                }
                Verdict::Feasible(score) => lines.push((1, name, format!("could ({score})"))),
                Verdict::Refused(refusal) => lines.push((2, name, refusal.to_string())),
            }
        }
        lines.sort();
        for (_, name, text) in lines {
            write!(f, "\n  {name}: {text}")?;
        }
        if self.not_sampled > 0 {
            write!(f, "\n  {} more hosts were not looked at", self.not_sampled)?;
        }
        Ok(())
    }
}
