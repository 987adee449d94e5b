//! What a server's certificate says: the drivers verify it but do not show it.
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
async fn handshake(host: &str, stream: TcpStream) -> Result<Certificate, String> {
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

/// What a server said when it was asked for TLS.
#[derive(Debug)]
pub(crate) enum Offer {
    /// It speaks no TLS.
    None,
    /// Its certificate.
    Certificate(Certificate),
    /// It offers TLS and the handshake failed.
    Failed(String),
    /// It is not the product that was expected; says what it sent.
    Stranger,
}

/// Asks PostgreSQL for TLS with an `SSLRequest`; it answers `S` or `N`, or `E` when it refuses the client at once.
pub(crate) async fn postgres(host: &str, mut stream: TcpStream) -> std::io::Result<Offer> {
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
    Ok(match stream.read_u8().await? {
        b'S' => handshake(host, stream).await.map_or_else(Offer::Failed, Offer::Certificate),
        // With E the real connection gets the same message and explains it.
        b'N' | b'E' => Offer::None,
        _ => Offer::Stranger,
    })
}

/// Reads MySQL's greeting: the version, and whether the server speaks TLS.
///
/// `None` when it is an error packet or not a greeting of protocol 10.
pub(crate) async fn greeting(stream: &mut TcpStream) -> std::io::Result<Option<(String, bool)>> {
    let mut head = [0u8; 4];
    stream.read_exact(&mut head).await?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    if length == 0 || length > 4096 || head[3] != 0 {
        return Ok(None);
    }
    let mut body = vec![0u8; length];
    stream.read_exact(&mut body).await?;
    if body[0] != 10 {
        return Ok(None);
    }
    let Some(end) = body.iter().position(|b| *b == 0) else { return Ok(None) };
    let version = String::from_utf8_lossy(&body[1..end]).into_owned();
    // After the version: thread id (4), half of the scramble (8), a zero, then the lower half of the capabilities.
    let at = end + 1 + 4 + 8 + 1;
    let Some(bytes) = body.get(at..at + 2) else { return Ok(None) };
    const CLIENT_SSL: u16 = 0x0800;
    Ok(Some((version, u16::from_le_bytes([bytes[0], bytes[1]]) & CLIENT_SSL != 0)))
}

/// Asks MySQL or MariaDB for TLS as its greeting allows.
pub(crate) async fn mysql(host: &str, mut stream: TcpStream) -> std::io::Result<Offer> {
    let Some((_, offered)) = greeting(&mut stream).await? else {
        // An error packet: the real connection explains it.
        return Ok(Offer::None);
    };
    if !offered {
        return Ok(Offer::None);
    }
    // SSLRequest: PROTOCOL_41 | SSL | SECURE_CONNECTION | PLUGIN_AUTH, 16 MB packets, utf8mb4, 23 zeros.
    let flags: u32 = 0x0200 | 0x0800 | 0x8000 | 0x0008_0000;
    let mut packet = vec![32, 0, 0, 1];
    packet.extend(flags.to_le_bytes());
    packet.extend(0x0100_0000u32.to_le_bytes());
    packet.push(45);
    packet.extend([0u8; 23]);
    stream.write_all(&packet).await?;
    Ok(handshake(host, stream).await.map_or_else(Offer::Failed, Offer::Certificate))
}
