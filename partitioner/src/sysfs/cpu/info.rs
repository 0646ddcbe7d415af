//! What `/proc/cpuinfo` says: the model, the form of the instruction set, the units that all threads have.
//!
//! Owns its blocks of `key : value` lines, one block per thread. Goes through the text once and keeps nothing of it:
//! 256 threads are 400 KB. Which words mean which unit is [`super::units`]'.

use crate::sysfs::Reader;
use crate::sysfs::cpus::CpuSet;

use super::units::{Line, Units};

const PATH: &str = "proc/cpuinfo";
/// Most bytes of it: 2 KB for each of the 8,192 threads that Linux is built for at most.
const LIMIT: u64 = 16 << 20;

/// What is known from it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Marketing name of the first processor that is online.
    pub model: Option<String>,
    /// Its maker, family and model, as CPUID of x86 has them.
    pub identity: Identity,
    /// The machine word, where the form leaves no doubt: POWER's does not tell its byte order.
    pub architecture: Option<&'static str>,
    /// Names of the units that every thread has that is online.
    pub units: Vec<String>,
}

/// What tells a processor of x86 apart from others.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `GenuineIntel`.
    pub vendor: Option<String>,
    /// Its family.
    pub family: Option<u32>,
    /// Its model within the family.
    pub model: Option<u32>,
}

/// Reads it; nothing is known where it is absent, which is odd on a machine with CPUs.
pub fn read(reader: &Reader<'_>, online: &CpuSet) -> Info {
    let Some(text) = reader.long_text(PATH, LIMIT) else {
        // No Linux is without it, so a tree that lacks it is not whole.
        if !online.is_empty() {
            reader.odd::<()>(
                PATH,
                "says nothing: model and units of the CPUs are unknown",
            );
        }
        return Info::default();
    };
    let mut blocks = Blocks::new(online);
    for line in text.lines() {
        if let Some((key, value)) = line.split_once(':') {
            blocks.line(key.trim_ascii_end(), value.trim_ascii());
        }
    }
    if blocks.lacks_flags() {
        let (with, all) = (blocks.with_flags, online.len());
        let what =
            format_args!("tells the units of {with} of {all} threads: none is known to be in all");
        reader.odd::<()>(PATH, what);
        blocks.units = None;
    }
    Info {
        model: blocks.model.map(str::to_owned),
        identity: blocks.identity,
        architecture: blocks.architecture,
        units: blocks.units.map(Units::names).unwrap_or_default(),
    }
}

/// What the blocks have told so far.
struct Blocks<'a> {
    online: &'a CpuSet,
    /// Whether the block that is being read is of a thread that counts.
    is_online: bool,
    model: Option<&'a str>,
    identity: Identity,
    architecture: Option<&'static str>,
    /// The last line of units, which the next block repeats nearly always.
    last: (Line, &'a str, Units),
    units: Option<Units>,
    with_flags: u32,
}

impl<'a> Blocks<'a> {
    fn new(online: &'a CpuSet) -> Self {
        Self {
            online,
            is_online: false,
            model: None,
            identity: Identity::default(),
            architecture: None,
            last: (Line::Flags, "", Units::NONE),
            units: None,
            with_flags: 0,
        }
    }

    /// A key may come once per block, and `processor` begins one.
    fn line(&mut self, key: &str, value: &'a str) {
        match key {
            "processor" => {
                let number = value.parse().ok();
                self.is_online = number.is_some_and(|cpu| self.online.contains(cpu));
            }
            _ if !self.is_online => {}
            // x86 and POWER.
            "model name" | "cpu" if self.model.is_none() && !value.is_empty() => {
                self.model = Some(value);
            }
            "vendor_id" if self.identity.vendor.is_none() => {
                self.identity.vendor = Some(value.to_owned());
            }
            "cpu family" if self.identity.family.is_none() => {
                self.identity.family = value.parse().ok();
            }
            "model" if self.identity.model.is_none() => {
                self.identity.model = value.parse().ok();
            }
            _ => {
                if let Some(line) = Line::of_key(key) {
                    self.flags(line, value);
                }
            }
        }
    }

    fn flags(&mut self, line: Line, value: &'a str) {
        if (self.last.0, self.last.1) != (line, value) {
            self.last = (line, value, Units::of_line(line, value));
        }
        let here = self.last.2;
        self.units = Some(self.units.map_or(here, |units| units.and(here)));
        self.with_flags = self.with_flags.saturating_add(1);
        if self.architecture.is_none() {
            let has = |word| value.split_ascii_whitespace().any(|flag| flag == word);
            self.architecture = match line {
                // The long mode of x86. A 32-bit kernel shows it too, and no accelerator's driver is made for one.
                Line::Flags if has("lm") => Some("x86_64"),
                // A 32-bit Arm kernel calls its vectors `neon`.
                Line::Features if has("asimd") => Some("aarch64"),
                _ => None,
            };
        }
    }

    /// Whether some threads name their units and some do not: a text that was cut.
    fn lacks_flags(&self) -> bool {
        self.units.is_some() && self.with_flags != self.online.len()
    }
}
