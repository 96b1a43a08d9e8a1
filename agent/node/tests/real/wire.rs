//! Wires between two nodes that can be cut. Each end looks like the node at the other, so that who goes by addresses
//! is not confused.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// One direction of dialling.
pub(crate) struct Wire {
    /// Where to dial.
    pub(crate) address: SocketAddr,
    cuts: Arc<watch::Sender<u64>>,
    _task: AbortOnDropHandle<()>,
}

impl Wire {
    /// What is dialled at a free port of `to`'s host comes to `to` from the host `from`.
    pub(crate) async fn between(from: IpAddr, to: SocketAddr) -> Self {
        let listener = TcpListener::bind((to.ip(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(watch::Sender::new(0));
        let task = tokio::spawn(carry_all(listener, (from, to), Arc::clone(&cuts)));
        Self { address, cuts, _task: AbortOnDropHandle::new(task) }
    }

    /// Breaks every connection, in the middle of whatever passes.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }
}

async fn carry_all(listener: TcpListener, ends: (IpAddr, SocketAddr), cuts: Arc<watch::Sender<u64>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut cut = cuts.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = carry(stream, ends) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn carry(mut stream: TcpStream, (from, to): (IpAddr, SocketAddr)) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    // Where nobody listens any more, the caller's connection ends as well.
    if let Ok(mut onward) = socket.connect(to).await {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
    }
}
