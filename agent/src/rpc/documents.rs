//! The host's picture as messages of the API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use kerf_api::v1;
use kerf_partitioner::topology::{Site, matrix_of};
use kerf_planner::amd::AmdChange;
use kerf_planner::host::Change;
use kerf_planner::{GpuChange, HostPlan};
use kerf_types::job::JobState;
use kerf_types::lease::{Lease, SliceState};
use kerf_types::profile::cdi_name;
use kerf_types::{AmdWish, Isolation, MigMode, PciAddress};

use super::shared;
use crate::events::Event;
use crate::host::{Degraded, HostView, Progress, SharedView, SliceView};
use crate::store::{JobRow, Placed};

/// One slice.
pub fn slice(view: &SliceView, shared: &BTreeMap<PciAddress, SharedView>) -> v1::Slice {
    let isolation = match (shared.get(&view.id.gpu), view.id.compute) {
        (Some(shared), _) => shared.sharing.mode().isolation(),
        (None, None) => Isolation::Hardware,
        (None, Some(_)) => Isolation::Compute,
    };
    let device = view.device();
    let id = view.id.to_string();
    v1::Slice {
        gpu_index: view.gpu_index,
        gpu_uuid: view.parent.to_string(),
        gpu_pci: view.id.gpu.to_string(),
        profile: view
            .profile
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        placement: Some(v1::Placement::from(&view.id.placement)),
        compute: view.id.compute.as_ref().map(Into::into),
        gi: view.instance.id.0,
        ci: device.map(|(ci, _)| ci.0),
        uuid: device.map(|(_, uuid)| uuid.to_string()),
        memory_bytes: view.memory_bytes,
        sm_count: view.sm_count,
        state: view.state.as_str().to_owned(),
        lease: view.lease.as_ref().map(|lease| lease.id.to_string()),
        holder: view.lease.as_ref().map(holder_text),
        cdi_name: cdi_name("slice", &id),
        isolation: isolation.to_string(),
        reason: view.reason.clone(),
        id,
    }
}

/// Who has a lease: its container once there is one, else whom it was made for.
pub(super) fn holder_text(lease: &Lease) -> String {
    match &lease.container {
        Some(container) => format!("container {container}"),
        None => lease.holder.to_string(),
    }
}

/// The state of the host in one message.
///
/// `problems` are those that the host's owner does not know of, `peers` is where other hosts reach this one.
pub fn status(
    view: &HostView,
    problems: Vec<(String, Degraded)>,
    peers: Option<SocketAddr>,
    facts: &StatusFacts,
) -> v1::Status {
    let of_host = view.degraded.clone().into_iter();
    let degraded = of_host
        .chain(problems)
        .map(|(what, degraded)| v1::Degradation {
            what,
            why: degraded.why,
            hint: degraded.hint,
            since_ms: degraded.since.0,
        });
    let leased = |slice: &&SliceView| slice.state == SliceState::Leased;
    let nvidia = view.inventory.gpus.iter().map(|gpu| &gpu.health);
    let amd = view.inventory.amd.iter().map(|gpu| &gpu.health);
    let well = nvidia.chain(amd).filter(|health| health.is_ok());
    v1::Status {
        host: view.inventory.host.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_ms: facts.started_ms,
        now_ms: crate::host::now().0,
        degraded: degraded.collect(),
        gpus: count(view.inventory.gpus.len() + view.inventory.amd.len()),
        gpus_ok: count(well.count()),
        slices: count(view.slices.len()),
        slices_leased: count(view.slices.iter().filter(leased).count()),
        leases: count(view.leases.len()),
        jobs_active: facts.jobs_active,
        store_epoch: u32::from(view.epoch),
        generation: view.generation,
        metrics_address: facts.metrics_address.clone(),
        draining: view.draining,
        simulated: facts.simulated.clone(),
        peers_address: peers.map(|at| at.to_string()).unwrap_or_default(),
    }
}

/// What a status needs beside the picture.
#[derive(Debug, Clone)]
pub struct StatusFacts {
    /// When kerfd started.
    pub started_ms: u64,
    /// Where metrics are served, or empty.
    pub metrics_address: String,
    /// The simulated machine.
    pub simulated: Option<String>,
    /// Jobs that have not ended.
    pub jobs_active: u32,
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What the host has: what the kernel shows, with what drivers' libraries know of it.
pub fn inventory(view: &HostView) -> v1::Inventory {
    (&view.inventory.with_map(view.whole().clone())).into()
}

/// The matrix of who is how near to whom.
pub fn topology(view: &HostView) -> v1::Topology {
    let site = Site::of_whole(&view.inventory, view.whole());
    let rows = matrix_of(&view.inventory, &site);
    v1::Topology {
        header: rows.iter().map(|row| row.device.clone()).collect(),
        rows: rows
            .into_iter()
            .map(|row| v1::TopologyRow {
                device: row.device,
                links: row.links.iter().map(ToString::to_string).collect(),
                cpu_affinity: row.cpu_affinity,
                numa_node: row.numa_node,
                memory_node: row.memory_node,
                pci: row.pci.map(|pci| pci.to_string()).unwrap_or_default(),
            })
            .collect(),
    }
}

/// A plan.
pub fn plan(generation: u64, plan: &HostPlan) -> v1::Plan {
    v1::Plan {
        generation,
        gpus: plan.gpus.iter().map(gpu_plan).collect(),
        cost: plan.cost,
        lower_bound: plan.lower_bound,
        proof: plan.proof,
        notes: notes(plan),
        amd: plan.amd.iter().map(amd_plan).collect(),
        sharing: plan.sharing.iter().map(shared::plan).collect(),
    }
}

/// What a plan leaves out, in words.
fn notes(plan: &HostPlan) -> Vec<String> {
    let skipped = plan.skipped.iter();
    let skipped = skipped.map(|(gpu, why)| format!("{gpu} is left out: {why}"));
    let amd = plan.amd_skipped.iter();
    let amd = amd.map(|(gpu, why)| format!("AMD {gpu} is left out: {why}"));
    skipped.chain(amd).collect()
}

fn amd_plan(change: &AmdChange) -> v1::AmdPlan {
    let later = AmdWish {
        compute: change.compute_later,
        memory: change.memory_later,
    };
    v1::AmdPlan {
        index: change.gpu.index,
        pci: change.gpu.pci.to_string(),
        from: Some(change.from.into()),
        to: Some(change.wish.into()),
        steps: change.steps.iter().map(v1::Step::from).collect(),
        after_reload: Some(later.into()),
    }
}

fn gpu_plan(change: &GpuChange) -> v1::GpuPlan {
    let lines = |kinds: &[Change]| -> Vec<v1::PlannedSlice> {
        let of_kind = change
            .diff
            .iter()
            .filter(|line| kinds.contains(&line.change));
        of_kind
            .map(|line| v1::PlannedSlice {
                profile: line.profile.clone(),
                placement: Some(v1::Placement::from(&line.placement)),
                uuid: line.uuid.as_ref().map(ToString::to_string),
                holder: line.used_by.clone(),
                compute: line.compute.as_ref().map(Into::into),
            })
            .collect()
    };
    let later = change.later.iter().map(|(name, count)| v1::LaterSlices {
        profile: name.to_string(),
        count: *count,
    });
    v1::GpuPlan {
        index: change.index,
        uuid: change.uuid.to_string(),
        pci: change.pci.to_string(),
        mig_from: v1::MigMode::from(change.from).into(),
        mig_to: matches!(change.to, MigMode::Enabled | MigMode::EnablePending),
        keep: lines(&[Change::Keep, Change::Mend]),
        destroy: lines(&[Change::Destroy]),
        create: lines(&[Change::Create]),
        steps: change.steps.iter().map(v1::Step::from).collect(),
        later: later.collect(),
    }
}

/// Progress of an apply.
pub fn progress(progress: Progress) -> v1::ApplyProgress {
    use v1::apply_progress::{Event, StepDone};
    let done = |number, of, took: Duration| StepDone {
        number: count(number),
        of: count(of),
        step: None,
        microseconds: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        sharing: None,
    };
    let event = match progress {
        Progress::Planned(generation, host_plan) => Event::Planned(plan(generation, &host_plan)),
        Progress::Step {
            number,
            of,
            step,
            took,
        } => Event::Step(StepDone {
            step: Some(v1::Step::from(&step)),
            ..done(number, of, took)
        }),
        Progress::Sharing {
            number,
            of,
            change,
            took,
        } => Event::Step(StepDone {
            sharing: Some(shared::plan(&change)),
            ..done(number, of, took)
        }),
    };
    v1::ApplyProgress { event: Some(event) }
}

/// A job. Its arguments and environment may hold secrets: only those who own it see them.
pub fn job(row: &JobRow, owned: bool) -> v1::Job {
    let spec_json = if owned {
        row.spec.clone()
    } else {
        public_spec(&row.spec)
    };
    v1::Job {
        id: row.id.to_string(),
        spec_json,
        spec_hash: row.spec_hash.clone(),
        state: row.state.as_str().to_owned(),
        reason: row.reason.clone(),
        exit_code: row.exit_code,
        container: row.container.clone(),
        lease: row.lease.map(|lease| lease.to_string()),
        uid: row.uid(),
        submitted_ms: row.submitted.0,
        started_ms: row.started.map(|time| time.0),
        ended_ms: row.ended.map(|time| time.0),
        restarts: row.restarts,
        members: row
            .placed
            .as_ref()
            .filter(|_| row.state != JobState::Pending)
            .map(members)
            .unwrap_or_default(),
    }
}

fn members(placed: &Placed) -> Vec<v1::JobMember> {
    let hosts = (0..).zip(&placed.hosts);
    hosts
        .map(|(member, (id, name))| v1::JobMember {
            member,
            attempt: placed.attempt.0,
            host_id: id.to_string(),
            host: name.clone(),
        })
        .collect()
}

/// A job spec without arguments and environment.
fn public_spec(spec: &str) -> String {
    // Every spec in the store was parsed before; one that is not understood is not shown.
    let spec = kerf_api::json::job::parse(spec).ok();
    let public = spec.map(|mut spec| {
        spec.env.clear();
        spec.args.clear();
        kerf_api::json::job::canonical_json(&spec)
    });
    public.unwrap_or_default()
}

/// An event.
pub fn event(event: Event) -> v1::Event {
    v1::Event {
        number: event.number,
        time_ms: event.time.0,
        kind: event.kind.to_owned(),
        subject: event.subject,
        text: event.text,
    }
}

#[cfg(test)]
mod tests {
    use kerf_api::json::job;
    use kerf_types::HostId;
    use kerf_types::peer::Attempt;

    use crate::store::Placed;

    #[test]
    fn members_are_numbered_in_their_order_and_keep_the_host_of_each() {
        let host = |(number, name): (u128, &str)| (HostId::from_bits(number), name.to_owned());
        let placed = Placed {
            attempt: Attempt(3),
            hosts: [(7, "b"), (8, "a"), (7, "b")].map(host).into(),
        };
        let members = super::members(&placed);
        let seen: Vec<(u32, u32, &str)> = members
            .iter()
            .map(|one| (one.member, one.attempt, one.host.as_str()))
            .collect();
        assert_eq!(seen, [(0, 3, "b"), (1, 3, "a"), (2, 3, "b")]);
        assert_eq!(members[1].host_id, HostId::from_bits(8).to_string());
    }

    #[test]
    fn others_see_no_arguments_and_no_environment() {
        let spec = r#"{"image":"busybox:kerf","args":["--key","k"],"env":{"TOKEN":"t"}}"#;
        let spec = job::canonical_json(&job::parse(spec).expect("a spec"));
        let public = job::parse(&super::public_spec(&spec)).expect("a spec");
        assert_eq!(public.image, "busybox:kerf");
        assert!(public.args.is_empty() && public.env.is_empty());
    }
}
