//! Whom a connection trusts: the system's roots or given ones, with or without the server's name.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::AnyCertificate;

/// What is verified of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// Nothing.
    Nothing,
    /// That a trusted root vouches for it.
    Chain,
    /// That, and that it is for the server's name.
    ChainAndName,
}

/// What a client needs to know for TLS.
#[derive(Debug, Clone)]
pub struct Trust {
    /// What is verified.
    pub verified: Verified,
    /// The only roots that are trusted, in PEM; the system's when absent.
    pub roots: Option<Vec<u8>>,
    /// The client's certificate and its key, in PEM.
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
}

/// A client's configuration, and whether the server's certificate was itself one of the given roots.
#[derive(Debug, Clone)]
pub struct Client {
    /// For a connection.
    pub config: Arc<ClientConfig>,
    own_root: Arc<AtomicBool>,
}

impl Client {
    /// Whether the last server showed a certificate that is itself a given root and that no chain could vouch for: one
    /// that signed itself and may sign others, as `openssl req -x509` makes it.
    pub fn own_root(&self) -> bool {
        self.own_root.load(Ordering::Acquire)
    }
}

impl Trust {
    /// The configuration of connections that trust this way.
    ///
    /// # Errors
    /// In words, when a PEM text holds no certificate or no key.
    pub fn client(&self) -> Result<Client, String> {
        let provider = Arc::new(ring::default_provider());
        let own_root = Arc::new(AtomicBool::new(false));
        let verifier: Arc<dyn ServerCertVerifier> = match self.verified {
            Verified::Nothing => Arc::new(AnyCertificate::new(provider.clone())),
            verified => {
                let (roots, given) = match &self.roots {
                    Some(pem) => {
                        let given = certificates(pem)?;
                        let mut store = RootCertStore::empty();
                        for certificate in &given {
                            store
                                .add(certificate.clone())
                                .map_err(|e| format!("a root certificate cannot be used: {e}"))?;
                        }
                        (Arc::new(store), given)
                    }
                    None => (system()?, Vec::new()),
                };
                let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                    .build()
                    .map_err(|e| format!("the roots cannot be used: {e}"))?;
                let name = verified == Verified::ChainAndName;
                Arc::new(Strict { inner, given, name, own_root: own_root.clone() })
            }
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &self.certificate {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(|_| "the key of the client certificate is not an unencrypted key in PEM".to_owned())?;
                config
                    .with_client_auth_cert(certificates(certificate)?, key)
                    .map_err(|e| format!("the client certificate and its key cannot be used: {e}"))?
            }
        };
        Ok(Client { config: Arc::new(config), own_root })
    }
}

/// The certificates of a PEM text.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err("the file holds no certificate in PEM".to_owned()),
    }
}

/// The roots that the operating system trusts, read again after a minute so that a new one is seen.
fn system() -> Result<Arc<RootCertStore>, String> {
    static KNOWN: Mutex<Option<(Instant, Arc<RootCertStore>)>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, roots)) = known.as_ref()
        && at.elapsed() < Duration::from_secs(60)
    {
        return Ok(roots.clone());
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() {
        return Err("this machine has no trusted roots".to_owned());
    }
    let store = Arc::new(store);
    *known = Some((Instant::now(), store.clone()));
    Ok(store)
}

/// webpki's verification, which knows no certificate that is its own root, and two things beside it.
#[derive(Debug)]
struct Strict {
    inner: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
    name: bool,
    own_root: Arc<AtomicBool>,
}

/// Whether a certificate is within its days; webpki does not look at them when it refuses one for what it is.
fn in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let (_, read) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    match read.validity() {
        v if now > v.not_after.timestamp() => Err(CertificateError::Expired),
        v if now < v.not_before.timestamp() => Err(CertificateError::NotValidYet),
        _ => Ok(()),
    }
}

impl ServerCertVerifier for Strict {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::Error::InvalidCertificate;
        self.own_root.store(false, Ordering::Release);
        let outcome = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match outcome {
            // The chain was verified before the name was looked at.
            Err(InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => {
                if self.name {
                    outcome
                } else {
                    Ok(ServerCertVerified::assertion())
                }
            }
            Err(_) if self.given.iter().any(|root| root == end_entity) => {
                // Exactly this certificate is trusted, so that nobody needs to vouch for it.
                in_time(end_entity, now).map_err(InvalidCertificate)?;
                if self.name {
                    rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                self.own_root.store(true, Ordering::Release);
                Ok(ServerCertVerified::assertion())
            }
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(names: &[&str], ca: bool, days: i64) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        if ca {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        let (now, day) = (std::time::SystemTime::now(), Duration::from_secs(86_400));
        params.not_before = (now - day * 40).into();
        params.not_after = if days < 0 { now - day } else { now + day }.into();
        let key = rcgen::KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().clone()
    }

    fn verify(
        shown: &CertificateDer<'static>,
        root: &CertificateDer<'static>,
        host: &str,
        name: bool,
    ) -> Result<bool, rustls::Error> {
        let mut store = RootCertStore::empty();
        store.add(root.clone()).expect("a root");
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::new(ring::default_provider()))
            .build()
            .expect("a verifier");
        let own_root = Arc::new(AtomicBool::new(false));
        let strict = Strict { inner, given: vec![root.clone()], name, own_root: own_root.clone() };
        let host = ServerName::try_from(host.to_owned()).expect("a name");
        strict.verify_server_cert(shown, &[], &host, &[], UnixTime::now())?;
        Ok(own_root.load(Ordering::Acquire))
    }

    #[test]
    fn a_certificate_that_is_its_own_root_is_trusted_for_its_names_and_days_only() {
        let ca = own(&["db.example"], true, 1);
        assert_eq!(verify(&ca, &ca, "db.example", true), Ok(true), "itself");
        assert!(verify(&ca, &ca, "other.example", true).is_err(), "not for another name");
        assert_eq!(verify(&ca, &ca, "other.example", false), Ok(true), "but without the name");
        let leaf = own(&["db.example"], false, 1);
        assert_eq!(verify(&leaf, &leaf, "db.example", true), Ok(false), "webpki knows this one");
        assert_eq!(verify(&leaf, &leaf, "other.example", false), Ok(false), "also without the name");
        assert!(verify(&leaf, &leaf, "other.example", true).is_err(), "and not with it");
        assert!(verify(&own(&["db.example"], true, 1), &ca, "db.example", true).is_err(), "another one is refused");
        let old = own(&["db.example"], true, -1);
        assert!(verify(&old, &old, "db.example", false).is_err(), "one that is over is refused");
    }

    #[test]
    fn files_without_certificates_are_refused() {
        let trust = |roots: &[u8]| Trust { verified: Verified::Chain, roots: Some(roots.to_vec()), certificate: None };
        assert!(trust(b"junk").client().is_err_and(|e| e.contains("no certificate")), "junk is no root");
        assert!(trust(b"").client().is_err(), "nor is nothing");
    }
}
