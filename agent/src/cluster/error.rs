//! What can go wrong with a cluster's identity, each with what to do.

use std::io;
use std::path::PathBuf;

use kerf_identity::{
    AuthorityError, CertificateError, ClusterName, HolderError, KeyError, LedgerError,
    MembershipError, RedeemError, RevokedError,
};
use kerf_seal::StatementError;
use kerf_types::HostId;

use super::GRACE_S;
use crate::peers::keyring::{KeyringFileError, KeysError};

const DAY_S: u64 = 24 * 3_600;

/// Why a host does not come in.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Nobody takes a connection there.
    #[error("cannot reach {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Whoever listens there shows no certificate of a member.
    #[error("{address} is no member of a cluster")]
    NoMember {
        /// Where.
        address: String,
        /// What was seen.
        #[source]
        source: io::Error,
    },
    /// It is a member of another cluster than the token's.
    #[error("{address} is a member of another cluster: its CA is not the one that the token names")]
    OtherCluster {
        /// Where.
        address: String,
    },
    /// It is another member than the one that has made the token.
    #[error("{address} is host {is}, and the token was made on another one")]
    OtherHost {
        /// Where.
        address: String,
        /// Who it is.
        is: HostId,
    },
    /// What it shows of itself is not good, most often by a clock.
    #[error("{address} shows a certificate that is not good")]
    Certificate {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// The connection broke.
    #[error("the connection to {address} broke")]
    Broken {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: Box<tonic::transport::Error>,
    },
    /// It did not answer in time.
    #[error("{address} did not answer in time")]
    Silent {
        /// Where.
        address: String,
    },
    /// It said no.
    #[error("{address} refused: {why}")]
    Refused {
        /// Where.
        address: String,
        /// In its own words.
        why: String,
        /// What it advises.
        hint: Option<String>,
    },
    /// It answered with something that does not fit.
    #[error("{address} answered with a {what} that is not this host's")]
    Unfit {
        /// Where.
        address: String,
        /// What does not fit.
        what: &'static str,
    },
    /// The clocks differ by more than certificates allow for.
    #[error("the clocks of the two hosts are {apart_s} seconds apart")]
    Clock {
        /// By how much.
        apart_s: u64,
    },
}

/// An error of this module.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A file is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others could have read it, or it is no plain file.
    #[error("{} is no plain file of its owner alone (mode {mode:03o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file does not hold what it must.
    #[error("{} is not what it must be", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file is missing.
    #[error("{} is missing, and this host is a member of a cluster", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The folder is another host's: it was copied, or the store was lost.
    #[error("{} is the membership of host {is}, and this is host {host}", folder.display())]
    OtherHost {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        is: HostId,
        /// This host.
        host: HostId,
    },
    /// This host is a member.
    #[error("this host is a member of the cluster {name} already")]
    Already {
        /// Its cluster.
        name: ClusterName,
        /// Where that is kept.
        folder: PathBuf,
    },
    /// This host was one, and its certificate has ended.
    #[error("the certificate of this host has ended")]
    Ended {
        /// Where it is kept.
        folder: PathBuf,
    },
    /// A keyring lies there that somebody made by hand.
    #[error("{} holds a keyring already", folder.display())]
    Keyring {
        /// The folder.
        folder: PathBuf,
    },
    /// This host is no member.
    #[error("this host is in no cluster")]
    NoMember,
    /// This host does not have the CA's key.
    #[error("this host does not sign for the cluster: the CA's key is on another one")]
    NotIssuer,
    /// Whoever asks does not have the key that he shows.
    #[error("the key is not proven to be the host's")]
    Proof,
    /// The host was put out.
    #[error("host {host} was revoked")]
    Revoked {
        /// The host.
        host: HostId,
    },
    /// A list of this version was signed by another word at the same moment.
    #[error(
        "the list of revoked hosts has become version {version} or newer meanwhile, without this host"
    )]
    Outrun {
        /// The version that this word had made.
        version: u64,
    },
    /// It would be put out by itself.
    #[error("a host does not revoke itself")]
    Myself,
    /// Coming in.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// A token that lets nobody in.
    #[error(transparent)]
    Token(#[from] RedeemError),
    /// The books of tokens.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The host holds a certificate.
    #[error(transparent)]
    Holder(#[from] HolderError),
    /// The list of revoked hosts.
    #[error(transparent)]
    List(#[from] RevokedError),
    /// Signing.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// What a member keeps.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The CA's word does not do.
    #[error("the CA's statement cannot be used")]
    Statement(#[source] StatementError),
    /// The keyring.
    #[error(transparent)]
    Keys(#[from] KeyringFileError),
    /// No first key of gossip.
    #[error("no key of gossip could be made")]
    NoKey(#[source] KeysError),
    /// TLS does not take the certificate.
    #[error("TLS cannot be set up")]
    Tls(#[source] tokio_rustls::rustls::Error),
    /// The kernel has no random numbers.
    #[error("no random numbers")]
    Random(#[source] getrandom::Error),
    /// The thread that writes has ended.
    #[error("it was not written down: its thread ended")]
    Thread,
}

impl JoinError {
    fn hint(&self) -> &str {
        match self {
            Self::Refused {
                hint: Some(hint), ..
            } => hint,
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Broken { .. } => {
                "see whether kerfd runs there with peers.listen, and whether a firewall lets TCP through to that port"
            }
            Self::NoMember { .. } => {
                "name the host on which the token was made, with the port of its peers.listen; one that runs with --insecure-dev is in no cluster"
            }
            Self::OtherCluster { .. } | Self::OtherHost { .. } => {
                "name the host on which the token was made, or make a token on this one: kerf cluster token create"
            }
            Self::Certificate {
                source: CertificateError::NotYet { .. } | CertificateError::Ended { .. },
                ..
            }
            | Self::Clock { .. } => "set the clocks of both hosts, best by NTP, and try again",
            Self::Certificate { .. } | Self::Unfit { .. } => {
                "see kerf cluster status there; it may run another version of kerf"
            }
            Self::Refused { .. } => {
                "make a new token with kerf cluster token create on the host that signs"
            }
        }
    }
}

impl ClusterError {
    /// What to do.
    pub fn hint(&self) -> String {
        let text = match self {
            Self::Join(error) => error.hint(),
            Self::Exposed { .. } => {
                "chmod 600 the file; if others could read it, revoke this host and join again"
            }
            Self::OtherHost { folder, .. } | Self::Keyring { folder } => {
                return format!("remove {} and try again", folder.display());
            }
            Self::Already { folder, .. } => {
                return format!(
                    "stop kerfd, remove {} and start it again to leave that cluster",
                    folder.display()
                );
            }
            Self::Ended { folder } => {
                return format!(
                    "for {} days after its end it is renewed by itself, once the host that signs answers; after that stop \
                     kerfd, remove {}, start it again and join with this token",
                    GRACE_S / DAY_S,
                    folder.display()
                );
            }
            Self::NoMember => "kerf cluster init makes one, kerf cluster join leads into one",
            Self::NotIssuer => "run it on the host where kerf cluster init was run",
            Self::Token(_) => "make a new one with kerf cluster token create",
            Self::Revoked { .. } => {
                "a revoked host comes in again under another id: give it a new state folder"
            }
            Self::Holder(_) => {
                "if that host lost its state, revoke it and give it a new state folder, or wait for that second"
            }
            Self::Ledger(LedgerError::Unknown { .. }) => "kerf cluster token list shows them",
            Self::Myself => "revoke it on another host that has the CA's key",
            Self::Outrun { .. } => "try again",
            Self::List(RevokedError::Already { .. }) => {
                "the key of gossip is changed as well; kerf cluster status shows who is out"
            }
            Self::List(_) | Self::Ledger(_) => {
                "kerf cluster status and token list show what is there"
            }
            _ => "see kerfd's log",
        };
        text.to_owned()
    }
}
