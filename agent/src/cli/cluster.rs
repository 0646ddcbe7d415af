//! `kerf cluster`: who belongs to the fleet. A cluster begins on one host with `init`; each other host comes in with
//! `join` and a token of that host, and goes out with `revoke`.

use kerf_api::json::{Cluster, Revocation, Token, Tokens};
use kerf_api::v1;

use super::client::{soon, within};
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::words::{count, seconds, span};
use super::{Context, Exit};

/// How much longer than an ordinary call joining and revoking may take: they wait for other hosts.
const OTHERS_MS: u64 = 60_000;

/// `kerf cluster`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make a cluster of this host alone, with a CA of its own
    Init {
        /// The cluster's name
        #[arg(long, value_name = "NAME", default_value = "kerf")]
        name: String,
    },
    /// Tokens to join with, on the host that has the CA's key
    #[command(subcommand)]
    Token(TokenVerb),
    /// Make this host a member of the cluster that a token is of
    Join {
        /// The host that the token was made on; port 9451 unless it says so
        #[arg(value_name = "HOST[:PORT]")]
        address: String,
        /// The token, or - to read it from standard input, where no list of processes shows it
        #[arg(value_name = "TOKEN")]
        token: String,
    },
    /// This host's place in its cluster, and who was put out
    Status,
    /// Put a host out of the cluster for good, on the host that has the CA's key
    Revoke {
        /// The host, by its id, or by its name where no other carries it
        #[arg(value_name = "HOST")]
        host: String,
    },
}

/// `kerf cluster token`
#[derive(Debug, clap::Subcommand)]
pub enum TokenVerb {
    /// Make a token. It lets one host in, once. It is secret
    Create {
        /// How long it is good for, for example 10m
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
        ttl: u64,
    },
    /// Which tokens are known, and who used them
    List,
    /// Take a token back
    Revoke {
        /// The token, as `kerf cluster token list` names it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Asks kerfd.
pub async fn run(verb: &Verb, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect_cluster().await?;
    let (what, answer) = match verb {
        Verb::Status => (
            "show the cluster",
            client.get_cluster(soon(v1::GetClusterRequest {})).await,
        ),
        Verb::Init { name } => {
            let request = v1::InitClusterRequest { name: name.clone() };
            ("make a cluster", client.init_cluster(soon(request)).await)
        }
        Verb::Join { address, token } => {
            let request = v1::JoinClusterRequest {
                address: address.clone(),
                token: given(token)?,
            };
            let request = within(request, OTHERS_MS);
            ("join the cluster", client.join_cluster(request).await)
        }
        Verb::Token(verb) => return token(verb, context).await,
        Verb::Revoke { host } => return revoke(host, context).await,
    };
    let answer = answer.map_err(Failure::call(what))?;
    context
        .print
        .document(&Cluster::from(answer.get_ref()), render)?;
    Ok(Exit::Done)
}

/// The token as it was given.
fn given(token: &str) -> Result<String, Failure> {
    if token != "-" {
        return Ok(token.to_owned());
    }
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.map_err(|source| Failure::Token { source })?;
    Ok(line)
}

async fn token(verb: &TokenVerb, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect_cluster().await?;
    let listed = match verb {
        TokenVerb::Create { ttl } => {
            let request = soon(v1::CreateTokenRequest { ttl_s: *ttl });
            let answer = client.create_token(request).await;
            let answer = answer.map_err(Failure::call("make a token"))?;
            let token = Token::from(answer.get_ref());
            context
                .print
                .document(&token, |token, _| format!("{}\n", token.token))?;
            if context.print.is_table() {
                let how = format!(
                    "good for {} and one host: kerf cluster join {} TOKEN",
                    span(*ttl),
                    token.address
                );
                context.print.note(&how);
            }
            return Ok(Exit::Done);
        }
        TokenVerb::List => client.list_tokens(soon(v1::ListTokensRequest {})).await,
        TokenVerb::Revoke { id } => {
            let request = v1::RevokeTokenRequest { id: id.clone() };
            client.revoke_token(soon(request)).await
        }
    };
    let listed = listed.map_err(Failure::call("look at the tokens"))?;
    context
        .print
        .document(&Tokens::from(listed.get_ref()), render_tokens)?;
    Ok(Exit::Done)
}

async fn revoke(host: &str, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect_cluster().await?;
    let request = v1::RevokeHostRequest {
        host: host.to_owned(),
    };
    let answer = client.revoke_host(within(request, OTHERS_MS)).await;
    let answer = answer.map_err(Failure::call("revoke the host"))?;
    let done = Revocation::from(answer.get_ref());
    context.print.document(&done, render_revocation)?;
    // Whoever revokes by a script goes on only when the host has no key of gossip any more.
    Ok(match done.key_error {
        None => Exit::Done,
        Some(_) => Exit::Differs,
    })
}

/// A line a fact.
pub fn render(cluster: &Cluster, _style: Style) -> String {
    let address = cluster
        .address
        .as_deref()
        .unwrap_or("nobody is listened to");
    let Some(member) = &cluster.membership else {
        let how = match cluster.insecure {
            true => "in no cluster; --insecure-dev: connections to peers prove nothing",
            false => "in no cluster",
        };
        return format!("{how}\naddress      {address}\n");
    };
    let lines = [
        ("cluster", format!("{} ({})", member.name, member.id)),
        ("ca", format!("sha256:{}", member.ca_hash)),
        ("host", member.host.clone()),
        ("address", address.to_owned()),
        ("signs", if member.issuer { "yes" } else { "no" }.to_owned()),
        (
            "certificate",
            certificate(member.not_after_s, member.renew_at_s),
        ),
        (
            "revoked",
            format!(
                "{} (list {})",
                count(member.revoked.len(), "host"),
                member.revoked_version
            ),
        ),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        text.push_str(&format!("{name:<12} {value}\n"));
    }
    for entry in &member.revoked {
        text.push_str(&format!("{:<12} {}\n", "", entry.host));
    }
    text
}

/// How long it is good for, by this host's clock.
fn certificate(not_after_s: u64, renew_at_s: u64) -> String {
    let now_s = crate::cluster::now_s();
    match (
        not_after_s.checked_sub(now_s),
        renew_at_s.checked_sub(now_s),
    ) {
        (None, _) => format!("ended {} ago", span(now_s - not_after_s)),
        (Some(left), Some(wait)) => {
            format!("good for {}, renewed in {}", span(left), span(wait))
        }
        (Some(left), None) => format!("good for {}, to be renewed now", span(left)),
    }
}

/// A line a token.
pub fn render_tokens(tokens: &Tokens, style: Style) -> String {
    let mut table = Table::new(&["TOKEN", "STATE", "USED BY"]);
    for token in &tokens.tokens {
        let ink = match token.state {
            "open" => Ink::Bold,
            _ => Ink::Plain,
        };
        table.push(vec![
            Cell::from(token.id.as_str()),
            Cell::new(ink, token.state),
            Cell::optional(token.used_by.as_ref()),
        ]);
    }
    table.render(style, "")
}

/// What became of it.
pub fn render_revocation(done: &Revocation, style: Style) -> String {
    let mut text = format!(
        "{} is out (list {}); {} told\n",
        done.host,
        done.version,
        count(done.told.len(), "host")
    );
    if !done.missed.is_empty() {
        let missed = done.missed.join(", ");
        text.push_str(&format!("not reached, and told by others soon: {missed}\n"));
    }
    match (&done.key, &done.key_error) {
        (_, Some(error)) => {
            let what = style.paint(Ink::Red, "the key of gossip was not changed");
            text.push_str(&format!("{what}: {error}\n"));
            text.push_str("it can read gossip until that is done: it is tried again by itself, and by the same command\n");
        }
        (Some(key), None) => text.push_str(&format!("gossip is sealed with {key} from now on\n")),
        (None, None) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use kerf_api::json::{Cluster, Revocation, Tokens};
    use kerf_api::v1;

    use super::{render, render_revocation, render_tokens};
    use crate::cli::style::Style;

    const PLAIN: Style = Style { color: false };
    const HOST: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn a_host_says_where_it_belongs() {
        let alone = Cluster::from(&v1::ClusterState::default());
        assert_eq!(
            render(&alone, PLAIN),
            "in no cluster\naddress      nobody is listened to\n"
        );
        let json = serde_json::to_value(&alone).expect("it writes");
        assert_eq!(json["schema"], "kerf.v1.Cluster");
        assert_eq!(json["membership"], serde_json::Value::Null);
        let state = v1::ClusterState {
            member: true,
            name: "lab".to_owned(),
            id: "0".repeat(32),
            ca_hash: "ab".repeat(32),
            host: HOST.to_owned(),
            issuer: true,
            not_after_s: 10,
            renew_at_s: 5,
            revoked_version: 1,
            revoked: vec![v1::RevokedEntry {
                host: HOST.to_owned(),
                at_s: 7,
            }],
            address: "10.0.0.7:9451".to_owned(),
            insecure: false,
        };
        let shown = render(&Cluster::from(&state), PLAIN);
        assert!(shown.contains("certificate  ended "), "{shown}");
        assert!(shown.contains("revoked      1 host (list 1)\n"), "{shown}");
    }

    #[test]
    fn tokens_and_revocations_are_told() {
        let entry = |id: &str, used_by: &str, expired| v1::TokenEntry {
            id: id.to_owned(),
            expires_s: 10,
            used_by: used_by.to_owned(),
            used_at_s: 3,
            expired,
        };
        let list = v1::ListTokensResponse {
            tokens: vec![
                entry("0101010101010101", "", false),
                entry("0202020202020202", HOST, true),
                entry("0303030303030303", "", true),
            ],
        };
        insta::assert_snapshot!(render_tokens(&Tokens::from(&list), PLAIN), @"
        TOKEN             STATE    USED BY
        0101010101010101  open     -
        0202020202020202  used     01890a5d-ac96-774b-bcce-b302099a8057
        0303030303030303  expired  -
        ");
        let mut done = v1::RevokedHost {
            host: HOST.to_owned(),
            version: 3,
            told: vec!["gpu-1".to_owned()],
            missed: vec!["gpu-4".to_owned()],
            key: "0a0b0c0d".to_owned(),
            key_error: String::new(),
        };
        insta::assert_snapshot!(render_revocation(&Revocation::from(&done), PLAIN), @"
        01890a5d-ac96-774b-bcce-b302099a8057 is out (list 3); 1 host told
        not reached, and told by others soon: gpu-4
        gossip is sealed with 0a0b0c0d from now on
        ");
        done.key.clear();
        done.key_error = "gpu-4 (no answer in time)".to_owned();
        insta::assert_snapshot!(render_revocation(&Revocation::from(&done), PLAIN), @"
        01890a5d-ac96-774b-bcce-b302099a8057 is out (list 3); 1 host told
        not reached, and told by others soon: gpu-4
        the key of gossip was not changed: gpu-4 (no answer in time)
        it can read gossip until that is done: it is tried again by itself, and by the same command
        ");
    }
}
