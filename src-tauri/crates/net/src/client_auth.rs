//! The client's certificate for TLS servers that ask for one.
use perfdeck_model::{ApiError, ClientCertificate};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder};

/// Bytes of a file at most.
const MAX_FILE: u64 = 1 << 20;

/// A chain of certificates and the key of the first.
pub struct ClientAuth {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// The files, for errors.
    names: (String, String),
}

fn wrong(name: &str, why: &dyn std::fmt::Display, hint: &str) -> ApiError {
    ApiError::bad_request(format!("client_certificate: the file '{}' {why}", name.escape_debug())).hint(hint)
}

impl ClientAuth {
    /// Reads certificate and key (PEM); `read` answers the bytes of a file, or why they cannot be read.
    ///
    /// # Errors
    /// What is wrong, naming the file and nothing of what it holds.
    pub fn load(
        files: &ClientCertificate,
        read: impl Fn(&str, u64) -> Result<Vec<u8>, String>,
    ) -> Result<Self, ApiError> {
        let bytes = |name: &str| {
            read(name, MAX_FILE)
                .map_err(|e| wrong(name, &format!("cannot be read: {e}"), "Check its path and permissions"))
        };
        let cert = bytes(&files.cert)?;
        let chain = CertificateDer::pem_slice_iter(&cert).collect::<Result<Vec<_>, _>>().unwrap_or_default();
        if chain.is_empty() {
            return Err(wrong(
                &files.cert,
                &"holds no certificate in PEM",
                "It begins with -----BEGIN CERTIFICATE-----",
            ));
        }
        let name = files.key.as_ref().unwrap_or(&files.cert);
        let text = if files.key.is_some() { bytes(name)? } else { cert };
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
            if text.windows(9).any(|w| w == b"ENCRYPTED") {
                wrong(name, &"holds a key with a pass phrase", "Write it without one: openssl pkey -in KEY -out PLAIN")
            } else {
                wrong(name, &"holds no private key in PEM", "Name the file of the key as well")
            }
        })?;
        Ok(Self { chain, key, names: (files.cert.clone(), name.clone()) })
    }

    /// The configuration with this certificate.
    ///
    /// # Errors
    /// When certificate and key do not belong together.
    pub fn add_to(&self, builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> Result<ClientConfig, ApiError> {
        builder.with_client_auth_cert(self.chain.clone(), self.key.clone_key()).map_err(|e| {
            let (cert, key) = &self.names;
            if crate::is_version_1(&e) {
                let hint = "Issue it with extensions, which makes it version 3: openssl x509 -req -extfile FILE";
                return wrong(cert, &"holds a version 1 certificate, which cannot be used", hint);
            }
            wrong(
                key,
                &format!("is not the key of '{}'", cert.escape_debug()),
                "Name the key that the certificate was made with",
            )
        })
    }
}

/// Reads a file of this machine.
///
/// # Errors
/// Why it cannot be read.
pub fn read_file(name: &str, limit: u64) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(name).map_err(|e| e.to_string())?;
    if !file.metadata().map_err(|e| e.to_string())?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > limit { Err(format!("it has more than {} KiB", limit >> 10)) } else { Ok(bytes) }
}
