//! Which container is meant: its cgroup under the devices controller, and its first process.
//!
//! Engines name a container's cgroup for it, each in its own way, so no engine is asked. Only names that root alone could
//! choose count: whoever has a cgroup of their own may make one below it that is called like somebody else's container.

use std::collections::BTreeSet;
use std::path::Path;

use kerf_types::ContainerRef;
use kerf_types::lease::InitProcess;

use super::super::cgroup::{self, Cgroup, Place};
use super::AttachError;
use super::lists::members;

/// How a container is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By its engine's id, and the engine's namespace where one was given.
    Id {
        /// The namespace; empty for any.
        namespace: String,
        /// The id.
        id: String,
    },
    /// By a process in its cgroup.
    Pid(u32),
}

/// A container that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How it is called; the namespace is empty where its cgroup does not tell.
    pub container: ContainerRef,
    /// Its first process: the oldest in its cgroup.
    pub init: InitProcess,
    /// Its cgroup under the devices controller.
    pub cgroup: Cgroup,
}

/// The container of that name.
///
/// # Errors
/// When none or several are, or its devices are not kept by a list.
pub fn find(named: &Named) -> Result<Target, AttachError> {
    let (name, namespace, places) = match named {
        Named::Id { namespace, id } => (id.clone(), namespace.clone(), cgroup::all_named(id)),
        Named::Pid(pid) => of_pid(*pid).ok_or_else(|| AttachError::NoContainer {
            name: format!("pid:{pid}"),
        })?,
    };
    let none = || AttachError::NoContainer { name: name.clone() };
    let mut found: Vec<(Place, ContainerRef, InitProcess)> = Vec::new();
    for place in places
        .into_iter()
        .filter(|place| is_whole_name(place, &name))
    {
        let of_path = namespace_in(&place.path, &name);
        if !namespace.is_empty() && !of_path.is_empty() && namespace != of_path {
            continue;
        }
        let known = match namespace.is_empty() {
            true => of_path,
            false => namespace.clone(),
        };
        let container = ContainerRef::try_new(&known, &name).map_err(|_| none())?;
        if let Some(init) = oldest(&place.folder) {
            found.push((place, container, init));
        }
    }
    // `web-1` is that one, and not a `my-web-1` that some engine's prefix would make of it.
    let is_exact = |place: &Place| place.folder.file_name() == Some(name.as_ref());
    if found.iter().any(|(place, ..)| is_exact(place)) {
        found.retain(|(place, ..)| is_exact(place));
    }
    // Under both, the list of version 1 is what counts; the other has no devices then.
    let is_listed = found.iter().any(|(place, ..)| place.is_v1);
    found.retain(|(place, ..)| place.is_v1 == is_listed);
    match found.as_slice() {
        [] => Err(none()),
        [(place, container, init)] if place.is_v1 => Ok(Target {
            container: container.clone(),
            init: init.clone(),
            cgroup: Cgroup::at(place.folder.clone()).ok_or_else(none)?,
        }),
        [(place, ..)] => Err(AttachError::V2 {
            name,
            folder: place.folder.clone(),
        }),
        several => Err(AttachError::Several {
            name,
            folders: several
                .iter()
                .map(|(place, ..)| place.folder.clone())
                .collect(),
        }),
    }
}

/// Whether a cgroup is named for this container and not for one whose name ends with this one: a prefix is an engine's in
/// the name of a scope, with colons around it, or where it is one that is known.
fn is_whole_name(place: &Place, name: &str) -> bool {
    let parts = place.path.split('/').filter(|part| !part.is_empty());
    let of_engine = ["libpod-", "crio-", "docker-", "cri-containerd-"];
    let mut fitting = parts.filter(|part| {
        let is_marked = part.ends_with(".scope") || part.contains(':');
        let rest = part.strip_suffix(name);
        *part == name || is_marked || rest.is_some_and(|prefix| of_engine.contains(&prefix))
    });
    fitting.any(|part| cgroup::is_named_for(part, name))
}

/// Name, namespace and cgroups of the container that a process is in.
fn of_pid(pid: u32) -> Option<(String, String, Vec<Place>)> {
    let (namespace, name) = cgroup::container_of(pid)?;
    let mut places = cgroup::places_of(pid)?;
    places.retain(|place| cgroup::is_named_for(&place.path, &name));
    Some((name, namespace, places))
}

/// The namespace that a path of a container's cgroup tells: `/default/web-1`, and of nothing deeper.
fn namespace_in(path: &str, name: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [namespace, last, ..] if *last == name => (*namespace).to_owned(),
        _ => String::new(),
    }
}

/// The oldest process in a cgroup and below it: what came later was started by it, or put there by its runtime.
fn oldest(folder: &Path) -> Option<InitProcess> {
    let members: BTreeSet<u32> = members(folder)?;
    let known = members.into_iter().filter_map(super::super::identify);
    known.min_by_key(|process| (process.start_ticks, process.pid))
}

#[cfg(test)]
mod tests {
    use super::{Place, is_whole_name, namespace_in};

    #[test]
    fn another_containers_name_that_ends_alike_is_not_taken_for_it() {
        for (path, expected) in [
            ("/default/db", true),
            ("/default/prod-db", false),
            ("/libpod_parent/libpod-db", true),
            ("/machine.slice/libpod-db.scope/container", true),
            ("/system.slice:cri-containerd:db", true),
            ("/default/prod-db/nested.scope", false),
        ] {
            let place = Place {
                path: path.to_owned(),
                folder: path.into(),
                is_v1: true,
            };
            assert_eq!(is_whole_name(&place, "db"), expected, "{path}");
        }
    }

    #[test]
    fn only_containerds_own_paths_tell_a_namespace() {
        for (path, expected) in [
            ("/default/web-1", "default"),
            ("/default/web-1/nested", "default"),
            ("/web-1", ""),
            ("/kubepods/besteffort/pod7/web-1", ""),
            ("/system.slice/cri-containerd-web-1.scope", ""),
        ] {
            assert_eq!(namespace_in(path, "web-1"), expected, "{path}");
        }
    }
}
