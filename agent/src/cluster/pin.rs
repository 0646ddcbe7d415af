//! Believing a host that is to be joined: by the hash of its CA and by its id, which the token carries, and by nothing
//! else. Any other member has a certificate of that CA as well, and would use the token that it was told for itself.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use kerf_identity::{CaCertificate, CertificateError, Side};
use kerf_types::HostId;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError as TlsCertificateError, ClientConfig, DigitallySignedStruct, Error,
    OtherError, SignatureScheme, version,
};

use super::tls::{PROTOCOL, no_tls12, provider};

/// Why a host that is to be joined is not the one that the token leads to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PinError {
    /// It shows no CA.
    #[error("it shows no certificate of a CA")]
    NoCa,
    /// It shows another one.
    #[error("it shows another CA")]
    OtherCa,
    /// It is another member than the one that has made the token.
    #[error("it is host {is}")]
    OtherHost {
        /// Who it is.
        is: HostId,
    },
    /// What it shows of itself is not good.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Believes one host of the one CA that has this hash, and keeps its certificate.
#[derive(Debug)]
pub(super) struct Pin {
    hash: [u8; kerf_identity::CA_HASH_BYTES],
    issuer: HostId,
    ca: Mutex<Option<CaCertificate>>,
    provider: Arc<CryptoProvider>,
}

impl Pin {
    /// A configuration that believes this host of this CA alone, and shows nothing of this end.
    pub fn config(
        hash: [u8; kerf_identity::CA_HASH_BYTES],
        issuer: HostId,
    ) -> Result<(Arc<ClientConfig>, Arc<Self>), Error> {
        let pin = Arc::new(Self {
            hash,
            issuer,
            ca: Mutex::default(),
            provider: provider(),
        });
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&pin) as _)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok((Arc::new(config), pin))
    }

    /// The CA that was shown, once a handshake is done.
    pub fn ca(&self) -> Option<CaCertificate> {
        let ca = self.ca.lock();
        ca.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look(&self, leaf: &[u8], shown: &[CertificateDer<'_>], now_s: u64) -> Result<(), PinError> {
        let shown = shown.first().ok_or(PinError::NoCa)?;
        let ca = CaCertificate::from_der(shown).map_err(|_| PinError::NoCa)?;
        if ca.hash() != self.hash {
            return Err(PinError::OtherCa);
        }
        let is = ca.verify(leaf, Side::Server, now_s)?;
        if is != self.issuer {
            return Err(PinError::OtherHost { is });
        }
        *self.ca.lock().unwrap_or_else(PoisonError::into_inner) = Some(ca);
        Ok(())
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let looked = self.look(leaf, intermediates, now.as_secs());
        looked.map_err(|error| {
            let other = TlsCertificateError::Other(OtherError(Arc::new(error)));
            Error::InvalidCertificate(other)
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// What went wrong while pinning, out of the error of a handshake.
pub(super) fn pin_error(error: &io::Error) -> Option<PinError> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(TlsCertificateError::Other(OtherError(inner))) => {
            inner.downcast_ref::<PinError>().cloned()
        }
        _ => None,
    }
}
