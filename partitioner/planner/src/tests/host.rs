//! Whole layouts: rules, users, modes, sick GPUs.

use kerf_types::inventory::{Architecture, GpuProcess};
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{Gpu, Health, Inventory, MigMode, SliceId, Timestamp};

use super::{gi, id, place, profiles};
use crate::check::{Violation, check_host};
use crate::host::{Change, HostPlan, HostRequest, PlanError, Usage, Use, plan_host};
use crate::machine;

/// Two H100s: GPU 0 holds two 3g, GPU 1 has MIG off and tells no profiles.
fn inventory() -> Inventory {
    let profiles = profiles("h100-80gb");
    let mut cut = machine::gpu(0, &profiles);
    machine::add(&mut cut, id(9), place("0:4"));
    machine::add(&mut cut, id(9), place("4:4"));
    let mut whole = machine::gpu(1, &[]);
    whole.mig_mode = MigMode::Disabled;
    Inventory {
        host: "test".to_owned(),
        driver: None,
        gpus: vec![cut, whole],
        amd: Vec::new(),
        numa_nodes: Vec::new(),
        nics: Vec::new(),
        problems: Vec::new(),
        map: Default::default(),
    }
}

pub(super) fn rule(gpus: &[GpuSelector], mig_enabled: bool, slices: &[(&str, u32)]) -> LayoutRule {
    let slices = slices
        .iter()
        .map(|(name, count)| (name.parse().expect("a profile"), *count));
    LayoutRule {
        gpus: gpus.to_vec(),
        mig_enabled,
        slices: slices.collect(),
        ..LayoutRule::default()
    }
}

/// A world to plan in, changed as a test needs it.
pub(super) struct World {
    pub inventory: Inventory,
    pub usage: Usage,
    pub rules: Vec<LayoutRule>,
    pub allow_reset: bool,
}

impl World {
    pub fn new(rules: Vec<LayoutRule>) -> Self {
        Self {
            inventory: inventory(),
            usage: Usage::default(),
            rules,
            allow_reset: false,
        }
    }

    pub fn gpu(&mut self, index: usize) -> &mut Gpu {
        &mut self.inventory.gpus[index]
    }

    pub fn lease(&mut self, at: &str, by: Use) {
        let slice = SliceId {
            gpu: self.inventory.gpus[0].pci,
            placement: place(at),
            compute: None,
        };
        self.usage.slices.insert(slice, by);
    }

    /// The refusal of what cannot be had.
    pub fn refusal(&self) -> PlanError {
        self.asked(|request| plan_host(request).expect_err("a refusal"))
    }

    fn asked<T>(&self, ask: impl FnOnce(&HostRequest<'_>) -> T) -> T {
        let layout = Layout {
            rules: self.rules.clone(),
        };
        ask(&HostRequest {
            inventory: &self.inventory,
            layout: &layout,
            usage: &self.usage,
            allow_reset: self.allow_reset,
        })
    }

    /// Plans; a plan is checked, an error is its chain of causes.
    pub fn plan(&self) -> Result<HostPlan, String> {
        let plan = self.asked(plan_host).map_err(|error| {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            text
        })?;
        assert_eq!(self.violations(&plan), []);
        Ok(plan)
    }

    /// What the checker says of a plan.
    pub fn violations(&self, plan: &HostPlan) -> Vec<(u32, Violation)> {
        self.asked(|request| check_host(request, plan))
    }

    #[track_caller]
    pub fn check_error(&self, expected: &str) {
        assert_eq!(self.plan().expect_err("an error"), expected);
    }
}

pub(super) fn render(plan: &HostPlan) -> String {
    let mut out = String::new();
    for gpu in &plan.gpus {
        out += &format!(
            "GPU {} {:?} -> {:?}, cost {}\n",
            gpu.index, gpu.from, gpu.to, gpu.plan.cost
        );
        for line in &gpu.diff {
            let sign = match line.change {
                Change::Keep => '=',
                Change::Destroy => '-',
                Change::Mend => '~',
                Change::Create => '+',
            };
            let by = line
                .used_by
                .as_deref()
                .map_or(String::new(), |by| format!(" {by}"));
            out += &format!("  {sign} {} {}{by}\n", line.placement, line.profile);
        }
        for step in &gpu.steps {
            out += &format!("  {step}\n");
        }
    }
    out
}

#[test]
fn a_layout_keeps_what_is_leased_and_turns_mig_on() {
    let mut world = World::new(vec![
        rule(
            &[GpuSelector::Index(0)],
            true,
            &[("3g.40gb", 1), ("2g.20gb", 1)],
        ),
        rule(&[GpuSelector::Index(1)], true, &[("7g.80gb", 1)]),
    ]);
    world.lease("4:4", Use::Leased("container web".to_owned()));
    let plan = world.plan().expect("a plan");
    assert_eq!((plan.cost, plan.lower_bound, plan.proof), (1, 1, true));
    assert_eq!(
        render(&plan),
        "GPU 0 Enabled -> Enabled, cost 1
  - 0:4 3g.40gb
  + 0:2 2g.20gb
  = 4:4 3g.40gb leased by container web
  destroy compute instance 0/0 (MIG-0-0) on 0000:10:00.0
  destroy GPU instance 0 at 0:4 on 0000:10:00.0
  create GPU instance of profile 14 at 0:2 on 0000:10:00.0
  create compute instance at 0:2 on 0000:10:00.0
GPU 1 Disabled -> Enabled, cost 0
  + 0:8 7g.80gb
  set MIG mode of 0000:11:00.0 on
  create GPU instance of profile 0 at 0:8 on 0000:11:00.0
  create compute instance at 0:8 on 0000:11:00.0
"
    );
}

#[test]
fn mig_goes_off_after_all_else_and_twice_is_nothing() {
    let mut world = World::new(vec![rule(&[GpuSelector::All], false, &[])]);
    let plan = world.plan().expect("a plan");
    assert_eq!(plan.cost, 2);
    let last = plan.steps().last().map(ToString::to_string);
    assert_eq!(last.as_deref(), Some("set MIG mode of 0000:10:00.0 off"));
    world.gpu(0).instances.clear();
    world.gpu(0).mig_mode = MigMode::Disabled;
    assert!(world.plan().expect("a plan").is_empty());
}

#[test]
fn what_is_in_use_is_never_destroyed() {
    let off = || vec![rule(&[GpuSelector::Index(0)], false, &[])];
    let small = || vec![rule(&[GpuSelector::Index(0)], true, &[("1g.10gb", 1)])];
    for rules in [off(), small()] {
        let mut world = World::new(rules);
        world.lease("4:4", Use::Leased("job 7".to_owned()));
        world.check_error(
            "the layout would destroy slice 0000:10:00.0-4-4 (3g.40gb), which is leased by job 7",
        );
        world.lease("4:4", Use::Unknown);
        world.check_error(
            "the layout would destroy slice 0000:10:00.0-4-4 (3g.40gb), \
             which is used by somebody that kerf does not know",
        );
        world.usage.slices.clear();
        let process = |pid| GpuProcess {
            pid,
            memory: None,
            gi: Some(gi(1)),
            ci: None,
        };
        world.gpu(0).processes = vec![process(41), process(42)];
        world.check_error(
            "the layout would destroy slice 0000:10:00.0-4-4 (3g.40gb), \
             which is used by processes 41, 42",
        );
    }
    let mut world = World::new(vec![rule(
        &[GpuSelector::Index(0)],
        true,
        &[("4g.40gb", 1), ("3g.40gb", 1)],
    )]);
    world.lease("0:4", Use::Leased("job 7".to_owned()));
    world.check_error(
        "the layout does not fit on GPU 0 (0000:10:00.0) beside what is in use: \
         0000:10:00.0-0-4 leased by job 7: \
         4g.40gb x1: at most 0 fit while 3g.40gb at 0:4 must stay",
    );
    let mut world = World::new(vec![rule(&[GpuSelector::Index(1)], true, &[])]);
    let pci = world.gpu(1).pci;
    world.usage.gpus.insert(pci, "user 1000".to_owned());
    world.check_error("the layout would change GPU 1 (0000:11:00.0), which is leased by user 1000");
    world.usage.gpus.clear();
    world.gpu(1).processes = vec![GpuProcess {
        pid: 9,
        memory: None,
        gi: None,
        ci: None,
    }];
    world.check_error("the layout would change GPU 1 (0000:11:00.0), which is used by process 9");
}

#[test]
fn wrong_layouts_are_refused_with_a_reason() {
    let check = |rules: Vec<LayoutRule>, expected: &str| World::new(rules).check_error(expected);
    check(
        vec![rule(&[GpuSelector::Index(9)], true, &[])],
        "rule 1 names GPU 9, which is not on this host: it has GPUs 0 (0000:10:00.0), 1 (0000:11:00.0)",
    );
    check(
        vec![
            rule(&[GpuSelector::All], true, &[]),
            rule(&[GpuSelector::Index(1)], true, &[]),
        ],
        "rules 1 and 2 both name GPU 1 (0000:11:00.0)",
    );
    check(
        vec![rule(&[GpuSelector::Index(0)], false, &[("1g.10gb", 1)])],
        "rule 1 wants slices with MIG off",
    );
    check(
        vec![rule(&[GpuSelector::Index(0)], true, &[("3g.40gb", 3)])],
        "the layout does not fit on GPU 0 (0000:10:00.0): 3g.40gb x3: at most 2 fit",
    );
    check(
        vec![rule(&[GpuSelector::Index(0)], true, &[("3g.40gb+gfx", 1)])],
        "rule 1 cannot be read for GPU 0 (0000:10:00.0): \
         no profile 3g.40gb+gfx here, nearest is 3g.40gb; \
         known: 7g.80gb, 4g.40gb, 3g.40gb, 2g.20gb, 1g.20gb, 1g.10gb, 1g.10gb+me",
    );
    let mut alone = World::new(vec![rule(
        &[GpuSelector::Index(1)],
        true,
        &[("1g.10gb", 1)],
    )]);
    alone.inventory.gpus.remove(0);
    alone.gpu(0).mig_mode = MigMode::Enabled;
    alone.check_error(
        "the driver tells of no profile of GPU 1 (0000:11:00.0), although its MIG mode is on",
    );
    alone.gpu(0).mig_mode = MigMode::Disabled;
    alone.rules = vec![rule(&[GpuSelector::Index(1)], true, &[])];
    assert_eq!(alone.plan().expect("a plan").steps().count(), 1);
    alone.gpu(0).mig_mode = MigMode::Unsupported;
    alone.check_error("GPU 1 (0000:11:00.0) has no MIG");
}

#[test]
fn a_reset_is_never_done_unasked() {
    let mut world = World::new(vec![rule(&[GpuSelector::All], true, &[])]);
    world.gpu(1).architecture = Architecture::Ampere;
    world.check_error(
        "turning MIG on on GPU 1 (0000:11:00.0) needs a GPU reset, which was not allowed",
    );
    world.allow_reset = true;
    assert_eq!(world.plan().expect("a plan").gpus[1].steps.len(), 1);
    // Taking back a change that waits for a reset needs none.
    world.allow_reset = false;
    world.rules = vec![rule(&[GpuSelector::Index(1)], false, &[])];
    world.gpu(1).mig_mode = MigMode::EnablePending;
    assert_eq!(world.plan().expect("a plan").gpus[0].steps.len(), 1);
}

#[test]
fn a_sick_gpu_is_named_or_left_out() {
    let mut world = World::new(vec![rule(&[GpuSelector::All], true, &[("7g.80gb", 1)])]);
    world.gpu(1).health = Health::Lost {
        since: Timestamp(0),
    };
    let plan = world.plan().expect("a plan for the other");
    assert_eq!((plan.gpus.len(), plan.skipped.len()), (1, 1));
    world.rules = vec![rule(&[GpuSelector::Index(1)], true, &[])];
    world.check_error("GPU 1 (0000:11:00.0) is not well: lost since 1970-01-01T00:00:00.000Z");
}

/// The indices behind a GPU that left close up, and it stays listed at the one that it had.
#[test]
fn an_index_means_the_gpu_that_has_it_now() {
    let lost = Health::Lost {
        since: Timestamp(0),
    };
    let mut world = World::new(vec![rule(
        &[GpuSelector::Index(0)],
        true,
        &[("7g.80gb", 1)],
    )]);
    world.gpu(0).health = lost.clone();
    world.gpu(1).index = 0;
    let (left, served) = (world.gpu(0).pci, world.gpu(1).pci);
    let plan = world.plan().expect("a plan for the one that is served");
    let planned: Vec<_> = plan.gpus.iter().map(|change| change.pci).collect();
    assert_eq!((planned, plan.skipped), (vec![served], Vec::new()));
    // By its address it is meant, and by `all` it is left out with a word.
    world.rules = vec![rule(&[GpuSelector::Pci(left)], true, &[])];
    world.check_error("GPU 0 (0000:10:00.0) is not well: lost since 1970-01-01T00:00:00.000Z");
    world.rules = vec![rule(&[GpuSelector::All], true, &[])];
    assert_eq!(world.plan().expect("a plan").skipped.len(), 1);
    // The one that has the index now is meant even when it is sick in another way, and lost ones that
    // nobody has followed are still named.
    world.rules = vec![rule(&[GpuSelector::Index(0)], true, &[])];
    world.gpu(1).health = Health::ResetRequired {
        since: Timestamp(0),
    };
    world.check_error(
        "GPU 0 (0000:11:00.0) is not well: in need of a reset since 1970-01-01T00:00:00.000Z",
    );
    world.gpu(1).health = lost;
    world.check_error("GPU 0 (0000:10:00.0) is not well: lost since 1970-01-01T00:00:00.000Z");
}

/// An A100 tells of its profiles only while MIG is on, and nobody else on the host does.
#[test]
fn where_profiles_are_not_known_the_mode_comes_first_and_slices_later() {
    let mut world = World::new(vec![rule(
        &[GpuSelector::Index(1)],
        true,
        &[("3g.40gb", 1), ("1g.10gb", 2), ("7g.80gb", 0)],
    )]);
    world.inventory.gpus.remove(0);
    let first = world.plan().expect("the mode");
    assert!(first.is_first_part());
    let change = &first.gpus[0];
    let later: Vec<String> = change
        .later
        .iter()
        .map(|(name, count)| format!("{count}x {name}"))
        .collect();
    assert_eq!(later, ["2x 1g.10gb", "1x 3g.40gb"]);
    assert_eq!((change.steps.len(), change.target.len()), (1, 0));
    world.gpu(0).mig_mode = MigMode::Enabled;
    world.gpu(0).profiles = profiles("h100-80gb");
    let second = world.plan().expect("the slices");
    assert!(!second.is_first_part());
    assert_eq!(second.gpus[0].plan.create.len(), 3);
}
