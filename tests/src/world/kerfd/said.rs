//! What a kerfd says in its log of where it listens.

use std::net::SocketAddr;
use std::path::Path;

/// What kerfd logs once it listens, with the addresses of its metrics and its page in fields.
const SERVES: &str = "kerfd serves";

/// Where a kerfd listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub metrics: SocketAddr,
    pub web: SocketAddr,
    pub peers: Option<SocketAddr>,
}

/// Where it listens, once kerfd has said that it serves.
pub(super) fn serving(log: &Path, after: u64) -> Option<Addresses> {
    let text = std::fs::read(log).ok()?;
    let text = String::from_utf8_lossy(text.get(usize::try_from(after).ok()?..)?).into_owned();
    let mut lines = text.split_inclusive('\n');
    let line = lines.find(|line| line.contains(SERVES) && line.ends_with('\n'))?;
    let field = |name: &str| -> Option<SocketAddr> {
        let (_, address) = line.split_once(&format!("{name}=\""))?;
        address.split('"').next()?.parse().ok()
    };
    Some(Addresses {
        metrics: field("metrics")?,
        web: field("web")?,
        peers: field("peers"),
    })
}
