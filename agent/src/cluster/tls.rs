//! The gate as rustls asks for it: TLS 1.3 alone, both ends with a certificate, and a name for those who have none yet.
//!
//! No session is resumed: a resumed one asks for no certificate, and a host that was revoked would come back by it.

use std::io;
use std::sync::Arc;

use kerf_identity::{CertificateError, Membership, Side, server_name};
use kerf_types::HostId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime,
};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{Acceptor, NoServerSessionStorage};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError as TlsCertificateError, ClientConfig, DigitallySignedStruct,
    DistinguishedName, Error, OtherError, ServerConfig, SignatureScheme, version,
};
use tokio_rustls::server::TlsStream;

use super::gate::{Gate, Refused};

/// The name that is asked for where any member does.
pub(super) const ANY_NAME: &str = "member.kerf.internal";

/// The name that whoever has no certificate asks for.
pub(super) const JOIN_NAME: &str = "join.kerf.internal";

/// gRPC is spoken over HTTP/2.
pub(super) const PROTOCOL: &[u8] = b"h2";

/// What a member's connections are made with.
#[derive(Debug)]
pub(super) struct Configs {
    /// To a member.
    pub client: Arc<ClientConfig>,
    /// To whichever member is there.
    pub any: Arc<ClientConfig>,
    /// From a member.
    pub server: Arc<ServerConfig>,
    /// From a host that is none yet.
    pub joining: Arc<ServerConfig>,
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl Configs {
    /// Those of a member.
    pub fn of(gate: &Arc<Gate>, own: &Membership) -> Result<Self, Error> {
        let verifier = |takes_any| {
            Arc::new(Verifier {
                gate: Arc::clone(gate),
                provider: provider(),
                takes_any,
            })
        };
        let leaf = CertificateDer::from(own.certificate.clone());
        let ca = CertificateDer::from(own.ca.der().to_vec());
        let key = || {
            let pkcs8 = own.key.pkcs8();
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.to_vec()))
        };
        let client = |takes_any| {
            let mut client = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[&version::TLS13])?
                .dangerous()
                .with_custom_certificate_verifier(verifier(takes_any))
                .with_client_auth_cert(vec![leaf.clone()], key())?;
            client.resumption = Resumption::disabled();
            client.alpn_protocols = vec![PROTOCOL.to_vec()];
            Ok::<_, Error>(Arc::new(client))
        };
        let (client, any) = (client(false)?, client(true)?);
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])?
            .with_client_cert_verifier(verifier(false))
            .with_single_cert(vec![leaf.clone()], key())?;
        // Whoever joins knows the CA by its hash alone, so it is shown.
        let joining = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![leaf, ca], key())?;
        Ok(Self {
            client,
            any,
            server: Arc::new(without_sessions(server)),
            joining: Arc::new(without_sessions(joining)),
        })
    }
}

fn without_sessions(mut config: ServerConfig) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config
}

/// Why a connection was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The handshake failed; a certificate that is not believed is among the reasons.
    #[error("no TLS connection")]
    Handshake(#[source] io::Error),
    /// The caller has shown a certificate, and none that can be read now.
    #[error("no certificate was shown")]
    NoCertificate,
    /// It is not believed any more.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// Somebody without a certificate, who asks to join.
    Nobody,
    /// The host of a certificate that ended a while ago, see [`super::GRACE_S`].
    Late(HostId),
    /// A member.
    Member(HostId),
}

/// Takes a connection.
pub async fn accept<S>(
    member: &super::Member,
    stream: S,
) -> Result<(TlsStream<S>, Admitted), AcceptError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
    let begun = begun.map_err(AcceptError::Handshake)?;
    let joins = begun.client_hello().server_name() == Some(JOIN_NAME);
    let config = member.server_config(joins);
    let stream = begun.into_stream(config).await;
    let stream = stream.map_err(AcceptError::Handshake)?;
    if joins {
        return Ok((stream, Admitted::Nobody));
    }
    let shown = stream.get_ref().1.peer_certificates();
    let leaf = shown.and_then(<[_]>::first);
    let leaf = leaf.ok_or(AcceptError::NoCertificate)?;
    let (gate, now_s) = (member.gate(), super::now_s());
    let admitted = match gate.admit(leaf, Side::Client, now_s) {
        Ok(host) => Admitted::Member(host),
        Err(_) => Admitted::Late(gate.admit_late(leaf, now_s)?),
    };
    Ok((stream, admitted))
}

/// Why a certificate is not good at this moment, where that is why a connection was not taken.
pub fn clock_error(error: &AcceptError) -> Option<&CertificateError> {
    let refused = match error {
        AcceptError::Refused(refused) => refused,
        AcceptError::Handshake(error) => match error.get_ref()?.downcast_ref::<Error>()? {
            Error::InvalidCertificate(TlsCertificateError::Other(OtherError(inner))) => {
                inner.downcast_ref::<Refused>()?
            }
            _ => return None,
        },
        AcceptError::NoCertificate => return None,
    };
    match refused {
        Refused::Certificate(
            why @ (CertificateError::NotYet { .. } | CertificateError::Ended { .. }),
        ) => Some(why),
        _ => None,
    }
}

/// Whether an error of a connection says that the other end holds this host for revoked.
pub fn is_told_revoked(error: &io::Error) -> bool {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    matches!(
        inner,
        Some(Error::AlertReceived(AlertDescription::CertificateRevoked))
    )
}

/// Both ends of the connections of members.
#[derive(Debug)]
struct Verifier {
    gate: Arc<Gate>,
    provider: Arc<CryptoProvider>,
    /// Whether any member may answer, whatever name was asked for.
    takes_any: bool,
}

fn believed<T>(admitted: Result<T, Refused>) -> Result<T, Error> {
    admitted.map_err(|refused| Error::InvalidCertificate(told(refused)))
}

/// The other end is told the kind of reason by TLS's own words; this end keeps all of it.
fn told(refused: Refused) -> TlsCertificateError {
    match refused {
        Refused::Revoked { .. } => TlsCertificateError::Revoked,
        other => TlsCertificateError::Other(OtherError(Arc::new(other))),
    }
}

pub(super) fn no_tls12<T>() -> Result<T, Error> {
    Err(Error::General("TLS 1.3 alone is spoken here".to_owned()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let host = believed(self.gate.admit(leaf, Side::Server, now.as_secs()))?;
        if self.takes_any {
            return Ok(ServerCertVerified::assertion());
        }
        let expected = server_name(self.gate.ca().cluster(), host);
        match name.to_str() == expected {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(
                TlsCertificateError::NotValidForName,
            )),
        }
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

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // What one that has ended is good for is said behind the handshake, see `accept`.
        believed(self.gate.admit_late(leaf, now.as_secs()))?;
        Ok(ClientCertVerified::assertion())
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
        ServerCertVerifier::verify_tls13_signature(self, message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
