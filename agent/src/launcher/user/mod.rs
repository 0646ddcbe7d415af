//! The user that a container's process runs as: by number, or by a name that the image explains.
//!
//! `/etc/passwd` and `/etc/group` of an image are files of other people. They are read through
//! [`rootfs`], which follows no path out of the image, and count only if the image names a user.

mod rootfs;

use containerd_client::types::Mount;

use super::error::LauncherError;
use super::image::ImageError;
use super::policy::UserIds;

/// User, group and further groups of a process, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessUser {
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
}

impl From<UserIds> for ProcessUser {
    fn from(ids: UserIds) -> Self {
        Self {
            uid: ids.uid,
            gid: ids.gid,
            additional_gids: Vec::new(),
        }
    }
}

/// Finds the user of an image. `mounts` are those of the container's new root file system; they are
/// looked at only if the image's words leave something open.
pub(super) async fn resolve(
    image: &str,
    wanted: Option<&str>,
    mounts: &[Mount],
) -> Result<ProcessUser, LauncherError> {
    let wanted = wanted.unwrap_or_default();
    if let Some(user) = by_number(wanted) {
        return Ok(user);
    }
    let bad = |source| LauncherError::BadImage {
        image: image.to_owned(),
        source,
    };
    let files = rootfs::read(mounts, ["etc/passwd", "etc/group"]).await;
    let [passwd, group] = files.map_err(bad)?;
    by_files(wanted, &passwd, &group).ok_or_else(|| {
        bad(ImageError::User {
            user: wanted.chars().take(120).collect(),
        })
    })
}

/// The user where numbers say all: nobody named, root, or `uid:gid`.
fn by_number(wanted: &str) -> Option<ProcessUser> {
    let (uid, gid) = match wanted {
        "" | "0" | "root" => (0, 0),
        _ => {
            let (uid, gid) = wanted.split_once(':')?;
            (uid.parse().ok()?, gid.parse().ok()?)
        }
    };
    Some(UserIds { uid, gid }.into())
}

/// The user by the image's own files, as every engine reads them: a number needs no entry, a name
/// does; a named group replaces all others.
fn by_files(wanted: &str, passwd: &str, group: &str) -> Option<ProcessUser> {
    let (user, chosen) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (wanted, None),
    };
    let number: Option<u32> = user.parse().ok();
    let entry = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid, gid) = (fields.first()?, fields.get(2)?, fields.get(3)?);
        let (uid, gid) = (uid.parse::<u32>().ok()?, gid.parse::<u32>().ok()?);
        (*name == user || Some(uid) == number).then_some((*name, uid, gid))
    });
    let (name, uid, own_gid) = match (entry, number) {
        (Some(entry), _) => entry,
        (None, Some(uid)) => ("", uid, 0),
        (None, None) => return None,
    };
    let groups = || {
        group.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let gid: u32 = fields.get(2)?.parse().ok()?;
            Some((
                *fields.first()?,
                gid,
                fields.get(3).copied().unwrap_or_default(),
            ))
        })
    };
    if let Some(chosen) = chosen {
        let by_name = || groups().find(|(name, _, _)| *name == chosen);
        let gid = chosen
            .parse()
            .ok()
            .or_else(|| by_name().map(|(_, gid, _)| gid))?;
        return Some(UserIds { uid, gid }.into());
    }
    let member = |members: &str| !name.is_empty() && members.split(',').any(|one| one == name);
    let additional_gids = groups()
        .filter(|(_, gid, members)| *gid != own_gid && member(members))
        .map(|(_, gid, _)| gid)
        .collect();
    Some(ProcessUser {
        uid,
        gid: own_gid,
        additional_gids,
    })
}

#[cfg(test)]
mod tests;
