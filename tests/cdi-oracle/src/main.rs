//! What the crate container-device-interface makes of CDI files, for tests to compare with: one JSON request a line on
//! standard input, one answer a line on standard output.
//!
//! `{"dirs": [..], "devices": ["v/c=d"], "spec": {..}}` is answered by `{"spec": {..}}`, `{"file": ".."}` by
//! `{"devices": n}`; either by `{"error": ".."}`.

use std::io::{Write, stdin, stdout};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use container_device_interface::cache::{new_cache, with_auto_refresh};
use container_device_interface::spec::read_spec;
use container_device_interface::spec_dirs::with_spec_dirs;
use oci_spec::runtime::Spec;
use serde_json::{Value, json};

fn main() -> Result<()> {
    for line in stdin().lines() {
        let answer = answer(&line?).unwrap_or_else(|error| json!({ "error": format!("{error:#}") }));
        let mut out = stdout().lock();
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(line: &str) -> Result<Value> {
    let request: Value = serde_json::from_str(line)?;
    if let Some(file) = request["file"].as_str() {
        let spec = read_spec(&PathBuf::from(file), 0)?;
        return Ok(json!({ "devices": spec.get_devices().len() }));
    }
    let dirs = texts(&request["dirs"])?;
    let dirs: Vec<&str> = dirs.iter().map(String::as_str).collect();
    let cache = new_cache(vec![with_auto_refresh(false), with_spec_dirs(&dirs)]);
    let mut cache = cache.lock().map_err(|_| anyhow!("the cache panicked"))?;
    let mut spec: Spec = serde_json::from_value(request["spec"].clone()).context("the spec")?;
    let devices = texts(&request["devices"])?;
    if let Err(error) = cache.inject_devices(Some(&mut spec), devices) {
        bail!("{error}");
    }
    Ok(json!({ "spec": spec }))
}

fn texts(value: &Value) -> Result<Vec<String>> {
    let list = value.as_array().context("no list")?;
    let text = |one: &Value| one.as_str().map(str::to_owned).context("no text");
    list.iter().map(text).collect()
}
