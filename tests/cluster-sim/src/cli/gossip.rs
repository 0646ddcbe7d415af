//! `kerf-cluster-sim gossip`: what gossip costs and how well it does, for one seed or the sum of many.

use std::io::Write;
use std::ops::Range;
use std::process::ExitCode;

use anyhow::Result;
use kerf_cluster_sim::gossip::{Gossip, GossipReport};
use kerf_cluster_sim::{Micros, Percentiles, SECOND, Setup};
use serde::Serialize;

use super::{Form, in_thousand, range, record_bytes, sealing};

/// Measure traffic, spread of news, detection of failures and false alarms
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of hosts
    #[arg(long, default_value_t = 200)]
    hosts: usize,
    /// Virtual seconds in which records change and traffic is counted
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Records that change in a second in the whole fleet; 0 is a fleet in which nothing happens
    #[arg(long, default_value_t = 0)]
    updates_per_s: u32,
    /// Share of datagrams lost: a fraction, 0.05, or 5%. With any loss one in fifty is doubled as well, and one in
    /// twenty held up for up to 50 ms
    #[arg(long, default_value = "0", value_parser = in_thousand)]
    loss: u64,
    /// Length of each host's record in bytes
    #[arg(long, default_value_t = 300, value_parser = record_bytes)]
    record_bytes: usize,
    /// Seal and sign as kerfd does, instead of with a stand-in
    #[arg(long)]
    sealed: bool,
    /// The seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seeds A..B instead of one, B not included; the result is of all together
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Form of the result
    #[arg(short, long, value_enum, default_value_t = Form::Table)]
    output: Form,
}

#[derive(Debug, Serialize)]
struct Document {
    bytes_per_s_per_host: u64,
    max_datagram: usize,
    update_to_all_ms: Times,
    failure_seen_ms: Times,
    false_down: u64,
    host_hours: f64,
    stale_pairs_after_10s: u64,
}

/// `null` where nothing was measured.
#[derive(Debug, Serialize)]
struct Times {
    p50: Option<u64>,
    p99: Option<u64>,
}

impl From<Option<Percentiles>> for Times {
    fn from(times: Option<Percentiles>) -> Self {
        let ms = |time: Micros| time.div_ceil(1_000);
        Self {
            p50: times.map(|times| ms(times.p50)),
            p99: times.map(|times| ms(times.p99)),
        }
    }
}

impl From<&GossipReport> for Document {
    fn from(report: &GossipReport) -> Self {
        // Whole seconds: 136 host years fit.
        let host_s = u32::try_from(report.host_time / SECOND).map_or(f64::INFINITY, f64::from);
        Self {
            bytes_per_s_per_host: report.bytes_per_s_per_host(),
            max_datagram: report.max_datagram,
            update_to_all_ms: report.update().into(),
            failure_seen_ms: report.failure().into(),
            false_down: report.false_down,
            host_hours: (host_s / 36.0).round() / 100.0,
            stale_pairs_after_10s: report.stale_pairs,
        }
    }
}

/// Runs it.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut sum = GossipReport::default();
    let mut failed = false;
    for seed in args.seeds.clone().unwrap_or(args.seed..args.seed + 1) {
        let report = args.gossip(seed).run();
        if !report.violations.is_empty() {
            failed = true;
            args.tell(seed, &report)?;
        }
        sum.add(report);
    }
    let mut out = std::io::stdout();
    let document = Document::from(&sum);
    match args.output {
        Form::Json => writeln!(out, "{}", serde_json::to_string(&document)?)?,
        Form::Table => table(&mut out, &document, &sum)?,
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

impl Args {
    fn gossip(&self, seed: u64) -> Gossip {
        let mut setup = Setup::new(self.hosts, seed);
        setup.record_bytes = self.record_bytes;
        setup.sealing = sealing(self.sealed);
        Gossip {
            setup,
            seconds: self.seconds,
            updates_per_s: self.updates_per_s,
            loss: self.loss,
        }
    }

    /// What a seed violates, and how to see it again.
    fn tell(&self, seed: u64, report: &GossipReport) -> Result<()> {
        let mut err = std::io::stderr();
        writeln!(err, "seed {seed} violates:")?;
        for violation in &report.violations {
            writeln!(err, "  {violation}")?;
        }
        writeln!(
            err,
            "replay: kerf-cluster-sim gossip --hosts {} --seconds {} --updates-per-s {} --loss {}.{:03} \
             --record-bytes {}{} --seed {seed}",
            self.hosts,
            self.seconds,
            self.updates_per_s,
            self.loss / 1_000,
            self.loss % 1_000,
            self.record_bytes,
            if self.sealed { " --sealed" } else { "" },
        )?;
        Ok(())
    }
}

fn table(out: &mut impl Write, document: &Document, sum: &GossipReport) -> Result<()> {
    let ms = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let streams = sum.stream_bytes / sum.host_seconds.max(1);
    let (update, failure) = (&document.update_to_all_ms, &document.failure_seen_ms);
    let rows = [
        ("runs", sum.runs.to_string()),
        ("host hours", format!("{:.2}", document.host_hours)),
        (
            "sent by a host",
            format!(
                "{} B/s, {streams} of them in streams",
                document.bytes_per_s_per_host
            ),
        ),
        ("largest datagram", format!("{} B", document.max_datagram)),
        ("updates timed", sum.update_to_all.len().to_string()),
        ("update at all hosts, p50", ms(update.p50)),
        ("update at all hosts, p99", ms(update.p99)),
        (
            "not there after 10 s",
            document.stale_pairs_after_10s.to_string(),
        ),
        ("failure seen, p50", ms(failure.p50)),
        ("failure seen, p99", ms(failure.p99)),
        ("living called dead", document.false_down.to_string()),
    ];
    for (name, value) in rows {
        writeln!(out, "{name:<26}{value}")?;
    }
    Ok(())
}
