//! One look at the machine from both sides: kerf's documents between two questions to nvidia-smi, so that
//! a value that moves is known from before and after.

use anyhow::Result;

use super::kerf::{Documents, Kerf};
use super::parse::details::{Details, details};
use super::parse::links::{GpuLinks, links};
use super::parse::list::{ListedGpu, list};
use super::parse::mig::{self, ListedCi, ListedGi, ListedPlaces, ListedProfile};
use super::parse::query::{Queried, query};
use super::parse::topology::{Matrix, matrix};
use super::smi::{Answer, Smi};

/// Everything that was asked, and what was understood of it.
#[derive(Debug)]
pub struct Reading {
    /// kerf's side.
    pub kerf: Documents,
    /// nvidia-smi's side.
    pub smi: Heard,
    /// The same as printed, by the name of the file that records it.
    pub texts: Vec<(&'static str, Answer)>,
}

/// What nvidia-smi said.
#[derive(Debug)]
pub struct Heard {
    /// `--version`.
    pub version: String,
    /// Before kerf looked.
    pub before: Moment,
    /// After kerf looked.
    pub after: Moment,
    /// `-L`.
    pub list: Vec<ListedGpu>,
    /// `topo -m`.
    pub topology: Told<Matrix>,
    /// `nvlink -s`.
    pub links: Told<Vec<GpuLinks>>,
    /// `mig -lgip`.
    pub profiles: Told<Vec<ListedProfile>>,
    /// `mig -lgipp`.
    pub places: Told<Vec<ListedPlaces>>,
    /// `mig -lgi`.
    pub gpu_instances: Told<Vec<ListedGi>>,
    /// `mig -lci`.
    pub compute_instances: Told<Vec<ListedCi>>,
}

/// Values that move, at one time.
#[derive(Debug)]
pub struct Moment {
    /// `--query-gpu`.
    pub gpus: Vec<Queried>,
    /// `-q`.
    pub details: Details,
}

impl Moment {
    /// The line of a GPU.
    pub fn gpu(&self, index: u64) -> Option<&Queried> {
        self.gpus.iter().find(|gpu| u64::from(gpu.index) == index)
    }
}

/// An answer, or the sentence with which nvidia-smi declined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<T> {
    /// The answer.
    Yes(T),
    /// Why there is none.
    No(String),
}

/// Asks both sides.
pub fn read(smi: &Smi, kerf: &Kerf) -> Result<Reading> {
    let mut texts = Vec::new();
    let version = smi.ask(&["--version"])?;
    let before = moment(smi, &mut texts, ["query-gpu.before.csv", "q.before.txt"])?;
    let documents = kerf.look()?;
    let after = moment(smi, &mut texts, ["query-gpu.after.csv", "q.after.txt"])?;
    let mut ask = |file, arguments: &[&str]| -> Result<Answer> {
        let answer = smi.ask(arguments)?;
        texts.push((file, answer.clone()));
        Ok(answer)
    };
    let listed = ask("L.txt", &["-L"])?;
    let heard = Heard {
        version: version.text.clone(),
        before,
        after,
        list: list(&listed.text)?,
        topology: told(&ask("topo-m.txt", &["topo", "-m"])?, matrix)?,
        links: told(&ask("nvlink-s.txt", &["nvlink", "-s"])?, links)?,
        profiles: told(&ask("mig-lgip.txt", &["mig", "-lgip"])?, mig::profiles)?,
        places: told(&ask("mig-lgipp.txt", &["mig", "-lgipp"])?, mig::places)?,
        gpu_instances: told(&ask("mig-lgi.txt", &["mig", "-lgi"])?, mig::gpu_instances)?,
        compute_instances: told(
            &ask("mig-lci.txt", &["mig", "-lci"])?,
            mig::compute_instances,
        )?,
    };
    texts.push(("version.txt", version));
    Ok(Reading {
        kerf: documents,
        smi: heard,
        texts,
    })
}

fn moment(
    smi: &Smi,
    texts: &mut Vec<(&'static str, Answer)>,
    files: [&'static str; 2],
) -> Result<Moment> {
    let (fields, answer) = smi.query()?;
    let gpus = query(&answer.text, &fields)?;
    let all = smi.ask(&["-q"])?;
    let read = details(&all.text);
    texts.extend(files.into_iter().zip([answer, all]));
    Ok(Moment {
        gpus,
        details: read,
    })
}

/// A call that fails has told why in its first line.
fn told<T, E>(answer: &Answer, parse: fn(&str) -> Result<T, E>) -> Result<Told<T>>
where
    E: std::error::Error + Send + Sync + 'static,
{
    if answer.succeeded() {
        return Ok(Told::Yes(parse(&answer.text)?));
    }
    Ok(Told::No(answer.first_line().to_owned()))
}
