//! The process of a job: command, environment, user, rights and limits.

use std::collections::BTreeMap;

use kerf_types::job::JobSpec;
use serde_json::{Map, Value, json};

use super::super::image::ImageConfig;
use super::Recipe;

/// Where programs are looked for when the image does not say.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What root in a container may do: to own, give away and kill what is in the container.
///
/// containerd's default set without AUDIT_WRITE, MKNOD, NET_RAW, SETFCAP and SETPCAP: jobs compute,
/// they make no device nodes, no raw packets and no privileged files.
const CAPABILITIES: [&str; 9] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// The command line: the job's own, else the image's; `None` where neither has one.
pub(in crate::launcher) fn command(job: &JobSpec, image: &ImageConfig) -> Option<Vec<String>> {
    if !job.args.is_empty() {
        return Some(job.args.clone());
    }
    let own: Vec<String> = [&image.entrypoint, &image.cmd]
        .into_iter()
        .flatten()
        .flatten()
        .cloned()
        .collect();
    (!own.is_empty()).then_some(own)
}

pub(super) fn process(recipe: &Recipe<'_>) -> Value {
    let mut process = Map::new();
    process.insert("terminal".to_owned(), json!(recipe.job.terminal));
    if let (true, Some(size)) = (recipe.job.terminal, recipe.terminal_size) {
        let size = json!({ "height": size.rows, "width": size.columns });
        process.insert("consoleSize".to_owned(), size);
    }
    let user = recipe.user;
    process.insert(
        "user".to_owned(),
        json!({ "uid": user.uid, "gid": user.gid, "additionalGids": user.additional_gids }),
    );
    process.insert("args".to_owned(), json!(recipe.command));
    process.insert("env".to_owned(), json!(environment(recipe)));
    process.insert("cwd".to_owned(), json!(workdir(recipe)));
    process.insert("capabilities".to_owned(), capabilities());
    process.insert("noNewPrivileges".to_owned(), json!(true));
    process.insert("rlimits".to_owned(), rlimits(recipe.open_files));
    Value::Object(process)
}

/// The image's environment, what kerf tells the job over it, and the job's own over both: who sets `MASTER_PORT` in a job
/// means it, while an image cannot know where it runs.
fn environment(recipe: &Recipe<'_>) -> Vec<String> {
    let mut values: BTreeMap<&str, &str> = BTreeMap::new();
    let image = recipe.image.env.iter().flatten();
    for (key, value) in std::iter::once(DEFAULT_PATH)
        .chain(recipe.job.terminal.then_some("TERM=xterm"))
        .chain(image.map(String::as_str))
        .filter_map(|text| text.split_once('='))
    {
        values.insert(key, value);
    }
    let told = recipe.told.iter();
    values.extend(told.map(|(key, value)| (*key, value.as_str())));
    values.extend(
        recipe
            .job
            .env
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    values
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

fn workdir<'a>(recipe: &Recipe<'a>) -> &'a str {
    let own = recipe.job.workdir.as_deref();
    let image = recipe.image.working_dir.as_deref();
    own.or(image.filter(|path| path.starts_with('/')))
        .unwrap_or("/")
}

/// No ambient and no inheritable set: a program that is not root's has no rights at all.
fn capabilities() -> Value {
    json!({
        "bounding": CAPABILITIES,
        "effective": CAPABILITIES,
        "permitted": CAPABILITIES,
    })
}

/// No core files: one of a training process has tens of gigabytes and fills the host's disk.
fn rlimits(open_files: u64) -> Value {
    json!([
        { "type": "RLIMIT_NOFILE", "soft": open_files, "hard": open_files },
        { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
    ])
}
