//! Verifying certificates: the CA's by its hash or by its form, a host's by the CA.

use std::time::Duration;

use kerf_membership::ClusterId;
use kerf_types::HostId;
use ring::digest;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring::ED25519};

use crate::key::PublicKey;
use crate::name::{self, ClusterName, server_name};
use crate::token::CA_HASH_BYTES;

/// Longest certificate that is read. Ours have some 610 bytes.
pub const CERTIFICATE_LIMIT: usize = 4 * 1_024;

/// What stands before an Ed25519 key where a certificate has it (RFC 8410, section 4).
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Which end of a connection a certificate is shown by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The end that calls.
    Client,
    /// The end that answers.
    Server,
}

/// Why a certificate is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// More bytes than any of ours.
    #[error("it has {bytes} bytes, and a certificate at most {CERTIFICATE_LIMIT}")]
    TooLong {
        /// How many.
        bytes: usize,
    },
    /// It is no certificate, or none of an Ed25519 key.
    #[error("it is no certificate of an Ed25519 key in X.509")]
    Malformed,
    /// Its names are not those that a CA of a fleet has.
    #[error("it is not the certificate of a fleet's CA")]
    NotCa,
    /// Another CA has signed it, or nobody.
    #[error("the CA of this fleet has not signed it")]
    Foreign,
    /// Its time has not begun, by this host's clock.
    #[error(
        "it is good from second {not_before_s} since 1970 on, and this host's clock shows {now_s}"
    )]
    NotYet {
        /// When it begins.
        not_before_s: u64,
        /// What the clock shows.
        now_s: u64,
    },
    /// Its time is over, by this host's clock.
    #[error(
        "it was good until second {not_after_s} since 1970, and this host's clock shows {now_s}"
    )]
    Ended {
        /// Its last second.
        not_after_s: u64,
        /// What the clock shows.
        now_s: u64,
    },
    /// It is not for this use, or breaks another rule of X.509.
    #[error("it is not for the connections of a fleet: {rule}")]
    Use {
        /// The rule, in webpki's word for it.
        rule: String,
    },
    /// Its names are not those of one host of this fleet.
    #[error("its names are not those of one host of this fleet")]
    Names,
    /// It is another host's.
    #[error("it is of host {is}, and {expected} was expected")]
    Host {
        /// Whose it is.
        is: HostId,
        /// Whose it should be.
        expected: HostId,
    },
}

/// The certificate of a fleet's CA: what members have of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaCertificate {
    der: CertificateDer<'static>,
    cluster: ClusterId,
    name: ClusterName,
    public_key: PublicKey,
}

impl CaCertificate {
    /// Reads the certificate of a CA. Whether it is the right one is for its hash to tell, or for whoever kept it.
    pub fn from_der(bytes: &[u8]) -> Result<Self, CertificateError> {
        let der = short(bytes)?;
        let parsed = EndEntityCert::try_from(&der).map_err(|_| CertificateError::Malformed)?;
        let public_key = key_of(&parsed)?;
        let mut uris = parsed.valid_uri_names();
        let named = uris.next().and_then(name::read_ca);
        let (cluster, name) = named.ok_or(CertificateError::NotCa)?;
        if uris.next().is_some() || parsed.valid_dns_names().next().is_some() {
            return Err(CertificateError::NotCa);
        }
        anchor_from_trusted_cert(&der).map_err(|_| CertificateError::NotCa)?;
        Ok(Self {
            cluster,
            name,
            public_key,
            der: CertificateDer::from(bytes.to_vec()),
        })
    }

    /// Its bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The fleet.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The fleet's name.
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// What statements and lists are signed with.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// The SHA-256 of its bytes, by which a token knows it.
    pub fn hash(&self) -> [u8; CA_HASH_BYTES] {
        let hash = digest::digest(&digest::SHA256, &self.der);
        // SHA-256 has 32 bytes; a hash of zeros would fit no token.
        hash.as_ref().try_into().unwrap_or([0; CA_HASH_BYTES])
    }

    /// Whose certificate this is, if this CA has signed it for this end of a connection and its time is now.
    pub fn verify(&self, bytes: &[u8], side: Side, now_s: u64) -> Result<HostId, CertificateError> {
        let der = short(bytes)?;
        let parsed = EndEntityCert::try_from(&der).map_err(|_| CertificateError::Malformed)?;
        key_of(&parsed)?;
        let anchor = anchor_from_trusted_cert(&self.der).map_err(|_| CertificateError::NotCa)?;
        let usage = match side {
            Side::Client => KeyUsage::client_auth(),
            Side::Server => KeyUsage::server_auth(),
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now_s));
        let anchors = [anchor];
        let path = parsed.verify_for_usage(&[ED25519], &anchors, &[], now, usage, None, None);
        path.map_err(|error| refused(error, now_s))?;
        let mut uris = parsed.valid_uri_names();
        let named = uris.next().and_then(name::read_host);
        let (cluster, host) = named.ok_or(CertificateError::Names)?;
        let mut names = parsed.valid_dns_names();
        let is_one = names.next() == Some(&server_name(cluster, host)) && names.next().is_none();
        match cluster == self.cluster && is_one && uris.next().is_none() {
            true => Ok(host),
            false => Err(CertificateError::Names),
        }
    }

    /// [`CaCertificate::verify`] for a host that is known beforehand.
    pub fn verify_of(
        &self,
        expected: HostId,
        bytes: &[u8],
        side: Side,
        now_s: u64,
    ) -> Result<(), CertificateError> {
        let is = self.verify(bytes, side, now_s)?;
        match is == expected {
            true => Ok(()),
            false => Err(CertificateError::Host { is, expected }),
        }
    }

    /// The first and the last second of a certificate that this CA has signed; `None` for any other.
    pub fn span_s(&self, bytes: &[u8]) -> Option<(u64, u64)> {
        // webpki tells neither but to say why a time does not do.
        let before = self.verify(bytes, Side::Server, 0).err()?;
        let after = self.verify(bytes, Side::Server, u64::MAX).err()?;
        match (before, after) {
            (
                CertificateError::NotYet { not_before_s, .. },
                CertificateError::Ended { not_after_s, .. },
            ) => {
                // The time is looked at before the signature.
                let within = self.verify(bytes, Side::Server, not_before_s);
                within.is_ok().then_some((not_before_s, not_after_s))
            }
            _ => None,
        }
    }

    /// Whether a certificate is for this key: a host looks whether it got what it asked for.
    pub fn is_for(&self, bytes: &[u8], public_key: &PublicKey) -> bool {
        let Ok(der) = short(bytes) else { return false };
        let parsed = EndEntityCert::try_from(&der);
        parsed.is_ok_and(|parsed| key_of(&parsed).as_ref() == Ok(public_key))
    }
}

fn short(bytes: &[u8]) -> Result<CertificateDer<'_>, CertificateError> {
    match bytes.len() {
        length if length > CERTIFICATE_LIMIT => Err(CertificateError::TooLong { bytes: length }),
        _ => Ok(CertificateDer::from(bytes)),
    }
}

fn key_of(parsed: &EndEntityCert<'_>) -> Result<PublicKey, CertificateError> {
    let spki = parsed.subject_public_key_info();
    let key = spki.strip_prefix(&SPKI);
    let key = key.and_then(|key| key.try_into().ok());
    key.ok_or(CertificateError::Malformed)
}

fn refused(error: webpki::Error, now_s: u64) -> CertificateError {
    match error {
        webpki::Error::CertNotValidYet { not_before, .. } => CertificateError::NotYet {
            not_before_s: not_before.as_secs(),
            now_s,
        },
        webpki::Error::CertExpired { not_after, .. } => CertificateError::Ended {
            not_after_s: not_after.as_secs(),
            now_s,
        },
        webpki::Error::UnknownIssuer
        | webpki::Error::InvalidSignatureForPublicKey
        | webpki::Error::SignatureAlgorithmMismatch => CertificateError::Foreign,
        other => CertificateError::Use {
            rule: other.to_string(),
        },
    }
}
