//! The CA with its key: what it signs.

use std::time::Duration;

use kerf_membership::ClusterId;
use kerf_seal::Statement;
use kerf_types::HostId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, SanType, SerialNumber,
};

use crate::certificate::{CaCertificate, CertificateError};
use crate::key::{PublicKey, SecretKey, Subject};
use crate::name::{self, ClusterName, cluster_text, server_name};

/// A certificate is good from so many seconds before it was made: clocks of two hosts may differ by minutes.
pub const SKEW_S: u64 = 300;

/// Shortest and longest lifetime of a host's certificate in seconds. Shorter ones would end while the fleet renews
/// them; longer ones leave a stolen key useful for more than a month if nobody revokes its host.
pub const LIFETIME_MIN_S: u64 = 30;
/// See [`LIFETIME_MIN_S`].
pub const LIFETIME_MAX_S: u64 = 30 * 24 * 3_600;

/// Last second of the year 4000: what is later than that is no time of a certificate.
const LATEST_S: u64 = 64_092_211_199;

/// Why the CA does not sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The key is not the one of the certificate.
    #[error("the key is not the one of the CA's certificate")]
    Key,
    /// The certificate is not the CA's.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A lifetime that is not given.
    #[error(
        "a certificate is good for {LIFETIME_MIN_S} to {LIFETIME_MAX_S} seconds, not {seconds}"
    )]
    Lifetime {
        /// What was asked for.
        seconds: u64,
    },
    /// A time that no clock shows.
    #[error("second {now_s} since 1970 is no time to sign at: set the clock")]
    Time {
        /// What the clock says.
        now_s: u64,
    },
    /// It could not be put into DER.
    #[error("the certificate cannot be written")]
    Write(#[source] rcgen::Error),
}

/// What a host gets: both say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// In DER.
    pub certificate: Vec<u8>,
    /// For its records.
    pub statement: Statement,
}

/// The CA with its key.
#[derive(Debug)]
pub struct Authority {
    key: SecretKey,
    certificate: CaCertificate,
    statements: kerf_seal::Authority,
}

impl Authority {
    /// The CA of a new fleet: `cluster` and the key must be of random bytes.
    pub fn create(
        cluster: ClusterId,
        name: &ClusterName,
        key: SecretKey,
    ) -> Result<Self, AuthorityError> {
        let mut params = ca_params(cluster);
        params.subject_alt_names = vec![uri(&name::ca_uri(cluster, name))?];
        let made = params.self_signed(&key).map_err(AuthorityError::Write)?;
        Self::open(key, CaCertificate::from_der(made.der())?)
    }

    /// The CA of this certificate, by its key.
    pub fn open(key: SecretKey, certificate: CaCertificate) -> Result<Self, AuthorityError> {
        if certificate.public_key() != key.public() {
            return Err(AuthorityError::Key);
        }
        let statements = kerf_seal::Authority::from_seed(certificate.cluster(), key.seed());
        Ok(Self {
            statements: statements.map_err(|_| AuthorityError::Key)?,
            key,
            certificate,
        })
    }

    /// What every member knows of it.
    pub fn certificate(&self) -> &CaCertificate {
        &self.certificate
    }

    /// Its key, to be kept.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Certifies that a key is a host's, from now on for so many seconds. The caller has made sure that it is, and that
    /// the host is not revoked. `serial` is random.
    pub fn issue(
        &self,
        host: HostId,
        public_key: PublicKey,
        now_s: u64,
        lifetime_s: u64,
        serial: [u8; 16],
    ) -> Result<Issued, AuthorityError> {
        if !(LIFETIME_MIN_S..=LIFETIME_MAX_S).contains(&lifetime_s) {
            let seconds = lifetime_s;
            return Err(AuthorityError::Lifetime { seconds });
        }
        let not_after_s = now_s.saturating_add(lifetime_s);
        if not_after_s > LATEST_S || now_s < SKEW_S {
            return Err(AuthorityError::Time { now_s });
        }
        let cluster = self.certificate.cluster();
        let mut params = CertificateParams::default();
        let second = |count| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(count);
        params.not_before = second(now_s.saturating_sub(SKEW_S));
        params.not_after = second(not_after_s);
        // The first bit makes it a negative number, and RFC 5280 wants 20 bytes at most.
        let mut serial = serial;
        if let Some(first) = serial.first_mut() {
            *first = (*first & 0x7f) | 0x40;
        }
        params.serial_number = Some(SerialNumber::from(serial.to_vec()));
        params.distinguished_name = named(&format!("kerf host {host}"));
        params.subject_alt_names = vec![
            uri(&name::host_uri(cluster, host))?,
            dns(&server_name(cluster, host))?,
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        let made = self.sign(&params, public_key)?;
        Ok(Issued {
            certificate: made,
            statement: self.statements.issue(host, public_key, not_after_s),
        })
    }

    /// Signs what was filled in; tests fill in what no CA would.
    pub(crate) fn sign(
        &self,
        params: &CertificateParams,
        public_key: PublicKey,
    ) -> Result<Vec<u8>, AuthorityError> {
        let own = ca_params(self.certificate.cluster());
        let issuer = Issuer::from_params(&own, &self.key);
        let made = params.signed_by(&Subject(public_key), &issuer);
        Ok(made.map_err(AuthorityError::Write)?.der().to_vec())
    }
}

/// What the CA's certificate and its signatures have in common.
fn ca_params(cluster: ClusterId) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(&format!("kerf CA {}", cluster_text(cluster)));
    // It is believed for its hash and by whoever has it, never for its time; RFC 5280 writes "no end" so.
    params.not_before = rcgen::date_time_ymd(1970, 1, 1);
    params.not_after = rcgen::date_time_ymd(9999, 12, 31);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

pub(crate) fn uri(text: &str) -> Result<SanType, AuthorityError> {
    let text = text.try_into().map_err(AuthorityError::Write)?;
    Ok(SanType::URI(text))
}

pub(crate) fn dns(text: &str) -> Result<SanType, AuthorityError> {
    let text = text.try_into().map_err(AuthorityError::Write)?;
    Ok(SanType::DnsName(text))
}
