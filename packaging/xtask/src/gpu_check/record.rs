//! `--record DIR`: what both sides said, and what the driver's library answers about MIG, as a fixture that the
//! simulator's tables can be made from and checked against.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::kerf::elements;
use super::reading::Reading;
use super::redact::Redactor;
use super::smi::Answer;

/// Writes the recording and returns the number of files.
///
/// # Errors
/// When the folder holds something already: a recording is of one look, never a mixture.
pub fn write(
    folder: &Path,
    reading: &Reading,
    answers: &Value,
    with_serials: bool,
) -> Result<usize> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut there = fs::read_dir(folder)?;
    if there.next().is_some() {
        bail!("{} is not empty", folder.display());
    }
    let files = files(reading, answers, with_serials)?;
    for (name, text) in &files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(files.len())
}

/// The files of a recording, by name.
fn files(reading: &Reading, answers: &Value, with_serials: bool) -> Result<Vec<(String, String)>> {
    let mut redactor = Redactor::new(with_serials);
    let kerf = &reading.kerf;
    let mut files = vec![(
        "manifest.json".to_owned(),
        pretty(&manifest(reading, with_serials))?,
    )];
    for (name, document) in [
        ("inventory.json", &kerf.inventory),
        ("topology.json", &kerf.topology),
        ("samples.json", &kerf.samples),
        ("nvml.json", answers),
    ] {
        files.push((name.to_owned(), pretty(&redactor.document(document))?));
    }
    for (name, answer) in &reading.texts {
        files.push((
            format!("nvidia-smi/{name}"),
            redacted(&mut redactor, answer),
        ));
    }
    Ok(files)
}

fn redacted(redactor: &mut Redactor, answer: &Answer) -> String {
    let query = answer.arguments.strip_prefix("--query-gpu=");
    match query.and_then(|rest| rest.split_whitespace().next()) {
        Some(fields) => {
            let fields: Vec<&str> = fields.split(',').collect();
            redactor.query(&answer.text, &fields)
        }
        None => redactor.text(&answer.text),
    }
}

fn manifest(reading: &Reading, with_serials: bool) -> Value {
    let driver = |field: &str| reading.kerf.inventory.pointer(&format!("/driver/{field}"));
    let taken = elements(&reading.kerf.samples, "samples").first();
    let names = reading.kerf.gpus().iter().map(|gpu| gpu.get("name"));
    let commands = reading.texts.iter().map(|(file, answer)| {
        json!({
            "file": format!("nvidia-smi/{file}"),
            "command": format!("nvidia-smi {}", answer.arguments),
            "exit_code": answer.code,
        })
    });
    json!({
        "schema": "kerf.v1.GpuRecording",
        "recorded_at": taken.and_then(|sample| sample.get("taken_at")),
        "driver_version": driver("version"),
        "nvml_version": driver("nvml_version"),
        "cuda_version": driver("cuda_version"),
        "kerf_version": env!("CARGO_PKG_VERSION"),
        "gpus": names.collect::<Vec<_>>(),
        "serials": if with_serials { "kept" } else { "replaced by placeholders" },
        "commands": commands.collect::<Vec<_>>(),
    })
}

fn pretty(document: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(document)? + "\n")
}
