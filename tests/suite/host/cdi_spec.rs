//! An independent reader of CDI documents: checks what the CDI specification demands, and applies a
//! device to an OCI spec as an engine does. It shares no code with what writes the files.

use std::path::Path;

use serde_json::{Value, json};

const EDITS: [&str; 6] = [
    "env",
    "deviceNodes",
    "mounts",
    "hooks",
    "intelRdt",
    "additionalGids",
];
const NODE: [&str; 9] = [
    "path",
    "hostPath",
    "type",
    "major",
    "minor",
    "fileMode",
    "permissions",
    "uid",
    "gid",
];
const MOUNT: [&str; 4] = ["hostPath", "containerPath", "options", "type"];
const HOOK: [&str; 5] = ["hookName", "path", "args", "env", "timeout"];
const HOOK_NAMES: [&str; 6] = [
    "prestart",
    "createRuntime",
    "createContainer",
    "startContainer",
    "poststart",
    "poststop",
];

/// The document in a file.
pub fn read(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Names of the devices in a document.
pub fn device_names(document: &Value) -> Vec<String> {
    let names = list(document, "devices").map(|device| word(device, "name").to_owned());
    names.collect()
}

/// What is wrong with a document; empty for a valid one of the lowest version that has what it uses.
pub fn faults(document: &Value) -> Vec<String> {
    let mut faults = unknown(
        "document",
        document,
        &[
            "cdiVersion",
            "kind",
            "devices",
            "annotations",
            "containerEdits",
        ],
    );
    let (vendor, class) = word(document, "kind").split_once('/').unwrap_or_default();
    let letter = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
    if !letter(vendor) || !is_name(vendor, "_-.") || !letter(class) || !is_name(class, "_-") {
        faults.push(format!("kind {:?}", word(document, "kind")));
    }
    let mut names = device_names(document);
    if names.is_empty() {
        faults.push("no devices".to_owned());
    }
    names.sort();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        faults.push("a name stands twice".to_owned());
    }
    let mut needs = "0.3.0";
    let common = &document["containerEdits"];
    if !common.is_null() {
        faults.extend(edit_faults("the document", common));
    }
    for device in list(document, "devices") {
        faults.extend(unknown(
            "device",
            device,
            &["name", "annotations", "containerEdits"],
        ));
        let name = word(device, "name");
        if !is_name(name, "_-.:") {
            faults.push(format!("device name {name:?}"));
        }
        let edits = &device["containerEdits"];
        faults.extend(edit_faults(name, edits));
        if list(edits, "additionalGids").next().is_some() {
            needs = "0.7.0";
        }
        let host_path = list(edits, "deviceNodes").any(|node| !node["hostPath"].is_null());
        if needs < "0.5.0" && (host_path || !letter(name)) {
            needs = "0.5.0";
        }
    }
    if word(document, "cdiVersion") != needs {
        faults.push(format!(
            "version {}, lowest is {needs}",
            document["cdiVersion"]
        ));
    }
    faults
}

fn edit_faults(name: &str, edits: &Value) -> Vec<String> {
    let mut faults = unknown(name, edits, &EDITS);
    if edits.as_object().is_none_or(serde_json::Map::is_empty) {
        faults.push(format!("{name} edits nothing"));
    }
    for entry in list(edits, "env") {
        if entry
            .as_str()
            .is_none_or(|entry| entry.find('=').is_none_or(|at| at == 0))
        {
            faults.push(format!("{name}: environment {entry}"));
        }
    }
    let absolute = |value: &Value| value.as_str().is_some_and(|path| path.starts_with('/'));
    for node in list(edits, "deviceNodes") {
        faults.extend(unknown(name, node, &NODE));
        let rights = node["permissions"].as_str().unwrap_or("rwm");
        let good = absolute(&node["path"])
            && absolute(&node["hostPath"])
            && node["type"] == "c"
            && node["major"].is_u64()
            && node["minor"].is_u64()
            && rights.chars().all(|right| "rwm".contains(right));
        if !good {
            faults.push(format!("{name}: node {node}"));
        }
    }
    for mount in list(edits, "mounts") {
        faults.extend(unknown(name, mount, &MOUNT));
        if !absolute(&mount["hostPath"]) || !absolute(&mount["containerPath"]) {
            faults.push(format!("{name}: mount {mount}"));
        }
    }
    for hook in list(edits, "hooks") {
        faults.extend(unknown(name, hook, &HOOK));
        if !absolute(&hook["path"]) || !HOOK_NAMES.contains(&word(hook, "hookName")) {
            faults.push(format!("{name}: hook {hook}"));
        }
    }
    faults
}

/// Keys that the specification does not have.
fn unknown(what: &str, value: &Value, known: &[&str]) -> Vec<String> {
    let keys = value
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys);
    let strange = keys.filter(|key| !known.contains(&key.as_str()));
    strange
        .map(|key| format!("{what}: unknown key {key}"))
        .collect()
}

/// Letters and digits at both ends, and these characters besides between them.
fn is_name(text: &str, between: &str) -> bool {
    let end = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(end)
        && text.ends_with(end)
        && text.chars().all(|c| end(c) || between.contains(c))
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Applies the device of this name to an OCI spec.
pub fn apply(document: &Value, name: &str, spec: &mut Value) {
    let device = list(document, "devices").find(|device| device["name"] == name);
    let device = device.unwrap_or_else(|| panic!("{name} is not in {document}"));
    // Those of the whole document come first.
    for edits in [&document["containerEdits"], &device["containerEdits"]] {
        edit(edits, spec);
    }
}

fn edit(edits: &Value, spec: &mut Value) {
    for node in list(edits, "deviceNodes") {
        let (major, minor) = (&node["major"], &node["minor"]);
        push(
            &mut spec["linux"]["devices"],
            json!({ "path": node["path"], "type": "c", "major": major, "minor": minor }),
        );
        let access = node["permissions"].as_str().unwrap_or("rwm");
        push(
            &mut spec["linux"]["resources"]["devices"],
            json!({ "allow": true, "type": "c", "major": major, "minor": minor, "access": access }),
        );
    }
    for group in list(edits, "additionalGids") {
        push(
            &mut spec["process"]["user"]["additionalGids"],
            group.clone(),
        );
    }
    for entry in list(edits, "env") {
        push(&mut spec["process"]["env"], entry.clone());
    }
    for mount in list(edits, "mounts") {
        push(
            &mut spec["mounts"],
            json!({
                "destination": mount["containerPath"],
                "source": mount["hostPath"],
                "options": mount["options"],
                "type": "bind",
            }),
        );
    }
    for hook in list(edits, "hooks") {
        let mut entry = json!({ "path": hook["path"], "args": hook["args"] });
        // As engines write it: an empty list is left out, and runc then hands its own environment down.
        if list(hook, "env").next().is_some() {
            entry["env"] = hook["env"].clone();
        }
        push(&mut spec["hooks"][word(hook, "hookName")], entry);
    }
}

fn push(list: &mut Value, entry: Value) {
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().expect("a list").push(entry);
}

#[test]
fn wrong_documents_are_told() {
    let node = json!({
        "path": "/dev/x", "hostPath": "/dev/x", "type": "c", "major": 1, "minor": 2,
    });
    let device = |name: &str| json!({ "name": name, "containerEdits": { "deviceNodes": [node] } });
    let document = |version: &str, kind: &str, devices: &[Value]| json!({ "cdiVersion": version, "kind": kind, "devices": devices });
    let good = document("0.5.0", "kerf.dev/slice", &[device("0000:0d:00.0-0-1")]);
    assert_eq!(faults(&good), Vec::<String>::new());
    for bad in [
        document("0.6.0", "kerf.dev/slice", &[device("a")]),
        document("0.5.0", "kerf.dev", &[device("a")]),
        document("0.3.0", "kerf.dev/slice", &[]),
        document("0.5.0", "kerf.dev/slice", &[device("a"), device("a")]),
        document("0.5.0", "kerf.dev/slice", &[device("a/b")]),
        document(
            "0.5.0",
            "kerf.dev/slice",
            &[device("a"), json!({ "name": "b", "containerEdits": {} })],
        ),
    ] {
        assert_eq!(faults(&bad).len(), 1, "{bad}: {:?}", faults(&bad));
    }
}
