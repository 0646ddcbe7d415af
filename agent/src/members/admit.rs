//! Whether what is to be started is what was promised, and whom it runs as.

use kerf_types::Bytes;
use kerf_types::peer::{By, MemberAsk};

use super::begin::Order;
use super::inner::Inner;
use crate::launcher::{Submitter, UserIds};
use crate::store::RunRow;

/// Bound on the descriptions of other hosts' jobs that go on here; those of this host's own have one too.
const FOREIGN_SPECS: Bytes = Bytes(64 << 20);

/// Refuses what was not promised, and what would be in the way of another host's job. The error says why, and whether
/// it would be refused again.
pub(super) fn admit(inner: &Inner, order: &Order) -> Result<(), (String, bool)> {
    let tag = order.tag;
    let asked = MemberAsk::of(&order.spec);
    let promised = inner.promised().get(&tag).cloned();
    match promised {
        Some(promised) if promised == asked => {}
        Some(_) => {
            let why = "it asks for something else than was promised to it";
            return Err((why.to_owned(), true));
        }
        None => {
            let why = "its host began anew since it was promised something";
            return Err((why.to_owned(), false));
        }
    }
    let coordinator = Some(order.coordinator).filter(|host| *host != inner.me);
    let known = inner.row((tag.job, tag.member));
    // Of a job that several hosts keep, another one of them may have taken over.
    let is_followed = |known: &RunRow| {
        known.coordinator == coordinator
            || (order.term > known.term && known.keepers.contains(&order.coordinator))
    };
    if known.is_some_and(|known| !is_followed(&known)) {
        let why = "another host has a job of this id, which is or was here";
        // A keeper that came in later may be followed by now, and not be named in what was written at the first start.
        let lasting = !order.term.is_shared();
        return Err((why.to_owned(), lasting));
    }
    if coordinator.is_some() && inner.foreign_specs() > FOREIGN_SPECS.0 {
        let why = format!(
            "the descriptions of other hosts' jobs here are larger than {FOREIGN_SPECS} together"
        );
        return Err((why, false));
    }
    Ok(())
}

/// Whom a member runs as. Nobody is an admin of another host, and a number of another host's user is somebody else
/// here unless the configuration says that all hosts have one list of users.
pub(super) fn submitter(inner: &Inner, order: &Order) -> Submitter {
    let By { uid, gid, admin } = order.by;
    // Of a job that was submitted elsewhere the user is another host's, also where this one coordinates it by now.
    if order.coordinator == inner.me && order.home == inner.me {
        let ids = UserIds { uid, gid };
        return Submitter { ids, admin };
    }
    let shared = inner.config().peers.same_users;
    Submitter {
        ids: if shared {
            UserIds { uid, gid }
        } else {
            UserIds::NOBODY
        },
        admin: false,
    }
}
