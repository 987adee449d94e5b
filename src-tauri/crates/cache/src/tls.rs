//! What a server's certificate says: the drivers verify it but do not show it.
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, SignatureScheme};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// DNS names and addresses, else the common name.
    pub(crate) names: Vec<String>,
    /// Last day of validity, as `2026-11-23`.
    pub(crate) expires: String,
    /// Whole days until then; negative when it is over.
    pub(crate) days_left: i64,
    /// Whether its validity has not begun.
    pub(crate) early: bool,
}

impl Certificate {
    pub(crate) fn expired(&self) -> bool {
        self.days_left < 0
    }

    /// "for db.example, 10.0.0.1; expires 2026-11-23 (in 12 days)".
    pub(crate) fn describe(&self) -> String {
        let names = if self.names.is_empty() { "no name".to_owned() } else { self.names.join(", ") };
        if self.expired() {
            format!("certificate for {names}, expired {}", self.expires)
        } else {
            let unit = if self.days_left == 1 { "day" } else { "days" };
            format!("certificate for {names}, expires {} (in {} {unit})", self.expires, self.days_left)
        }
    }
}

/// Accepts every certificate and keeps the first: this connection carries no secret and is closed after the handshake.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn parse(der: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut names = Vec::new();
    if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
        for name in &alternatives.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    let address = match bytes.len() {
                        4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()),
                        16 => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()),
                        _ => None,
                    };
                    names.extend(address);
                }
                _ => {}
            }
        }
    }
    if names.is_empty() {
        names.extend(certificate.subject().iter_common_name().filter_map(|n| n.as_str().ok()).map(ToOwned::to_owned));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    let now = i64::try_from(now).ok()?;
    let validity = certificate.validity();
    let end = validity.not_after.to_datetime();
    Some(Certificate {
        names,
        expires: format!("{:04}-{:02}-{:02}", end.year(), u8::from(end.month()), end.day()),
        days_left: (validity.not_after.timestamp() - now).div_euclid(86_400),
        early: validity.not_before.timestamp() > now,
    })
}

/// Shakes hands on `stream` and returns what the server's certificate says.
///
/// # Errors
/// With the handshake's failure in words, when no certificate was shown before it.
pub(crate) async fn handshake(host: &str, stream: TcpStream) -> Result<Certificate, String> {
    let provider = Arc::new(ring::default_provider());
    let recorder = Arc::new(Recorder { provider: provider.clone(), seen: Mutex::new(None) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("'{host}' cannot be a certificate's name"))?;
    let outcome = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let seen = recorder.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (seen, outcome) {
        (Some(der), _) => parse(&der).ok_or_else(|| "the certificate cannot be read".to_owned()),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(_)) => Err("the server showed no certificate".to_owned()),
    }
}
