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

use crate::{AnyCertificate, Certificate, is_version_1};

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

/// A part of a [`Trust`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The roots that were given.
    Roots,
    /// The roots of this machine.
    System,
    /// The client's certificate.
    Certificate,
    /// The key of the client's certificate.
    Key,
}

/// A part of a [`Trust`] that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unusable {
    /// Which one.
    pub part: Part,
    /// What it is instead, as the end of a sentence: "holds no certificate in PEM".
    pub why: &'static str,
    /// The step that helps.
    pub step: &'static str,
}

impl Unusable {
    /// One sentence without a final full stop, which names the parameter and its file.
    pub fn sentence(&self, file: Option<&str>) -> String {
        let parameter = match self.part {
            Part::Roots => "sslrootcert",
            Part::System => return format!("The list of roots of this machine {}", self.why),
            Part::Certificate => "sslcert",
            Part::Key => "sslkey",
        };
        match file {
            Some(path) => format!("The file {path} of {parameter} {}", self.why),
            None => format!("The file of {parameter} {}", self.why),
        }
    }
}

/// A client's configuration, and what the last server showed.
#[derive(Debug, Clone)]
pub struct Client {
    /// For a connection.
    pub config: Arc<ClientConfig>,
    own_root: Arc<AtomicBool>,
    shown: Shown,
}

/// The last certificate that was shown, in DER.
type Shown = Arc<Mutex<Option<CertificateDer<'static>>>>;

impl Client {
    /// Whether the last server showed a certificate that is itself a given root and that no chain could vouch for: one
    /// that signed itself and may sign others, as `openssl req -x509` makes it.
    pub fn own_root(&self) -> bool {
        self.own_root.load(Ordering::Acquire)
    }

    /// What the certificate says that the last server showed, whether it was accepted or not; `None` where nothing of it
    /// is verified.
    pub fn shown(&self) -> Option<Certificate> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.as_ref().and_then(|der| Certificate::read(der))
    }
}

impl Trust {
    /// The configuration of connections that trust this way.
    ///
    /// # Errors
    /// When a part cannot be used, such as a PEM text that holds no certificate or no key.
    pub fn client(&self) -> Result<Client, Unusable> {
        let provider = Arc::new(ring::default_provider());
        let (own_root, shown) = (Arc::new(AtomicBool::new(false)), Shown::default());
        let verifier: Arc<dyn ServerCertVerifier> = match self.verified {
            Verified::Nothing => Arc::new(AnyCertificate::new(provider.clone())),
            verified => {
                let (roots, given) = match &self.roots {
                    Some(pem) => {
                        let given = certificates(Part::Roots, pem)?;
                        let mut store = RootCertStore::empty();
                        for certificate in &given {
                            store.add(certificate.clone()).map_err(|_| Unusable {
                                part: Part::Roots,
                                why: "holds a certificate that cannot be a root",
                                step: "Look at it with: openssl x509 -text -in FILE; name the file of the CA's certificate",
                            })?;
                        }
                        (Arc::new(store), given)
                    }
                    None => (system()?, Vec::new()),
                };
                let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                    .build()
                    .map_err(|_| NO_ROOTS)?;
                let name = verified == Verified::ChainAndName;
                Arc::new(Strict { inner, given, name, own_root: own_root.clone(), shown: shown.clone() })
            }
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| NO_ROOTS)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &self.certificate {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(Part::Certificate, certificate)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| no_key(key))?;
                config.with_client_auth_cert(chain, key).map_err(|e| unfit(&e))?
            }
        };
        Ok(Client { config: Arc::new(config), own_root, shown })
    }
}

const NO_ROOTS: Unusable = Unusable {
    part: Part::System,
    why: "is empty",
    step: "Install the package ca-certificates, or name a file of roots with sslrootcert=FILE",
};

/// Why a text is not a key that can be used.
fn no_key(pem: &[u8]) -> Unusable {
    let encrypted = pem.windows(9).any(|w| w == b"ENCRYPTED");
    let (why, step) = if encrypted {
        (
            "is encrypted with a password, which Perfdeck does not ask for",
            "Write it without one: openssl pkcs8 -in KEY -out PLAIN -nocrypt -topk8",
        )
    } else {
        ("holds no private key in PEM", "Name the file that begins with -----BEGIN PRIVATE KEY-----")
    };
    Unusable { part: Part::Key, why, step }
}

/// Why a client's certificate and its key do not go together.
fn unfit(error: &rustls::Error) -> Unusable {
    let (part, why, step) = match error {
        rustls::Error::InconsistentKeys(_) => (
            Part::Key,
            "does not belong to the certificate of sslcert",
            "Give the key that the certificate was made for; openssl x509 -pubkey -noout -in CERT and openssl pkey -pubout -in KEY show the same then",
        ),
        error if is_version_1(error) => (
            Part::Certificate,
            "is a version 1 certificate, which cannot be used here",
            "Issue it with extensions, which makes it version 3: openssl x509 -req -extfile FILE",
        ),
        rustls::Error::InvalidCertificate(_) => (
            Part::Certificate,
            "holds a certificate that cannot be read",
            "Copy the file again; every part from BEGIN to END must be whole",
        ),
        _ => (
            Part::Key,
            "holds a key of a kind that is not supported",
            "Use a key of RSA with 2048 bits or more, ECDSA (P-256, P-384) or Ed25519",
        ),
    };
    Unusable { part, why, step }
}

/// The certificates of a PEM text.
fn certificates(part: Part, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(Unusable {
            part,
            why: "holds no certificate in PEM",
            step: "Certificates and keys are files in PEM, which begin with -----BEGIN",
        }),
    }
}

/// The roots that the operating system trusts, read again after a minute so that a new one is seen.
fn system() -> Result<Arc<RootCertStore>, Unusable> {
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
        return Err(NO_ROOTS);
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
    shown: Shown,
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
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.clone().into_owned());
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
        let strict =
            Strict { inner, given: vec![root.clone()], name, own_root: own_root.clone(), shown: Shown::default() };
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
        assert!(trust(b"junk").client().is_err_and(|e| e.why.contains("no certificate")), "junk is no root");
        assert!(trust(b"").client().is_err(), "nor is nothing");
    }
}
