//! The claim hooks of a spec: which standing names the engine has put into it, in the order of their hooks.

use serde::Deserialize;

use super::SpecError;
use crate::json::tree::Object;

const HOOKS: &str = "hooks.createRuntime";

/// What the arguments of the hooks of standing names begin with.
const CLAIM: [&str; 2] = ["kerf-runtime", "claim"];

#[derive(Deserialize)]
struct Hook {
    #[serde(default)]
    args: Vec<String>,
}

/// Devices that the hooks of this spec claim, as the hooks name them.
pub(super) fn claims(root: &mut Object<'_>) -> Result<Vec<String>, SpecError> {
    let Some(hooks) = root.opened("hooks", "hooks")? else {
        return Ok(Vec::new());
    };
    let Some(list) = hooks.opened_list("createRuntime", HOOKS)? else {
        return Ok(Vec::new());
    };
    let mut claims = Vec::new();
    for node in list.iter() {
        let hook: Hook = node.read(HOOKS, "a list of hooks")?;
        let is_claim = hook.args.iter().map(String::as_str).take(2).eq(CLAIM);
        if let Some(device) = hook.args.last().filter(|_| is_claim) {
            claims.push(device.clone());
        }
    }
    Ok(claims)
}
