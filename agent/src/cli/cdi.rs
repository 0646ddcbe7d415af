//! `kerf cdi`: the CDI names of this host, as runtimes find them; what kerfd gives; and whether files are as the
//! specification wants them.
//!
//! `list` and `validate` read files and ask nobody: they say what a runtime would find, also where kerfd is not there.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use kerf_api::json::{CdiCheck, CdiFile, CdiName, CdiNames};
use kerf_api::v1;
use kerf_types::VENDOR;

use super::client::soon;
use super::fail::Failure;
use super::print::Format;
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::words::count;
use super::{Context, Exit};
use crate::cdi::registry::{FOLDERS, Meaning, Registry, Specimen};
use crate::cdi::spec::{Document, lowest_version};
use crate::errors::chain;
use crate::files::{self, Durability};

/// `kerf cdi`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Names that a runtime finds on this host, of every vendor
    List {
        /// Folder to read instead of /etc/cdi and /var/run/cdi; the later of several counts more
        #[arg(long = "dir", value_name = "DIR")]
        folders: Vec<PathBuf>,
    },
    /// The documents of what kerfd gives now
    Generate {
        /// Only these: slice, gpu, device or lease
        #[arg(value_name = "CLASS", value_parser = ["slice", "gpu", "device", "lease"])]
        class: Option<String>,
        /// Write the files into this folder, in YAML with --output yaml
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Check files, or all of a folder; exits with 1 where one is wrong
    Validate {
        /// Files and folders; default: /etc/cdi and /var/run/cdi
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

/// Lists, prints or checks.
pub async fn run(verb: &Verb, context: &Context) -> Result<Exit, Failure> {
    match verb {
        Verb::List { folders } => {
            let folders = or_usual(folders);
            let registry = registry(&folders)?;
            context
                .print
                .document(&names(&registry, &folders), render_names)?;
            Ok(Exit::Done)
        }
        Verb::Generate { class, to } => {
            generate(class.as_deref(), to.as_deref(), context).await?;
            Ok(Exit::Done)
        }
        Verb::Validate { paths } => {
            let check = check(&or_usual(paths))?;
            context.print.document(&check, render_check)?;
            match check.ok {
                true => Ok(Exit::Done),
                false => Ok(Exit::Code(1)),
            }
        }
    }
}

fn or_usual(given: &[PathBuf]) -> Vec<PathBuf> {
    match given {
        [] => FOLDERS.map(PathBuf::from).to_vec(),
        given => given.to_vec(),
    }
}

fn registry(folders: &[PathBuf]) -> Result<Registry, Failure> {
    let names: Vec<String> = folders.iter().map(shown).collect();
    Registry::read(folders).map_err(Failure::file("read", Path::new(&names.join(", "))))
}

/// The document of what a registry gives.
fn names(registry: &Registry, folders: &[PathBuf]) -> CdiNames {
    let one = |(name, meaning): (String, Meaning<'_>)| {
        let files = match &meaning {
            Meaning::File(path) => vec![*path],
            Meaning::Conflict(paths) => paths.clone(),
        };
        let in_first = files.first().and_then(|first| {
            let file = registry.files.iter().find(|file| file.path == **first)?;
            let document = file.document.as_ref().ok()?;
            let (_, device) = name.split_once('=')?;
            let device = document.devices.iter().find(|one| one.name == device)?;
            Some((document, device))
        });
        let count_of = |of: fn(&crate::cdi::spec::Edits) -> usize| {
            in_first.map_or(0, |(document, device)| {
                of(&document.container_edits) + of(&device.container_edits)
            })
        };
        let is_claim = |hook: &crate::cdi::spec::Hook| hook.args.iter().any(|word| word == "claim");
        CdiName {
            resolves: matches!(meaning, Meaning::File(_)),
            files: files.into_iter().map(shown).collect(),
            devices: count_of(|edits| edits.device_nodes.len()),
            mounts: count_of(|edits| edits.mounts.len()),
            is_claimed: in_first
                .is_some_and(|(_, device)| device.container_edits.hooks.iter().any(is_claim)),
            name,
        }
    };
    let files = registry.files.iter().map(file_of);
    CdiNames {
        schema: Default::default(),
        folders: folders.iter().map(shown).collect(),
        names: registry.names().into_iter().map(one).collect(),
        broken: files.filter(|file| !file.faults.is_empty()).collect(),
    }
}

fn file_of(specimen: &Specimen) -> CdiFile {
    let mut faults = specimen.faults.clone();
    let document = match &specimen.document {
        Ok(document) => Some(document),
        Err(error) => {
            faults.push(chain(error));
            None
        }
    };
    CdiFile {
        path: shown(&specimen.path),
        cdi_version: document.map(|document| document.cdi_version.clone()),
        lowest_version: document.map(|document| lowest_version(document).to_owned()),
        devices: document.map_or(0, |document| document.devices.len()),
        faults,
    }
}

fn check(paths: &[PathBuf]) -> Result<CdiCheck, Failure> {
    let mut files = Vec::new();
    for path in paths {
        // A folder that is not there has no files; a file that is not there cannot be good.
        if path.is_dir() || (FOLDERS.iter().any(|usual| path == Path::new(usual)) && !path.exists())
        {
            let registry = registry(std::slice::from_ref(path))?;
            files.extend(registry.files.iter().map(file_of));
        } else {
            files.push(file_of(&Specimen::read(path.clone(), 0)));
        }
    }
    Ok(CdiCheck {
        schema: Default::default(),
        ok: files.iter().all(|file| file.faults.is_empty()),
        files,
    })
}

async fn generate(
    class: Option<&str>,
    to: Option<&Path>,
    context: &Context,
) -> Result<(), Failure> {
    let mut client = context.connect().await?;
    let answer = client.get_cdi(soon(v1::GetCdiRequest {})).await;
    let answer = answer.map_err(Failure::call("make the CDI documents"))?;
    for file in answer.into_inner().files {
        let document: Document = serde_json::from_str(&file.json).map_err(Failure::json)?;
        if class.is_some_and(|class| document.kind != format!("{VENDOR}/{class}")) {
            continue;
        }
        let Some(folder) = to else {
            match context.print.format {
                Format::Table => context.print.text(&in_json(&document)?)?,
                _ => context
                    .print
                    .next_document(&document, |_, _| String::new())?,
            }
            continue;
        };
        let (ending, text) = match context.print.format {
            Format::Yaml => (
                "yaml",
                serde_saphyr::to_string(&document).map_err(Failure::yaml)?,
            ),
            _ => ("json", in_json(&document)?),
        };
        let path = folder.join(&file.name).with_extension(ending);
        files::replace(&path, text.as_bytes(), Durability::Volatile)
            .map_err(Failure::file("write", &path))?;
        context.print.text(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

fn in_json(document: &Document) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(document).map_err(Failure::json)?;
    Ok(text + "\n")
}

fn render_names(names: &CdiNames, style: Style) -> String {
    let mut table = Table::new(&["NAME", ">DEVICES", ">MOUNTS", "BY", "FILE"]);
    for name in &names.names {
        let by = match (name.resolves, name.is_claimed) {
            (false, _) => Cell::new(Ink::Red, "conflict"),
            (true, true) => "claim".into(),
            (true, false) => Cell::new(Ink::Dim, "name"),
        };
        let files = Cell::new(Ink::Dim, name.files.join(", "));
        table.push(vec![
            (&name.name).into(),
            name.devices.into(),
            name.mounts.into(),
            by,
            files,
        ]);
    }
    let mut text = match table.is_empty() {
        true => format!("no CDI names in {}\n", names.folders.join(", ")),
        false => table.render(style, ""),
    };
    text.push_str(&render_broken(&names.broken, style));
    text
}

fn render_check(check: &CdiCheck, style: Style) -> String {
    let broken: Vec<CdiFile> = check
        .files
        .iter()
        .filter(|file| !file.faults.is_empty())
        .cloned()
        .collect();
    let devices = check.files.iter().map(|file| file.devices).sum::<usize>();
    let looked = format!(
        "{}, {}",
        count(check.files.len(), "file"),
        count(devices, "device")
    );
    match broken.as_slice() {
        [] => format!("{looked}  {}\n", style.paint(Ink::Green, "all valid")),
        broken => format!("{looked}\n{}", render_broken(broken, style)),
    }
}

fn render_broken(files: &[CdiFile], style: Style) -> String {
    let mut text = String::new();
    for file in files {
        text.push_str(&format!("{}\n", style.paint(Ink::Red, &file.path)));
        for fault in &file.faults {
            text.push_str(&format!("  {fault}\n"));
        }
    }
    text
}

fn shown(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}
