//! Who is at the other end of the socket, and what they may do.
//!
//! The kernel says who the peer is; the configuration says what users and groups may do. Roles include each
//! other: an admin may submit, a submitter may read, and whoever can open the socket may read.

use std::ffi::CString;

use kerf_api::json::history::Requester;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Code, Status};

use super::status::with_hint;

use crate::config::Access;
use crate::launcher::{Submitter, UserIds};

/// What a peer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Read,
    /// Run jobs and hold leases of its own.
    Submit,
    /// Everything.
    Admin,
}

/// A peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its uid.
    pub uid: u32,
    /// Its gid.
    pub gid: u32,
    /// Its process, where the kernel says.
    pub pid: Option<u32>,
    /// Its role.
    pub role: Role,
}

impl From<Peer> for Requester {
    fn from(peer: Peer) -> Self {
        Self {
            uid: peer.uid,
            gid: Some(peer.gid),
            pid: peer.pid,
        }
    }
}

impl Peer {
    /// The peer of a request.
    pub fn of<T>(request: &tonic::Request<T>, access: &Access) -> Result<Self, Status> {
        let credentials = request
            .extensions()
            .get::<UdsConnectInfo>()
            .and_then(|info| info.peer_cred)
            .ok_or_else(|| Status::unauthenticated("the peer has no credentials"))?;
        let (uid, gid) = (credentials.uid(), credentials.gid());
        Ok(Self {
            uid,
            gid,
            pid: credentials.pid().and_then(|pid| u32::try_from(pid).ok()),
            // A user database over the network can take seconds: the other tasks of this thread go on.
            role: tokio::task::block_in_place(|| role_of(uid, gid, access)),
        })
    }

    /// Refuses a peer whose role does not include `least`.
    pub fn require(self, least: Role) -> Result<Self, Status> {
        if self.role >= least {
            return Ok(self);
        }
        let who = match least {
            Role::Admin => "access.admin",
            Role::Submit => "access.submit",
            Role::Read => "access",
        };
        Err(with_hint(
            Code::PermissionDenied,
            format!("uid {} is not named in {who}", self.uid),
            "an operator can add the user, or a group of theirs, to [access] in kerf.toml",
        ))
    }

    /// As one who submits a job.
    pub fn submitter(self) -> Submitter {
        Submitter {
            ids: UserIds {
                uid: self.uid,
                gid: self.gid,
            },
            admin: self.role == Role::Admin,
        }
    }

    /// Whether it may change what belongs to `owner`.
    pub fn owns(self, owner: u32) -> bool {
        self.role == Role::Admin || self.uid == owner
    }
}

fn role_of(uid: u32, gid: u32, access: &Access) -> Role {
    // Who kerfd itself runs as can do everything to it anyway.
    if uid == nix::unistd::geteuid().as_raw() || is_named(uid, gid, &access.admin) {
        Role::Admin
    } else if is_named(uid, gid, &access.submit) {
        Role::Submit
    } else {
        Role::Read
    }
}

fn is_named(uid: u32, gid: u32, names: &[String]) -> bool {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    names.iter().any(|name| match name.strip_prefix('@') {
        Some(group) => is_member(user.as_ref(), gid, group),
        None => user.as_ref().is_some_and(|user| user.name == *name) || name == &uid.to_string(),
    })
}

/// Membership by the peer's own gid or by the user database; `/proc` is not asked, since the peer may have
/// changed itself since it connected.
fn is_member(user: Option<&User>, gid: u32, group: &str) -> bool {
    let Ok(Some(group)) = Group::from_name(group) else {
        return false;
    };
    if group.gid == Gid::from_raw(gid) {
        return true;
    }
    user.and_then(|user| {
        let name = CString::new(user.name.as_str()).ok()?;
        getgrouplist(&name, user.gid).ok()
    })
    .is_some_and(|groups| groups.contains(&group.gid))
}

#[cfg(test)]
mod tests {
    use super::{Role, role_of};
    use crate::config::Access;

    #[test]
    fn roles_follow_names_and_groups() {
        let access = |admin: &[&str], submit: &[&str]| Access {
            admin: admin.iter().map(|name| (*name).to_owned()).collect(),
            submit: submit.iter().map(|name| (*name).to_owned()).collect(),
        };
        let own = nix::unistd::geteuid().as_raw();
        assert_eq!(role_of(own, 0, &access(&[], &[])), Role::Admin);
        assert_eq!(
            role_of(54_321, 54_321, &access(&["54321"], &[])),
            Role::Admin
        );
        assert_eq!(role_of(54_321, 0, &access(&[], &["@root"])), Role::Submit);
        assert_eq!(
            role_of(54_321, 54_321, &access(&["root"], &["@root"])),
            Role::Read
        );
    }
}
