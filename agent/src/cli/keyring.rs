//! `kerf keyring`: the keys that the fleet's gossip is sealed with, and their rotation.
//!
//! A rotation is `install`, `use KEY`, `remove OLD`, each once on any host. Each is refused while a living host has not
//! acknowledged the one before, and can be repeated. Keys themselves are never shown, but by `generate`, which makes
//! the first keyring of a fleet.

use std::io::Write;

use kerf_api::json::{Keyring, KeyringHost};
use kerf_api::v1;

use super::client::soon;
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::{Context, Exit};
use crate::peers::keyring::Keys;

/// `kerf keyring`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Which host has which keys, and seals with which
    List,
    /// Give every host a key, which opens from then on
    Install {
        /// A key that this host has, for hosts that missed it; default: a new one
        #[arg(value_name = "KEY", default_value = "")]
        key: String,
    },
    /// Let every host seal with a key that all have
    Use {
        /// The key, as `kerf keyring list` names it
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Take a key from every host, once none seals with it
    Remove {
        /// The key, as `kerf keyring list` names it
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Write a first keyring with a new key, for cluster/keyring.json of every host of a fleet. It is secret
    Generate,
}

/// Lists, rotates or generates.
pub async fn run(verb: &Verb, context: &Context) -> Result<Exit, Failure> {
    if matches!(verb, Verb::Generate) {
        return generate();
    }
    let mut client = context.connect_keyring().await?;
    let (what, answer) = match verb {
        Verb::Generate => return generate(),
        Verb::List => (
            "list the keys",
            client.list_keys(soon(v1::ListKeysRequest {})).await,
        ),
        Verb::Install { key } => {
            let id = key.clone();
            let request = soon(v1::InstallKeyRequest { id });
            ("install a key", client.install_key(request).await)
        }
        Verb::Use { key } => {
            let id = key.clone();
            (
                "use a key",
                client.use_key(soon(v1::UseKeyRequest { id })).await,
            )
        }
        Verb::Remove { key } => {
            let id = key.clone();
            let request = soon(v1::RemoveKeyRequest { id });
            ("remove a key", client.remove_key(request).await)
        }
    };
    let answer = answer.map_err(Failure::call(what))?;
    let keyring = Keyring::from(answer.get_ref());
    context.print.document(&keyring, render)?;
    let behind = keyring
        .hosts
        .iter()
        .filter(|host| host.error.is_some())
        .count();
    if behind > 0 && context.print.is_table() {
        let word = if behind == 1 {
            "host has"
        } else {
            "hosts have"
        };
        context.print.note(&format!(
            "{behind} {word} not acknowledged: repeat it for them"
        ));
    }
    // Whoever rotates by a script goes on only when all are there.
    Ok(match (behind, verb) {
        (0, _) | (_, Verb::List) => Exit::Done,
        _ => Exit::Differs,
    })
}

/// Works without kerfd: a fleet needs its keys before it listens.
fn generate() -> Result<Exit, Failure> {
    let key = Keys::random().map_err(|source| Failure::Key(Box::new(source)))?;
    let bytes = kerf_seal::Keyring::new(key).to_bytes();
    let mut out = std::io::stdout().lock();
    let written = out.write_all(&bytes).and_then(|()| out.flush());
    written.map_err(|_| Failure::OutputClosed)?;
    Ok(Exit::Done)
}

/// A line a host.
pub fn render(keyring: &Keyring, style: Style) -> String {
    let mut table = Table::new(&["HOST", "USES", "HAS", "NOTE"]);
    for host in &keyring.hosts {
        let name = match host.here {
            true => Cell::new(Ink::Bold, format!("{} (here)", host.name)),
            false => Cell::from(host.name.as_str()),
        };
        let note = host
            .error
            .as_ref()
            .map(|error| Cell::new(Ink::Red, error.clone()));
        table.push(vec![
            name,
            Cell::optional(host.used.as_ref()),
            Cell::optional(host.installed.as_ref().map(|keys| keys.join(" "))),
            note.unwrap_or_else(|| Cell::optional(is_behind(host, keyring))),
        ]);
    }
    table.render(style, "")
}

/// A host that lacks the key that the call was about, which its answer would not tell by itself.
fn is_behind(host: &KeyringHost, keyring: &Keyring) -> Option<&'static str> {
    let used: Vec<_> = keyring
        .hosts
        .iter()
        .filter_map(|h| h.used.as_ref())
        .collect();
    let installed = host.installed.as_ref()?;
    let lacks = used.iter().any(|key| !installed.contains(key));
    lacks.then_some("lacks a key that others use")
}

#[cfg(test)]
mod tests {
    use kerf_api::json::Keyring;
    use kerf_api::v1;

    use super::render;
    use crate::cli::style::Style;

    const PLAIN: Style = Style { color: false };

    fn host(name: &str, installed: &[&str], used: &str, error: &str) -> v1::KeyringHost {
        v1::KeyringHost {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            name: name.to_owned(),
            here: name == "gpu-1",
            installed: installed.iter().map(|&key| key.to_owned()).collect(),
            used: used.to_owned(),
            error: error.to_owned(),
        }
    }

    #[test]
    fn a_line_a_host_and_who_is_behind() {
        let state = v1::KeyringState {
            id: String::new(),
            hosts: vec![
                host("gpu-1", &["0a0b0c0d", "11223344"], "11223344", ""),
                host("gpu-2", &["0a0b0c0d"], "0a0b0c0d", ""),
                host("gpu-3", &[], "", "no answer in time"),
            ],
        };
        let shown = render(&Keyring::from(&state), PLAIN);
        insta::assert_snapshot!(shown, @"
        HOST          USES      HAS                NOTE
        gpu-1 (here)  11223344  0a0b0c0d 11223344  -
        gpu-2         0a0b0c0d  0a0b0c0d           lacks a key that others use
        gpu-3         -         -                  no answer in time
        ");
        let json = serde_json::to_value(Keyring::from(&state)).expect("it writes");
        assert_eq!(json["schema"], "kerf.v1.Keyring");
        assert_eq!(json["hosts"][2]["used"], serde_json::Value::Null);
    }
}
