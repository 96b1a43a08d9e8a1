//! A wire for datagrams between two agents, that may lose some.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Larger than any datagram.
const DATAGRAM_OCTETS_MAX: usize = 65_535;

/// A wire to an agent: one other may talk to it here.
pub(crate) struct Datagrams {
    pub(crate) port: u16,
    /// Where the agent at its end sees that other.
    pub(crate) far_port: u16,
    /// So many are lost next.
    losing: Arc<AtomicU64>,
}

impl Datagrams {
    pub(crate) fn to(agent_port: u16) -> Self {
        let [near, far] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let [port, far_port] = [&near, &far].map(|end| end.local_addr().unwrap().port());
        far.connect(("127.0.0.1", agent_port)).unwrap();
        let losing = Arc::new(AtomicU64::new(0));
        let caller = Arc::new(Mutex::new(None));
        let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let (loses, calls) = (Arc::clone(&losing), Arc::clone(&caller));
        thread::spawn(move || forth(&near, &far, (&loses, &calls)));
        let loses = Arc::clone(&losing);
        thread::spawn(move || back(&far_too, &near_too, (&loses, &caller)));
        Self { port, far_port, losing }
    }

    /// Loses the next so many, whichever way they go.
    pub(crate) fn lose(&self, datagrams: u64) {
        self.losing.store(datagrams, Ordering::Relaxed);
    }
}

type Caller = Mutex<Option<SocketAddr>>;

fn is_lost(losing: &AtomicU64) -> bool {
    losing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

fn forth(near: &UdpSocket, far: &UdpSocket, (losing, caller): (&AtomicU64, &Caller)) {
    let mut datagram = vec![0; DATAGRAM_OCTETS_MAX];
    while let Ok((length, from)) = near.recv_from(&mut datagram) {
        *caller.lock().unwrap() = Some(from);
        if !is_lost(losing) {
            // Where nobody listens yet, it is lost as well.
            let _ = far.send(&datagram[..length]);
        }
    }
}

fn back(far: &UdpSocket, near: &UdpSocket, (losing, caller): (&AtomicU64, &Caller)) {
    let mut datagram = vec![0; DATAGRAM_OCTETS_MAX];
    loop {
        // An error says that what was sent before reached nobody.
        let Ok(length) = far.recv(&mut datagram) else { continue };
        let Some(to) = *caller.lock().unwrap() else { continue };
        if !is_lost(losing) {
            let _ = near.send_to(&datagram[..length], to);
        }
    }
}
