//! From a grant to what the engine adds to a container. Pure.

use std::path::Path;

use kerf_nri::{Adjustment, Container, Device, Mount};
use kerf_runtime::frame::{DeviceNode, Grant, MountEntry};
use kerf_runtime::spec::{ASK_ACCELERATOR, ASK_LEASE};
use kerf_types::profile::cdi_name;

use crate::host::HostError;

/// The adjustment by which a container gets a grant: the lease's CDI name where the engine takes such names, else all
/// that it stands for; the name of its lease in any case, by which `kerf-runtime` and a restarted kerfd know it.
pub(super) fn adjustment(
    grant: &Grant,
    takes_cdi: bool,
    container: &Container,
) -> Result<Adjustment, HostError> {
    let mut adjustment = Adjustment {
        annotations: [(ASK_LEASE.to_owned(), grant.lease_id.clone())].into(),
        cpus: grant.cpuset_cpus.clone().filter(|_| !container.has_cpus),
        mems: grant.cpuset_mems.clone().filter(|_| !container.has_mems),
        env: variables(&grant.env),
        // No CDI document can say it, so it is said here in any case.
        memlock_unlimited: grant.memlock_unlimited,
        ..Adjustment::default()
    };
    if container.annotations.contains_key(ASK_ACCELERATOR) {
        // An engine can be told to hand a pod's annotations down. This one is served, and kerf-runtime would take it
        // for a second ask.
        adjustment.without.insert(ASK_ACCELERATOR.to_owned());
    }
    if takes_cdi {
        adjustment.cdi.push(cdi_name("lease", &grant.lease_id));
        return Ok(adjustment);
    }
    let devices = grant.devices.iter().map(device);
    adjustment.devices = devices.collect::<Result<_, HostError>>()?;
    let mounts = grant.mounts.iter().map(mount);
    adjustment.mounts = mounts.collect::<Result<_, HostError>>()?;
    Ok(adjustment)
}

fn variables(env: &[String]) -> std::collections::BTreeMap<String, String> {
    let pairs = env.iter().filter_map(|entry| entry.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn device(node: &DeviceNode) -> Result<Device, HostError> {
    Ok(Device {
        path: text(&node.path)?,
        major: node.major,
        minor: node.minor,
        mode: node.file_mode & 0o777,
        uid: node.uid,
        gid: node.gid,
    })
}

fn mount(entry: &MountEntry) -> Result<Mount, HostError> {
    let mut options = entry.options.clone();
    if !options.iter().any(|option| option == "bind") {
        options.push("bind".to_owned());
    }
    Ok(Mount {
        source: text(&entry.source)?,
        destination: text(&entry.destination)?,
        options,
    })
}

/// A path in a message, which holds nothing but UTF-8.
fn text(path: &Path) -> Result<String, HostError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| HostError::Node {
        path: path.display().to_string(),
        why: "the name is not UTF-8, and the engine takes no other".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            lease_id: "l1".to_owned(),
            devices: vec![DeviceNode {
                path: "/dev/nvidia0".into(),
                host_path: "/sim/dev/nvidia0".into(),
                major: 195,
                minor: 0,
                file_mode: 0o666,
                uid: 0,
                gid: 44,
            }],
            cpuset_cpus: Some("0-3".to_owned()),
            cpuset_mems: Some("0".to_owned()),
            env: vec!["KERF_LEASE=l1".to_owned()],
            mounts: vec![MountEntry {
                source: "/host/lib.so".into(),
                destination: "/lib.so".into(),
                options: vec!["ro".to_owned()],
                kind: "bind".to_owned(),
            }],
            ..Grant::default()
        }
    }

    #[test]
    fn an_engine_that_takes_names_gets_a_name() {
        let made = adjustment(&grant(), true, &Container::default()).expect("an adjustment");
        assert_eq!(made.cdi, ["kerf.dev/lease=l1"]);
        assert_eq!((made.devices.len(), made.mounts.len()), (0, 0));
        assert_eq!(made.annotations[ASK_LEASE], "l1");
        assert_eq!(made.env["KERF_LEASE"], "l1");
        assert_eq!(
            (made.cpus.as_deref(), made.mems.as_deref()),
            (Some("0-3"), Some("0"))
        );
        assert!(made.without.is_empty() && !made.memlock_unlimited);
        let grant = Grant {
            memlock_unlimited: true,
            ..grant()
        };
        for takes_cdi in [true, false] {
            let made = adjustment(&grant, takes_cdi, &Container::default());
            assert!(made.expect("an adjustment").memlock_unlimited);
        }
    }

    #[test]
    fn another_gets_what_the_name_stands_for() {
        let made = adjustment(&grant(), false, &Container::default()).expect("an adjustment");
        assert!(made.cdi.is_empty());
        let device = made.devices.first().expect("a device");
        assert_eq!(
            (device.path.as_str(), device.major, device.gid),
            ("/dev/nvidia0", 195, 44)
        );
        let mount = made.mounts.first().expect("a mount");
        assert_eq!(mount.options, ["ro", "bind"]);
        assert_eq!(
            (mount.source.as_str(), mount.destination.as_str()),
            ("/host/lib.so", "/lib.so")
        );
    }

    #[test]
    fn what_a_container_has_stays_and_a_served_ask_goes() {
        let container = Container {
            has_cpus: true,
            annotations: [(ASK_ACCELERATOR.to_owned(), "gpu".to_owned())].into(),
            ..Container::default()
        };
        let made = adjustment(&grant(), true, &container).expect("an adjustment");
        assert_eq!((made.cpus, made.mems.as_deref()), (None, Some("0")));
        assert!(made.without.contains(ASK_ACCELERATOR));
    }
}
