//! The checkers: one for each invariant, fed with every fact as it happens and shown the whole once a second.
//!
//! They share no code with what they check: they know what is durable, who has which part of which GPU, what runs
//! and what is true of the hosts, and nothing of how a core comes to its decisions. Only the oracle of I9 and I13
//! asks the planner, for that is what an owner would say.

mod i1;
mod i10;
mod i11;
mod i12;
mod i13;
mod i14;
mod i2;
mod i3;
mod i4;
mod i5;
mod i7;
mod i8;
mod i9;

use std::fmt;

use kerf_types::HostId;

use super::engine::World;
use super::facts::Fact;
use super::report::Violation;
use crate::world::Micros;

/// Violations that are kept of a run; a broken core would fill memory with more.
const KEEP: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// In order of time.
    pub violations: Vec<Violation>,
    at: Micros,
}

impl Found {
    /// Notes a violation.
    pub fn add(&mut self, invariant: &'static str, what: String) {
        if self.violations.len() < KEEP {
            self.violations.push(Violation {
                seed: 0,
                invariant,
                at: self.at,
                what,
            });
        }
    }
}

/// One checker.
pub trait Checker: fmt::Debug {
    /// Something has happened.
    fn see(&mut self, now: Micros, fact: &Fact<'_>, found: &mut Found);

    /// How everything is, once a second, and at the end.
    fn look(&mut self, world: &World, last: bool, found: &mut Found) {
        let _unused = (world, last, found);
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Checkers {
    all: Vec<Box<dyn Checker>>,
    /// What they have found.
    pub found: Found,
}

impl Checkers {
    /// The checkers of a run with these hosts.
    pub fn new(hosts: Vec<HostId>) -> Self {
        Self {
            all: vec![
                Box::new(i1::Shares::default()),
                Box::new(i2::Fences::default()),
                Box::new(i3::Barrier::default()),
                Box::new(i4::OneAttempt::new(hosts.clone())),
                Box::new(i5::Promises::default()),
                Box::new(i7::Recovery::new(hosts.len())),
                Box::new(i8::Once::default()),
                Box::new(i9::Progress::default()),
                Box::new(i10::Views),
                Box::new(i11::Clean::default()),
                Box::new(i12::Strangers),
                Box::new(i13::Reasons::default()),
                Box::new(i14::Forgeries),
            ],
            found: Found::default(),
        }
    }

    /// Something has happened.
    pub fn see(&mut self, now: Micros, fact: &Fact<'_>) {
        self.found.at = now;
        for checker in &mut self.all {
            checker.see(now, fact, &mut self.found);
        }
    }

    /// How everything is.
    pub fn look(&mut self, world: &World, last: bool) {
        self.found.at = world.now;
        for checker in &mut self.all {
            checker.look(world, last, &mut self.found);
        }
    }
}
