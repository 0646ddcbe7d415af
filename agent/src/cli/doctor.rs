//! `kerf doctor`: what is not as it should be on a host, and what to do about it.
//!
//! It exits with 3 where anything is wrong, and with 0 where there are notes alone.

mod look;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use kerf_api::json::{Doctor, Finding, Severity, Status};
use kerf_api::v1;

use super::client::soon;
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::topology::pick;
use super::words::count;
use super::{Context, Exit, inventory};
use crate::host::PARTITIONING;
use crate::others::{self, Neighbour};

/// `kerf doctor`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Without kerfd: the machine under this folder as /
    #[arg(long, value_name = "DIR", requires = "nvml")]
    sysroot: Option<PathBuf>,
    /// Its driver library: a path, auto, or none
    #[arg(long, value_name = "LIB", requires = "sysroot")]
    nvml: Option<PathBuf>,
}

/// Looks, and tells.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut root = args.sysroot.clone().unwrap_or_else(|| "/".into());
    let (host, mut findings) = match (&args.sysroot, &args.nvml) {
        (Some(sysroot), Some(nvml)) => {
            (pick::discovery_of_sick(sysroot, nvml, context)?, Vec::new())
        }
        _ => {
            let mut client = context.connect().await?;
            let status = client.get_status(soon(v1::GetStatusRequest {})).await;
            let status = Status::from(status.map_err(Failure::call("read the status"))?.get_ref());
            let host = inventory::ask(&mut client, false).await?;
            let config = client.get_config(soon(v1::GetConfigRequest {})).await;
            let config = config.map_err(Failure::call("read the configuration"))?;
            root = sysroot(&config.get_ref().toml);
            (host, of_status(&status))
        }
    };
    findings.extend(look::findings(&host, &findings));
    let neighbours = others::found(&others::Facts::of_all(&root));
    findings.extend(neighbours.iter().map(Neighbour::finding));
    let doctor = Doctor::new(host.host.clone(), findings);
    context.print.document(&doctor, render)?;
    Ok(if doctor.ok { Exit::Done } else { Exit::Differs })
}

/// The root of the machine that kerfd looks at.
fn sysroot(config: &str) -> PathBuf {
    let config: toml::Table = config.parse().unwrap_or_default();
    let sysroot = config
        .get("paths")
        .and_then(|paths| paths.get("sysroot")?.as_str());
    sysroot.unwrap_or("/").into()
}

/// What kerfd knows to be wrong.
fn of_status(status: &Status) -> Vec<Finding> {
    let degraded = status.degraded.iter().map(|one| Finding {
        severity: match one.what.as_str() {
            // Everything works, and kerf holds back on purpose.
            PARTITIONING => Severity::Warning,
            _ => Severity::Error,
        },
        what: one.what.clone(),
        why: one.why.clone(),
        hint: one.hint.clone(),
    });
    degraded.collect()
}

/// One line for each finding.
pub fn render(doctor: &Doctor, style: Style) -> String {
    let host = style.paint(Ink::Bold, &doctor.host);
    if doctor.findings.is_empty() {
        let well = style.paint(Ink::Green, "everything is well");
        return format!("{host}  {well}\n");
    }
    let mut table = Table::new(&["", "ABOUT", "WHY", "WHAT TO DO"]);
    for one in &doctor.findings {
        let ink = match one.severity {
            Severity::Error => Ink::Red,
            Severity::Warning => Ink::Yellow,
            Severity::Note => Ink::Dim,
        };
        table.push(vec![
            Cell::new(ink, one.severity.as_str()),
            (&one.what).into(),
            (&one.why).into(),
            Cell::new(Ink::Dim, &one.hint),
        ]);
    }
    let things = count(doctor.findings.len(), "finding");
    format!("{host}  {things}\n\n{}", table.render(style, ""))
}
