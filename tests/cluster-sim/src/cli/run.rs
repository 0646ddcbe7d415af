//! `kerf-cluster-sim run`: whole hosts under faults, for one seed or many; the invariants are checked after every event.

use std::io::Write;
use std::ops::Range;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::ValueEnum;
use kerf_cluster_sim::run::mutations::by_name;
use kerf_cluster_sim::run::{MUTATIONS, Mutation, Outcome, Scenario, Setup, run as run_one};
use serde::Serialize;

use super::{Form, range};

/// Violating seeds of which the replay is told.
const TOLD: usize = 10;

/// Run whole hosts with the real scheduler, planner and membership under faults, and check the invariants
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of hosts: 5 for safety, 12 for churn, 9 for partition, 40 for gang unless told
    #[arg(long, value_parser = hosts)]
    hosts: Option<usize>,
    /// The seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seeds A..B instead of one, B not included
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// What is done
    #[arg(long, value_enum, default_value_t = Name::Safety)]
    scenario: Name,
    /// Break one thing on purpose; see --list-mutations
    #[arg(long, value_parser = mutation)]
    mutate: Option<&'static Mutation>,
    /// List what can be broken, with the invariants that must notice
    #[arg(long)]
    list_mutations: bool,
    /// Stop at the first seed that violates something
    #[arg(long)]
    until_violated: bool,
    /// Print a line for each event, on stderr beside JSON; for one seed
    #[arg(long, conflicts_with = "seeds")]
    trace: bool,
    /// Form of the result
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Everything at once and densely, over a minute, with a simulated membership
    Safety,
    /// Hosts come and go, with the real membership
    Churn,
    /// Cuts of the network, with the real membership
    Partition,
    /// Gangs of up to 64 members while hosts die
    Gang,
    /// One after the other
    All,
}

impl Name {
    fn scenarios(self) -> &'static [Scenario] {
        match self {
            Self::Safety => &[Scenario::Safety],
            Self::Churn => &[Scenario::Churn],
            Self::Partition => &[Scenario::Partition],
            Self::Gang => &[Scenario::Gang],
            Self::All => &Scenario::ALL,
        }
    }
}

#[derive(Debug, Serialize)]
struct Document {
    seeds: u64,
    events: u64,
    violations: Vec<Violation>,
    jobs_submitted: u64,
    jobs_completed: u64,
    gangs_partial_starts: u64,
    in_doubt_ms_p99: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Violation {
    seed: u64,
    invariant: &'static str,
    /// Seconds of virtual time.
    at: f64,
}

impl Document {
    fn new(seeds: u64, sum: &Outcome) -> Self {
        let violation = |one: &kerf_cluster_sim::run::Violation| Violation {
            seed: one.seed,
            invariant: one.invariant,
            at: u32::try_from(one.at / 1_000).map_or(f64::INFINITY, f64::from) / 1_000.0,
        };
        Self {
            seeds,
            events: sum.events,
            violations: sum.violations.iter().map(violation).collect(),
            jobs_submitted: sum.jobs_submitted,
            jobs_completed: sum.jobs_completed,
            gangs_partial_starts: sum.gangs_partial_starts,
            in_doubt_ms_p99: sum.in_doubt_ms_p99(),
        }
    }
}

fn hosts(text: &str) -> Result<usize> {
    let hosts: usize = text.parse()?;
    anyhow::ensure!((1..=1_000).contains(&hosts), "1 to 1000 hosts expected");
    Ok(hosts)
}

fn mutation(name: &str) -> Result<&'static Mutation> {
    by_name(name).context("no such mutation; see --list-mutations")
}

/// Runs it.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    if args.list_mutations {
        list(&mut out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut sum = Outcome::default();
    let (mut seeds, mut told) = (0, 0);
    'seeds: for seed in args.seeds.clone().unwrap_or(args.seed..args.seed + 1) {
        seeds += 1;
        for scenario in args.scenario.scenarios() {
            let mut outcome = run_one(args.setup(seed, *scenario));
            args.print_trace(&mut outcome)?;
            let violated = !outcome.violations.is_empty();
            if violated && told < TOLD {
                told += 1;
                args.tell(seed, *scenario, &outcome)?;
            }
            sum.add(outcome);
            if violated && args.until_violated {
                break 'seeds;
            }
        }
    }
    match args.output {
        Form::Json => {
            let document = Document::new(seeds, &sum);
            writeln!(out, "{}", serde_json::to_string(&document)?)?;
        }
        Form::Table => table(&mut out, seeds, &sum)?,
    }
    Ok(match sum.violations.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

impl Args {
    fn hosts(&self, scenario: Scenario) -> usize {
        self.hosts.unwrap_or(match scenario {
            Scenario::Safety => 5,
            Scenario::Churn => 12,
            Scenario::Partition => 9,
            Scenario::Gang => 40,
        })
    }

    fn setup(&self, seed: u64, scenario: Scenario) -> Setup {
        let mut setup = Setup::new(self.hosts(scenario), seed, scenario);
        setup.mutation = self.mutate;
        setup.trace = self.trace;
        setup
    }

    /// The lines of a trace, where a document for programs is not disturbed by them.
    fn print_trace(&self, outcome: &mut Outcome) -> Result<()> {
        for line in outcome.trace.drain(..) {
            match self.output {
                Form::Json => writeln!(std::io::stderr(), "{line}")?,
                Form::Table => writeln!(std::io::stdout(), "{line}")?,
            }
        }
        Ok(())
    }

    /// What a seed violates, and how to see it again.
    fn tell(&self, seed: u64, scenario: Scenario, outcome: &Outcome) -> Result<()> {
        let mut err = std::io::stderr();
        writeln!(err, "seed {seed} violates:")?;
        for one in &outcome.violations {
            let (seconds, ms) = (one.at / 1_000_000, one.at % 1_000_000 / 1_000);
            writeln!(
                err,
                "  {} at {seconds}.{ms:03} s: {}",
                one.invariant, one.what
            )?;
        }
        let mutate = self.mutate.map(|one| format!(" --mutate {}", one.name));
        writeln!(
            err,
            "replay: kerf-cluster-sim run --hosts {} --scenario {}{} --seed {seed} --trace",
            self.hosts(scenario),
            scenario.as_str(),
            mutate.unwrap_or_default(),
        )?;
        Ok(())
    }
}

fn list(out: &mut impl Write) -> Result<()> {
    for one in MUTATIONS {
        let notices = one.notices.join(", ");
        writeln!(out, "{:<26} {:<12} {}", one.name, notices, one.removes)?;
    }
    Ok(())
}

fn table(out: &mut impl Write, seeds: u64, sum: &Outcome) -> Result<()> {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let gangs = |count: u64| number((sum.gangs_feasible > 0).then_some(count));
    let rows = [
        ("seeds", seeds.to_string()),
        ("events", sum.events.to_string()),
        ("violations", sum.violations.len().to_string()),
        ("jobs submitted", sum.jobs_submitted.to_string()),
        ("jobs completed", sum.jobs_completed.to_string()),
        (
            "gangs started in part",
            sum.gangs_partial_starts.to_string(),
        ),
        ("in doubt, p99, ms", number(sum.in_doubt_ms_p99())),
        ("gangs feasible", gangs(sum.gangs_feasible)),
        ("of them started in 30 s", gangs(sum.gangs_in_time)),
    ];
    for (name, value) in rows {
        writeln!(out, "{name:<26}{value}")?;
    }
    Ok(())
}
