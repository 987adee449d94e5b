//! Why a TLS connection failed, in words: which name, file or host is wrong, and the step that helps.
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::{AlertDescription, CertificateError, Error};

use crate::Certificate;

/// What failed, and what to do about it. Holds no text of the server's but the names of its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// One sentence without a final full stop.
    pub what: String,
    /// The step that helps.
    pub step: String,
    /// What kind of failure it is.
    pub kind: TroubleKind,
}

/// Kinds of failures that a caller acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// The certificate is not for the name in the address.
    Name,
    /// Nobody who is trusted vouches for the certificate.
    Issuer,
    /// The certificate is over, or not valid yet.
    Time,
    /// The server wants a certificate of the client.
    ClientCertificate,
    /// What answers does not speak TLS.
    NotTls,
    /// The certificate is of version 1, which is not verified.
    Version1,
    /// Both speak TLS, but not the same versions or ciphers.
    Versions,
    /// Something else.
    Other,
}

/// How an address asks for what a step proposes.
#[derive(Debug, Clone, Copy)]
pub struct Spelling<'a> {
    /// `127.0.0.1:5432`.
    pub at: &'a str,
    /// The name that was verified: the host of the address.
    pub host: &'a str,
    /// The file of roots that the address names.
    pub roots: Option<&'a str>,
    /// The parameter that skips the name alone, such as `sslmode=verify-ca`.
    pub any_name: &'a str,
    /// The parameter that skips verification, such as `sslmode=require`.
    pub unverified: &'a str,
    /// What to write where the server does not speak TLS, such as `redis:// instead of rediss://`.
    pub plain: &'a str,
}

/// The failure of a handshake inside an I/O error or a driver's error, wherever in its chain of causes.
pub fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // An I/O error and a shared one hide what they wrap from `source`.
        type Shared = std::sync::Arc<dyn std::error::Error + Send + Sync>;
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match (wrapped, error.downcast_ref::<Shared>()) {
            (Some(inner), _) => Some(inner),
            (None, Some(shared)) => Some(&**shared),
            (None, None) => error.source(),
        };
    }
    None
}

/// What a failed handshake means. `shown` is the certificate that the server showed, where it is known.
pub fn trouble(error: &Error, shown: Option<&Certificate>, spelling: Spelling<'_>) -> Trouble {
    let Spelling { at, host, roots, any_name, unverified, plain } = spelling;
    let say = |kind, what: String, step: String| Trouble { what, step, kind };
    let names = shown.map(Certificate::listed);
    let of = names.as_ref().map(|n| format!(" (for {n})")).unwrap_or_default();
    match error {
        Error::InvalidCertificate(why) => match why {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                let presented = match why {
                    CertificateError::NotValidForNameContext { presented, .. } => Some(listed(presented)),
                    _ => None,
                };
                let nameless = match (shown, why) {
                    (Some(shown), _) => shown.common_name_only,
                    (None, CertificateError::NotValidForNameContext { presented, .. }) => presented.is_empty(),
                    (None, _) => false,
                };
                if nameless {
                    let has = match shown.and_then(|c| c.names.first()) {
                        Some(name) => format!("has only the common name '{name}' and no subjectAltName"),
                        None => "has no subjectAltName, and a common name alone".to_owned(),
                    };
                    let kind = if host.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
                    say(
                        TroubleKind::Name,
                        format!("The certificate of {at} {has}, which is not accepted"),
                        format!(
                            "Issue it with subjectAltName={kind}:{host}, or use {any_name} to leave the name unverified"
                        ),
                    )
                } else {
                    let of = names.or(presented).unwrap_or_else(|| "other names".to_owned());
                    say(
                        TroubleKind::Name,
                        format!("The certificate of {at} is for {of}, not for {host}"),
                        format!("Use one of its names in the address, or {any_name} to leave the name unverified"),
                    )
                }
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                let day = shown.map(|c| format!(" on {}", c.expires)).unwrap_or_default();
                say(
                    TroubleKind::Time,
                    format!("The certificate of {at}{of} expired{day}"),
                    "Renew the certificate on the server and reload it; check this machine's clock".to_owned(),
                )
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => say(
                TroubleKind::Time,
                format!("The certificate of {at}{of} is not valid yet"),
                "Check this machine's clock and the certificate's first day".to_owned(),
            ),
            CertificateError::UnknownIssuer | CertificateError::BadSignature => say(
                TroubleKind::Issuer,
                match roots {
                    Some(file) => format!("No certificate in {file} vouches for the certificate of {at}{of}"),
                    None => format!("Nobody whom this machine trusts vouches for the certificate of {at}{of}"),
                },
                match roots {
                    Some(_) => {
                        format!(
                            "Name the file of the CA that issued it with sslrootcert=, or encrypt without verification: {unverified}"
                        )
                    }
                    None => format!(
                        "Name the file of its CA with sslrootcert=FILE, or add the CA to this machine's roots; \
                         {unverified} encrypts without verification"
                    ),
                },
            ),
            CertificateError::Revoked => say(
                TroubleKind::Issuer,
                format!("The certificate of {at}{of} was revoked by its CA"),
                "Replace the certificate on the server".to_owned(),
            ),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => say(
                TroubleKind::Other,
                format!("The certificate of {at}{of} is not one for servers"),
                "Issue one with the extended key usage serverAuth".to_owned(),
            ),
            CertificateError::Other(other) if is(other, &webpki::Error::UnsupportedCertVersion) => say(
                TroubleKind::Version1,
                format!("The certificate of {at}{of} is a version 1 certificate, which cannot be verified here"),
                format!(
                    "Issue it with extensions, which makes it version 3 (openssl x509 -req -extfile FILE); {unverified} encrypts without verification"
                ),
            ),
            CertificateError::Other(other) if is(other, &webpki::Error::CaUsedAsEndEntity) => say(
                TroubleKind::Issuer,
                format!("The certificate of {at}{of} is a CA's own, not a server's"),
                format!(
                    "Give the server a certificate of its own, or name this one with sslrootcert=FILE; {unverified} encrypts without verification"
                ),
            ),
            _ => say(
                TroubleKind::Other,
                format!("The certificate of {at}{of} cannot be verified"),
                format!("Look at it with: openssl x509 -text -in FILE; {unverified} encrypts without verification"),
            ),
        },
        Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::NoCertificate) => say(
            TroubleKind::ClientCertificate,
            format!("{at} wants a certificate of the client"),
            "Name one with sslcert=FILE and its key with sslkey=FILE".to_owned(),
        ),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => say(
            TroubleKind::Name,
            format!("{at} has no certificate for {host}"),
            "Use the server's own name in the address".to_owned(),
        ),
        Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
        ) => say(
            TroubleKind::ClientCertificate,
            format!("{at} refused the client's certificate"),
            "Check sslcert=FILE and that the server trusts its issuer".to_owned(),
        ),
        Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        )
        | Error::PeerIncompatible(_) => say(
            TroubleKind::Versions,
            format!("{at} speaks TLS, but not TLS 1.2 or 1.3 with a cipher that is still safe"),
            "Switch TLS 1.2 or newer on at the server".to_owned(),
        ),
        Error::InvalidMessage(_) => say(
            TroubleKind::NotTls,
            format!("{at} does not answer with TLS"),
            format!("Does this port speak TLS? If not, write {plain}"),
        ),
        Error::NoCertificatesPresented => {
            say(TroubleKind::Other, format!("{at} showed no certificate"), "Give the server a certificate".to_owned())
        }
        Error::AlertReceived(alert) => say(
            TroubleKind::Other,
            format!("{at} ended the TLS handshake with alert {}", u8::from(*alert)),
            "The server's log has the reason".to_owned(),
        ),
        _ => say(
            TroubleKind::Other,
            format!("The TLS handshake with {at} failed"),
            "Check the server's TLS settings; its log has the reason".to_owned(),
        ),
    }
}

/// Whether webpki refused a certificate for this reason.
fn is(other: &rustls::OtherError, why: &webpki::Error) -> bool {
    other.0.downcast_ref::<webpki::Error>() == Some(why)
}

/// Whether a handshake failed because the certificate is of version 1, which webpki does not read.
pub fn is_version_1(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(other)) if is(other, &webpki::Error::UnsupportedCertVersion))
}

fn listed(names: &[String]) -> String {
    // rustls writes them with their kind: DnsName("db.example"), IpAddress(127.0.0.1).
    let plain = |n: &String| {
        let inner = n.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(n);
        inner.trim_matches('"').to_owned()
    };
    let names: Vec<String> = names.iter().map(plain).collect();
    if names.is_empty() { "no name".to_owned() } else { names.join(", ") }
}

/// Whether a file holds certificates that can be trusted as roots, named by its path where it does not.
///
/// Reads the file; call it off the runtime's threads.
///
/// # Errors
/// When it is missing, unreadable, or holds no certificate in PEM.
pub fn check_roots(path: &Path) -> Result<(), Trouble> {
    let file = path.display();
    let say = |what: String, step: String| Err(Trouble { what, step, kind: TroubleKind::Other });
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let (why, step) = match error.kind() {
                std::io::ErrorKind::NotFound => ("does not exist", "Check the path in sslrootcert="),
                std::io::ErrorKind::PermissionDenied => {
                    ("cannot be read: permission denied", "Let the user who runs Perfdeck read it, or copy it")
                }
                std::io::ErrorKind::IsADirectory => ("is a folder", "Name the file itself in sslrootcert="),
                _ => ("cannot be read", "Check the path in sslrootcert= and its disk"),
            };
            return say(format!("The root certificate {file} {why}"), step.to_owned());
        }
    };
    if bytes.is_empty() {
        return say(format!("The root certificate {file} is empty"), "Copy the CA's certificate into it".to_owned());
    }
    let text = String::from_utf8_lossy(&bytes);
    if !text.contains("-----BEGIN") {
        let der = Certificate::read(&bytes).is_some();
        let what = if der { "is in DER, not in PEM" } else { "holds no certificate in PEM" };
        return say(
            format!("The root certificate {file} {what}"),
            if der {
                format!("openssl x509 -inform der -in {file} -out {file}.pem, then name {file}.pem")
            } else {
                "Name a file that begins with -----BEGIN CERTIFICATE-----".to_owned()
            },
        );
    }
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        found += 1;
        if !certificate.is_ok_and(|der| Certificate::read(&der).is_some()) {
            return say(
                format!("Certificate {found} in {file} cannot be read"),
                "Copy the file again; every part from BEGIN to END must be whole".to_owned(),
            );
        }
    }
    if found == 0 {
        let key = <(SectionKind, Vec<u8>)>::pem_slice_iter(&bytes).filter_map(Result::ok).any(|(kind, _)| {
            matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
        });
        let what = if key { "holds a private key and no certificate" } else { "holds no certificate in PEM" };
        return say(
            format!("The root certificate {file} {what}"),
            "Name the file of the CA's certificate, which begins with -----BEGIN CERTIFICATE-----".to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: Spelling<'_> = Spelling {
        at: "db.example:5432",
        host: "db.example",
        roots: None,
        any_name: "sslmode=verify-ca",
        unverified: "sslmode=require",
        plain: "sslmode=disable",
    };

    fn pem(label: &str, der: &[u8]) -> String {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).expect("ASCII")).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    #[test]
    fn a_handshakes_failure_is_found_inside_other_errors() {
        let inner = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let io = std::io::Error::new(std::io::ErrorKind::InvalidData, inner.clone());
        assert_eq!(cause(&io), Some(&inner), "within an I/O error");
        let twice = std::io::Error::other(io);
        assert_eq!(cause(&twice), Some(&inner), "within two");
        assert_eq!(cause(&std::io::Error::other("TLS")), None, "and not guessed from words");
    }

    #[test]
    fn every_failure_says_what_is_wrong_and_what_helps() {
        use CertificateError as C;
        for (error, kind, part) in [
            (Error::InvalidCertificate(C::UnknownIssuer), TroubleKind::Issuer, "vouches"),
            (Error::InvalidCertificate(C::Expired), TroubleKind::Time, "expired"),
            (Error::InvalidCertificate(C::NotValidYet), TroubleKind::Time, "not valid yet"),
            (Error::InvalidCertificate(C::NotValidForName), TroubleKind::Name, "not for db.example"),
            (Error::InvalidCertificate(C::Revoked), TroubleKind::Issuer, "revoked"),
            (
                Error::AlertReceived(AlertDescription::CertificateRequired),
                TroubleKind::ClientCertificate,
                "of the client",
            ),
            (Error::AlertReceived(AlertDescription::ProtocolVersion), TroubleKind::Versions, "TLS 1.2"),
            (Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), TroubleKind::NotTls, "does not answer"),
            (Error::General("secret text of the server".into()), TroubleKind::Other, "failed"),
        ] {
            let trouble = trouble(&error, None, HOW);
            assert_eq!(trouble.kind, kind, "{error:?}");
            assert!(trouble.what.contains(part) && trouble.what.contains(HOW.at), "{trouble:?}");
            assert!(!trouble.step.is_empty() && !trouble.what.contains("secret"), "{trouble:?}");
        }
        let given = Spelling { roots: Some("/etc/ca.crt"), ..HOW };
        let named = trouble(&Error::InvalidCertificate(C::UnknownIssuer), None, given);
        assert!(named.what.contains("/etc/ca.crt"), "the file that was trusted is named: {named:?}");
    }

    #[test]
    fn a_file_of_roots_is_named_with_what_is_wrong_about_it() {
        let folder = std::env::temp_dir().join(format!("perfdeck-roots-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let key = rcgen::KeyPair::generate().expect("a key");
        let made = rcgen::CertificateParams::new(vec!["a".to_owned()]).expect("names").self_signed(&key).expect("made");
        let pem = self::pem("CERTIFICATE", made.der());
        let broken = pem.replacen("MII", "MIX", 1);
        for (name, content, part) in [
            ("empty.crt", Vec::new(), "is empty"),
            ("text.crt", b"hello".to_vec(), "holds no certificate"),
            ("der.crt", made.der().to_vec(), "is in DER"),
            ("key.crt", self::pem("PRIVATE KEY", &key.serialize_der()).into_bytes(), "holds a private key"),
            ("broken.crt", broken.into_bytes(), "cannot be read"),
            (
                "second.crt",
                format!("{pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").into_bytes(),
                "Certificate 2",
            ),
        ] {
            let path = folder.join(name);
            std::fs::write(&path, content).expect("written");
            let trouble = check_roots(&path).expect_err(name);
            assert!(trouble.what.contains(part) && trouble.what.contains(name), "{trouble:?}");
        }
        assert!(
            check_roots(&folder.join("missing.crt")).expect_err("missing").what.contains("does not exist"),
            "named"
        );
        assert!(check_roots(&folder).expect_err("a folder").what.contains("is a folder"), "named");
        let good = folder.join("good.crt");
        std::fs::write(&good, &pem).expect("written");
        assert_eq!(check_roots(&good), Ok(()), "a certificate in PEM is one");
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
