//! What answers at a port: its protocol, what its certificate says (drivers verify it but do not show it), why a TLS
//! connection to it fails, and a verifier for connections whose check was switched off. Below the domain crates that open
//! connections; knows none of them.
#![forbid(unsafe_code)]

pub mod client_auth;
mod names;
mod opening;
mod speaks;
mod trouble;
mod trust;

pub use names::unresolved;
pub use opening::{Opening, Waited};
pub use speaks::{Speaks, ask, ping};
pub use trouble::{Spelling, Trouble, TroubleKind, cause, check_roots, is_version_1, trouble};
pub use trust::{Client, Part, Trust, Unusable, Verified};

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, PeerMisbehaved, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Version};

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// DNS names and addresses, else the common name.
    pub names: Vec<String>,
    /// Whether it has no subjectAltName, so that `names` holds at most its common name, which nobody verifies any more.
    pub common_name_only: bool,
    /// Whether it is of version 1, which has no extensions.
    pub version_1: bool,
    /// Last day of validity, as `2026-11-23`.
    pub expires: String,
    /// Whole days until then; negative when it is over.
    pub days_left: i64,
    /// Whether its validity has not begun.
    pub early: bool,
}

impl Certificate {
    /// Whether its last day is over.
    pub fn expired(&self) -> bool {
        self.days_left < 0
    }

    /// Its names in one line, at most five of them.
    pub fn listed(&self) -> String {
        const SHOWN: usize = 5;
        match self.names.len() {
            0 => "no name".to_owned(),
            n if n <= SHOWN => self.names.join(", "),
            n => format!("{} and {} more", self.names[..SHOWN].join(", "), n - SHOWN),
        }
    }

    /// "for db.example, 10.0.0.1; expires 2026-11-23 (in 12 days)".
    pub fn describe(&self) -> String {
        let names = self.listed();
        if self.expired() {
            format!("certificate for {names}, expired {}", self.expires)
        } else if self.early {
            format!("certificate for {names}, not valid yet, expires {}", self.expires)
        } else {
            let unit = if self.days_left == 1 { "day" } else { "days" };
            format!("certificate for {names}, expires {} (in {} {unit})", self.expires, self.days_left)
        }
    }

    /// Reads a certificate in DER; `None` when it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
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
        let common_name_only = names.is_empty();
        if common_name_only {
            names.extend(
                certificate.subject().iter_common_name().filter_map(|n| n.as_str().ok()).map(ToOwned::to_owned),
            );
        }
        // What a stranger wrote is shown only as far as it is a name.
        names.retain(|n| !n.is_empty() && n.len() <= 253 && !n.chars().any(char::is_control));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
        let now = i64::try_from(now).ok()?;
        let validity = certificate.validity();
        let end = validity.not_after.to_datetime();
        Some(Self {
            names,
            common_name_only,
            version_1: certificate.version() == X509Version::V1,
            expires: format!("{:04}-{:02}-{:02}", end.year(), u8::from(end.month()), end.day()),
            days_left: (validity.not_after.timestamp() - now).div_euclid(86_400),
            early: validity.not_before.timestamp() > now,
        })
    }
}

/// The public key of a certificate. webpki reads certificates of version 3 only; the key of others is as good.
fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, rustls::Error> {
    let (_, read) = X509Certificate::from_der(certificate)
        .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
    Ok(SubjectPublicKeyInfoDer::from(read.public_key().raw.to_vec()))
}

/// Accepts every certificate and keeps the first one it is shown: to read what a server says of itself, or because a
/// person switched the check off. Signatures of the handshake are still verified, with the certificate's public key.
#[derive(Debug)]
pub struct AnyCertificate {
    provider: Arc<CryptoProvider>,
    seen: OnceLock<CertificateDer<'static>>,
}

impl AnyCertificate {
    /// A verifier with this provider's algorithms.
    pub fn new(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, seen: OnceLock::new() }
    }

    /// The first certificate that was shown, in DER.
    pub fn seen(&self) -> Option<&[u8]> {
        self.seen.get().map(AsRef::as_ref)
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.seen.get_or_init(|| end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let refused = |why| rustls::Error::InvalidCertificate(why);
        let key = public_key(cert)?;
        let key = webpki::RawPublicKeyEntity::try_from(&key).map_err(|_| refused(CertificateError::BadEncoding))?;
        let known = self.provider.signature_verification_algorithms.mapping.iter().find(|(s, _)| *s == dss.scheme);
        let Some((_, algorithms)) = known else {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        };
        for algorithm in *algorithms {
            match key.verify_signature(*algorithm, message, dss.signature()) {
                Ok(()) => return Ok(HandshakeSignatureValid::assertion()),
                // In TLS 1.2 a scheme does not name the key's curve.
                Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
                Err(_) => return Err(refused(CertificateError::BadSignature)),
            }
        }
        Err(refused(CertificateError::BadSignature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &public_key(cert)?, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Shakes hands on `stream`, which carries no secret, and answers what the server's certificate says, trusted or not.
///
/// # Errors
/// With the handshake's failure, when no certificate was shown before it.
pub async fn shake(host: &str, stream: TcpStream) -> Result<Certificate, std::io::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(AnyCertificate::new(provider.clone()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    let outcome = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    match (verifier.seen(), outcome) {
        (Some(der), _) => Certificate::read(der).ok_or_else(|| {
            std::io::Error::other(rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding))
        }),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(std::io::Error::other(rustls::Error::NoCertificatesPresented)),
    }
}

/// As [`shake`], with the failure in words.
///
/// # Errors
/// As [`shake`].
pub async fn handshake(host: &str, stream: TcpStream) -> Result<Certificate, String> {
    shake(host, stream).await.map_err(|error| match cause(&error) {
        Some(why) => {
            let how = Spelling { at: "the server", host, roots: None, any_name: "", unverified: "", plain: "" };
            trouble(why, None, how).what
        }
        None => format!("the server closed the connection ({})", error.kind()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let made = rcgen::CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
        Certificate::read(made.der()).expect("it can be read")
    }

    #[test]
    fn a_certificate_tells_its_names_and_its_last_day() {
        let c = certificate(&["db.example", "10.0.0.1", "::1"]);
        assert_eq!(c.names, ["db.example", "10.0.0.1", "::1"], "names and both kinds of addresses");
        assert!(!c.expired() && !c.early && c.days_left > 365, "a fresh one holds: {}", c.describe());
        assert_eq!(c.expires.len(), 10, "its day is written as 2026-11-23: {}", c.expires);
        let many = certificate(&["a", "b", "c", "d", "e", "f", "g"]);
        assert_eq!(many.listed(), "a, b, c, d, e and 2 more", "a long list is cut with what is left out");
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert_eq!(Certificate::read(b"not DER"), None, "junk is no certificate");
    }
}
