//! I12: no process is killed that kerf did not start, and no instance destroyed that it does not own.

use super::{Checker, Found};
use crate::run::facts::{Fact, Owner};
use crate::world::Micros;

/// Looks at every kill and at every instance that goes.
#[derive(Debug)]
pub struct Strangers;

impl Checker for Strangers {
    fn see(&mut self, _now: Micros, fact: &Fact<'_>, found: &mut Found) {
        match fact {
            Fact::Killed { host, ours: false } => {
                found.add("I12", format!("h{host} kills a process that is not kerf's"));
            }
            Fact::Destroyed { host, owner } if *owner != Owner::Kerf => {
                found.add("I12", format!("h{host} destroys an instance of {owner:?}"));
            }
            _ => {}
        }
    }
}
