//! I14: a datagram that nobody of the fleet sealed changes nothing where it comes.

use super::{Checker, Found};
use crate::run::facts::Fact;
use crate::world::Micros;

/// Looks at every forgery.
#[derive(Debug)]
pub struct Forgeries;

impl Checker for Forgeries {
    fn see(&mut self, _now: Micros, fact: &Fact<'_>, found: &mut Found) {
        if let Fact::Forged {
            host,
            changed: Some(how),
        } = fact
        {
            found.add("I14", format!("h{host}: {how}"));
        }
    }
}
