//! A wire for datagrams between two agents, that may lose some, and remembers them.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::capture::Passed;

/// Larger than any datagram.
const DATAGRAM_OCTETS_MAX: usize = 65_535;

/// A wire to an agent: one other may talk to it here.
pub(crate) struct Datagrams {
    pub(crate) port: u16,
    /// Where the agent at its end sees that other.
    pub(crate) far_port: u16,
    line: Arc<Line>,
}

#[derive(Default)]
struct Line {
    caller: Mutex<Option<SocketAddr>>,
    /// So many are lost next.
    losing: AtomicU64,
    passed: Mutex<Vec<Passed>>,
}

impl Datagrams {
    pub(crate) fn to(agent_port: u16) -> Self {
        let [near, far] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let [port, far_port] = [&near, &far].map(|end| end.local_addr().unwrap().port());
        far.connect(("127.0.0.1", agent_port)).unwrap();
        let line = Arc::new(Line::default());
        let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let (forth, back) = (Arc::clone(&line), Arc::clone(&line));
        thread::spawn(move || forth.pass_forth(&near, &far));
        thread::spawn(move || back.pass_back(&far_too, &near_too));
        Self { port, far_port, line }
    }

    /// Loses the next so many, whichever way they go.
    pub(crate) fn lose(&self, datagrams: u64) {
        self.line.losing.store(datagrams, Ordering::Relaxed);
    }

    /// What has passed until now.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.line.passed.lock().unwrap().clone()
    }
}

impl Line {
    fn pass_forth(&self, near: &UdpSocket, far: &UdpSocket) {
        let mut datagram = vec![0; DATAGRAM_OCTETS_MAX];
        while let Ok((length, from)) = near.recv_from(&mut datagram) {
            *self.caller.lock().unwrap() = Some(from);
            if self.passes(true, &datagram[..length]) {
                // Where nobody listens yet, it is lost as well.
                let _ = far.send(&datagram[..length]);
            }
        }
    }

    fn pass_back(&self, far: &UdpSocket, near: &UdpSocket) {
        let mut datagram = vec![0; DATAGRAM_OCTETS_MAX];
        loop {
            // An error says that what was sent before reached nobody.
            let Ok(length) = far.recv(&mut datagram) else { continue };
            let Some(to) = *self.caller.lock().unwrap() else { continue };
            if self.passes(false, &datagram[..length]) {
                let _ = near.send_to(&datagram[..length], to);
            }
        }
    }

    fn passes(&self, from_caller: bool, datagram: &[u8]) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        let is_lost = self.losing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        if !is_lost {
            self.passed.lock().unwrap().push((from_caller, datagram.to_vec()));
        }
        !is_lost
    }
}
