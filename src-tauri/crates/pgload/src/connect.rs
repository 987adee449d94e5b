//! Opening a connection: TLS, start-up, signing in.
use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes};
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;

use crate::Error;
use crate::cancel::Cancel;
use crate::client::Client;
use crate::socket::{Options, socket, strange};
use crate::wire::{Wire, refusal, text};

impl Client {
    /// Opens a connection. It has no deadline of its own.
    ///
    /// # Errors
    /// When the server cannot be reached, speaks something else, or refuses the certificate, a parameter or the user.
    pub async fn connect(options: &Options) -> Result<Self, Error> {
        let mut wire = Wire::new(socket(options).await?);
        let mut parameters = vec![("user", options.user.as_str()), ("client_encoding", "UTF8")];
        if let Some(database) = &options.database {
            parameters.push(("database", database));
        }
        parameters.extend(options.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        frontend::startup_message(parameters, &mut wire.write)?;
        wire.flush().await?;
        let (mut process, mut secret, mut told) = (0, 0, BTreeMap::new());
        loop {
            let mut message = wire.message().await?;
            match message.tag {
                b'R' => authenticate(&mut wire, options, message.body).await?,
                b'E' => return Err(refusal(message.body)),
                b'K' if message.body.len() >= 8 => {
                    (process, secret) = (message.body.get_i32(), message.body.get_i32());
                }
                b'S' => {
                    let (name, value) = (text(&mut message.body), text(&mut message.body));
                    told.extend(name.zip(value));
                }
                b'Z' => return Ok(Self::new(wire, process, Cancel::new(options, process, secret), told)),
                // Notices, and what newer servers negotiate.
                b'N' | b'v' => {}
                tag => return Err(strange(tag)),
            }
        }
    }
}

async fn authenticate(wire: &mut Wire, options: &Options, mut body: Bytes) -> Result<(), Error> {
    let unknown = |what: &str| Error::Protocol(format!("the server wants {what}, which is not supported"));
    if body.len() < 4 {
        return Err(strange(b'R'));
    }
    let password = || {
        options.password.as_deref().ok_or_else(|| {
            Error::Server(Box::new(crate::Refusal {
                code: "28P01".to_owned(),
                message: "the server asks for a password, and none is given".to_owned(),
                fatal: true,
                ..crate::Refusal::default()
            }))
        })
    };
    match body.get_i32() {
        0 => return Ok(()),
        3 => frontend::password_message(password()?.as_bytes(), &mut wire.write)?,
        5 if body.len() >= 4 => {
            let salt = [body[0], body[1], body[2], body[3]];
            let hash = md5_hash(options.user.as_bytes(), password()?.as_bytes(), salt);
            frontend::password_message(hash.as_bytes(), &mut wire.write)?;
        }
        10 => return scram(wire, password()?, body).await,
        7 | 8 => return Err(unknown("GSSAPI")),
        9 => return Err(unknown("SSPI")),
        other => return Err(unknown(&format!("authentication {other}"))),
    }
    wire.flush().await
}

async fn scram(wire: &mut Wire, password: &str, mut mechanisms: Bytes) -> Result<(), Error> {
    let mut known = false;
    while let Some(name) = text(&mut mechanisms).filter(|name| !name.is_empty()) {
        known |= name == SCRAM_SHA_256;
    }
    if !known {
        return Err(Error::Protocol("the server offers no way to sign in that is supported".to_owned()));
    }
    let wrong = |e: std::io::Error| Error::Protocol(format!("signing in: {e}"));
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut wire.write)?;
    wire.flush().await?;
    for expected in [11, 12] {
        let mut message = loop {
            let message = wire.message().await?;
            match message.tag {
                b'E' => return Err(refusal(message.body)),
                b'N' => {}
                b'R' if message.body.len() >= 4 => break message,
                tag => return Err(strange(tag)),
            }
        };
        if message.body.get_i32() != expected {
            return Err(strange(b'R'));
        }
        if expected == 11 {
            scram.update(&message.body).map_err(wrong)?;
            frontend::sasl_response(scram.message(), &mut wire.write)?;
            wire.flush().await?;
        } else {
            scram.finish(&message.body).map_err(wrong)?;
        }
    }
    Ok(())
}
