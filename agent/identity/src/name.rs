//! Names of fleets and of hosts, as certificates have them.

use std::fmt;
use std::str::FromStr;

use kerf_membership::ClusterId;
use kerf_types::HostId;

/// How a URI begins.
const SCHEME: &str = "kerf://";

/// What stands in the place of the host in the CA's.
const CA: &str = "ca/";

/// How the DNS name of a host ends.
const DOMAIN: &str = ".kerf.internal";

/// Longest name of a fleet in bytes.
const LIMIT: usize = 63;

/// What people call a fleet: `lab`, `prod-2`. Not unique; the id is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(String);

/// Text that is no name of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a name of 1 to {LIMIT} lower-case letters, digits and hyphens that begins with a letter"
)]
pub struct ClusterNameError {
    text: String,
}

impl FromStr for ClusterName {
    type Err = ClusterNameError;

    fn from_str(text: &str) -> Result<Self, ClusterNameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
        if !begins || text.len() > LIMIT || !text.bytes().all(plain) {
            // What is far too long is not repeated whole.
            let text = text.chars().take(LIMIT * 2).collect();
            return Err(ClusterNameError { text });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a fleet as 32 hexadecimal digits.
pub fn cluster_text(cluster: ClusterId) -> String {
    format!("{:032x}", cluster.0)
}

/// The DNS name in a host's certificate, which a caller asks for.
pub fn server_name(cluster: ClusterId, host: HostId) -> String {
    format!("{host}.{}{DOMAIN}", cluster_text(cluster))
}

/// The URI in a host's certificate.
pub(crate) fn host_uri(cluster: ClusterId, host: HostId) -> String {
    format!("{SCHEME}{}/{host}", cluster_text(cluster))
}

/// The URI in the CA's certificate.
pub(crate) fn ca_uri(cluster: ClusterId, name: &ClusterName) -> String {
    format!("{SCHEME}{}/{CA}{name}", cluster_text(cluster))
}

/// Reads a host's URI; `None` for any other text.
pub(crate) fn read_host(uri: &str) -> Option<(ClusterId, HostId)> {
    let (cluster, host) = split(uri)?;
    let host = host.parse().ok()?;
    Some((cluster, host))
}

/// Reads the CA's URI; `None` for any other text.
pub(crate) fn read_ca(uri: &str) -> Option<(ClusterId, ClusterName)> {
    let (cluster, rest) = split(uri)?;
    let name = rest.strip_prefix(CA)?.parse().ok()?;
    Some((cluster, name))
}

fn split(uri: &str) -> Option<(ClusterId, &str)> {
    let (cluster, rest) = uri.strip_prefix(SCHEME)?.split_once('/')?;
    let id = ClusterId(u128::from_str_radix(cluster, 16).ok()?);
    // One spelling for each: no sign, no capital letters, all digits.
    (cluster_text(id) == cluster).then_some((id, rest))
}
