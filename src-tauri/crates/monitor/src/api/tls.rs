//! Trust in servers: the system's roots, and the facts of the certificate that was shown, trusted or not.
use std::sync::{Arc, Mutex, PoisonError};

use perfdeck_model::{ApiError, ErrorCode};
use perfdeck_net::Certificate;
use rustls::CertificateError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

/// Largest certificate that is kept for its facts.
const MAX_DER: usize = 64 << 10;

/// Keeps the server's certificate, then leaves the decision to the usual verifier.
#[derive(Debug)]
struct Witness {
    inner: Arc<WebPkiServerVerifier>,
    seen: Arc<Mutex<Option<Vec<u8>>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let der = (end_entity.len() <= MAX_DER).then(|| end_entity.to_vec());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = der;
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Whom to trust, and what the last server showed.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    pub(super) config: Arc<rustls::ClientConfig>,
    seen: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Trust {
    /// Trusts the certificates of this system. Reading them takes some milliseconds, so it happens off the runtime.
    pub(super) async fn system() -> Result<Self, ApiError> {
        let read = tokio::task::spawn_blocking(|| {
            let mut roots = rustls::RootCertStore::empty();
            // One unreadable root of the system must not take the others away.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Self::of(roots)
        });
        read.await.unwrap_or_else(|_| Err(ApiError::internal("Reading the system's certificates ended unexpectedly")))
    }

    /// Trusts these roots.
    pub(super) fn of(roots: rustls::RootCertStore) -> Result<Self, ApiError> {
        let none = |_| {
            ApiError::new(ErrorCode::Tls, "This system has no certificates to verify servers with")
                .hint("Install the package ca-certificates, or name a file with SSL_CERT_FILE")
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let inner = inner.build().map_err(none)?;
        let seen = Arc::new(Mutex::new(None));
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| ApiError::internal(format!("TLS cannot be set up: {e}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Witness { inner, seen: seen.clone() }))
            .with_no_client_auth();
        // A resumed session would make the TLS phase look shorter than it is for a new client.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), seen })
    }

    /// The certificate that the last server showed, trusted or not.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Certificate::read(seen.as_deref()?)
    }
}

/// Whether a handshake failed because of the certificate, which only a server of TLS has.
pub(super) fn about_certificate(error: &std::io::Error) -> bool {
    let reason = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(reason, Some(rustls::Error::InvalidCertificate(_)))
}

/// What failed in a handshake, and what to do about it.
pub(super) fn explain(at: &str, error: &std::io::Error, certificate: Option<&Certificate>) -> (String, &'static str) {
    let reason = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match (reason, certificate) {
        (
            Some(rustls::Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )),
            Some(c),
        ) => (
            format!("The certificate of {at} (for {}) expired on {}", c.listed(), c.expires),
            "Renew the certificate on the server",
        ),
        (
            Some(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )),
            Some(c),
        ) => (
            format!("The certificate of {at} is for {}", c.listed()),
            "Use one of the certificate's names in the address",
        ),
        (Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)), _) => (
            format!("The certificate of {at} was issued by nobody this machine trusts"),
            "Add the issuer to the system's certificates, or name its file with SSL_CERT_FILE",
        ),
        (Some(rustls::Error::InvalidMessage(_)), _) => {
            (format!("{at} does not answer with TLS"), "Should the address start with http://?")
        }
        (Some(reason), _) => (format!("TLS with {at} failed: {reason}"), "Look at the server's TLS settings"),
        (None, _) => (
            format!("{at} closed the connection during the TLS handshake ({})", error.kind()),
            "Does the port speak TLS, or should the address start with http://?",
        ),
    }
}
