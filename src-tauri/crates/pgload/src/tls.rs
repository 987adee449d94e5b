//! TLS as libpq means its `sslmode`.
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::Error;

/// How far a server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Not at all.
    Anything,
    /// Its issuer.
    Issuer,
    /// Its issuer and its name.
    IssuerAndName,
}

/// TLS of a connection.
#[derive(Debug, Clone)]
pub struct Tls {
    /// A server without TLS is refused; otherwise the connection is then in clear text.
    pub required: bool,
    /// What is asked of its certificate.
    pub trust: Trust,
    /// File with the issuers to trust instead of the system's.
    pub roots: Option<PathBuf>,
    /// Files with the client's certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// # Errors
    /// [`Error::Tls`] naming the file that cannot be used.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::Tls(e.to_string()))?;
        let verifier: Arc<dyn ServerCertVerifier> = match self.trust {
            Trust::Anything => Arc::new(perfdeck_net::AnyCertificate::new(provider)),
            trust => {
                let (mut roots, mut given) = (RootCertStore::empty(), Vec::new());
                if let Some(file) = &self.roots {
                    for certificate in certificates(file)? {
                        given.push(certificate.clone());
                        roots.add(certificate).map_err(|_| {
                            Error::Tls(format!("{} holds a certificate that cannot vouch for another", file.display()))
                        })?;
                    }
                } else {
                    for certificate in rustls_native_certs::load_native_certs().certs {
                        // One unreadable root of the system must not take the others away.
                        let _ = roots.add(certificate);
                    }
                }
                let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|e| Error::Tls(format!("no issuer can be trusted: {e}")))?;
                Arc::new(Verifier { inner, given, names: trust == Trust::IssuerAndName })
            }
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                let private = PrivateKeyDer::from_pem_file(key)
                    .map_err(|e| Error::Tls(format!("{} cannot be read: {e}", key.display())))?;
                builder.with_client_auth_cert(chain, private).map_err(|e| {
                    let (certificate, key) = (certificate.display(), key.display());
                    Error::Tls(if perfdeck_net::is_version_1(&e) {
                        format!("sslcert: {certificate} is a version 1 certificate, which cannot be used")
                    } else {
                        format!("sslkey: {key} is not the key of {certificate}")
                    })
                })?
            }
        };
        Ok(Arc::new(config))
    }
}

fn certificates(file: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = |e: &dyn std::fmt::Display| Error::Tls(format!("{} cannot be read: {e}", file.display()));
    let all: Vec<_> =
        CertificateDer::pem_file_iter(file).map_err(|e| wrong(&e))?.collect::<Result<_, _>>().map_err(|e| wrong(&e))?;
    if all.is_empty() { Err(Error::Tls(format!("{} holds no certificate", file.display()))) } else { Ok(all) }
}

/// The usual checks, but of the name only where it is asked for, and with certificates that are their own issuer.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
    names: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // A self-signed certificate that was given as trusted is trusted, as OpenSSL does it.
        if self.given.iter().any(|given| given.as_ref() == end_entity.as_ref()) {
            if perfdeck_net::Certificate::read(end_entity).is_none_or(|c| c.expired() || c.early) {
                return Err(rustls::Error::InvalidCertificate(CertificateError::Expired));
            }
            if self.names {
                rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        use CertificateError::{NotValidForName, NotValidForNameContext};
        match self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The chain was verified before the name.
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) if !self.names => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
