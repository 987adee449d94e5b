//! A port that lets everything through to a server and remembers what clients sent.
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{Error, Result};

/// A listener before a server on this machine; every byte from a client is kept before it is handed on.
#[derive(Debug)]
pub struct Wiretap {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Wiretap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Wiretap {
    /// Opens one before `target`, a port on 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open(target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::io("a port"))?;
        let port = listener.local_addr().map_err(Error::io("a port"))?.port();
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let kept = heard.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(through(near, target, kept.clone()));
            }
        });
        Ok(Self { port, heard, task })
    }

    /// TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything that clients have sent since the last call, of all connections.
    pub fn heard(&self) -> Vec<u8> {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn through(near: TcpStream, target: u16, heard: Arc<Mutex<Vec<u8>>>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", target)).await else { return };
    let (mut from_client, mut to_client) = near.into_split();
    let (mut from_server, mut to_server) = far.into_split();
    let up = async {
        let mut bytes = [0_u8; 4096];
        while let Ok(n @ 1..) = from_client.read(&mut bytes).await {
            heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..n]);
            if to_server.write_all(&bytes[..n]).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}
