//! Why a TLS connection of an HTTP benchmark failed, and what speaks at a port that gives no response.
use perfdeck_net::{Speaks, Spelling, TroubleKind, trouble};

/// What a failed handshake means and the step that helps, in the words of plans; `None` when TLS is not
/// the cause. Holds nothing of the server's but the names of its certificate.
pub(crate) fn failed(error: &(dyn std::error::Error + 'static), at: &str, host: &str) -> Option<String> {
    let cause = perfdeck_net::cause(error)?;
    let unverified = "insecure_tls";
    let spelling = Spelling { at, host, roots: None, any_name: unverified, unverified, plain: "http:// instead" };
    let found = trouble(cause, None, spelling);
    let step = match found.kind {
        TroubleKind::Name => format!("use one of its names in the URL, or {unverified} to accept it unverified"),
        TroubleKind::Issuer | TroubleKind::Version1 => {
            format!("add its CA to this machine's roots, or accept it unverified with {unverified}")
        }
        TroubleKind::ClientCertificate => "name one that it trusts and its key: client_certificate".to_owned(),
        TroubleKind::NotTls => "if it speaks none, its address begins with http:// instead".to_owned(),
        _ => found.step,
    };
    Some(format!("{}; {step}", found.what))
}

/// What is wrong with the scheme of a URL whose host gives no response; `tls` tells that it is https. `None` when it fits, or
/// when nothing is known.
pub(crate) async fn other_protocol(at: &str, port: u16, tls: bool) -> Option<String> {
    let speaks = perfdeck_net::ask(at, port).await;
    let at = if at.contains(':') { format!("[{at}]:{port}") } else { format!("{at}:{port}") };
    match speaks {
        Speaks::Tls if !tls => Some(format!("{at} speaks TLS; its address begins with https:// instead")),
        Speaks::Http if tls => Some(format!("{at} speaks HTTP without TLS; its address begins with http:// instead")),
        Speaks::Postgres | Speaks::Mysql | Speaks::Redis | Speaks::Ssh | Speaks::Greeting => {
            Some(format!("{at} {}; it is no web server", speaks.words()))
        }
        _ => None,
    }
}
