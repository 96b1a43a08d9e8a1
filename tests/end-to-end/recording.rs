//! A wire between two agents that remembers what passes, for a capture file.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::capture::{self, Passed};

/// A wire to an agent: whoever connects here talks to it. The first connection is recorded.
pub(crate) struct Recording {
    pub(crate) port: u16,
    passed: Arc<Mutex<Vec<Passed>>>,
}

impl Recording {
    /// Begins to listen for somebody who wants to talk to the agent at that port.
    pub(crate) fn of(agent_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let passed = Arc::<Mutex<Vec<Passed>>>::default();
        let record = Arc::clone(&passed);
        thread::spawn(move || {
            let (caller, _) = listener.accept().unwrap();
            let agent = TcpStream::connect(("127.0.0.1", agent_port)).unwrap();
            let (from, to) = (caller.try_clone().unwrap(), agent.try_clone().unwrap());
            let forth = Arc::clone(&record);
            thread::spawn(move || pass_on((from, to), true, &forth));
            pass_on((agent, caller), false, &record);
        });
        Self { port, passed }
    }

    /// The capture file of what has passed until now.
    pub(crate) fn capture(&self) -> Vec<u8> {
        capture::of_tcp(&self.passed.lock().unwrap())
    }
}

fn pass_on((mut from, mut to): (TcpStream, TcpStream), from_caller: bool, passed: &Mutex<Vec<Passed>>) {
    let mut octets = vec![0; 64 * 1024];
    // Recorded before it is passed on, so that no answer is recorded before its question.
    while let Ok(length @ 1..) = from.read(&mut octets) {
        passed.lock().unwrap().push((from_caller, octets[..length].to_vec()));
        if to.write_all(&octets[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
