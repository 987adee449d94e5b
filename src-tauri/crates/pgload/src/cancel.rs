//! Taking back a statement that nobody waits for any more.
use postgres_protocol::message::frontend;

use crate::Error;
use crate::socket::{Options, socket};
use crate::wire::Wire;

/// What ends the statement that a connection executes. It is sent over a connection of its own, as the server expects it.
#[derive(Debug)]
pub struct Cancel {
    options: Options,
    process: i32,
    secret: i32,
}

impl Cancel {
    pub(crate) fn new(options: &Options, process: i32, secret: i32) -> Self {
        // Nobody signs in for it.
        let options = Options { password: None, ..options.clone() };
        Self { options, process, secret }
    }

    /// Asks the server to end the statement. It answers nothing, and does nothing when none is executed.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn send(&self) -> Result<(), Error> {
        let mut wire = Wire::new(socket(&self.options).await?);
        frontend::cancel_request(self.process, self.secret, &mut wire.write);
        wire.flush().await?;
        wire.end().await;
        Ok(())
    }
}
