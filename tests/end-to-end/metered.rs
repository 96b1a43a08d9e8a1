//! A wire between two agents of which every connection carries so many octets, and that counts what it carried.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Octets that are passed on together.
const PIECE_OCTETS: usize = 4_096;

/// What becomes of a connection that has carried all that it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It is cut, in the middle of whatever is on it.
    Cut,
    /// It carries nothing more, and nobody is told.
    Stall,
}

#[derive(Debug)]
struct State {
    /// Octets that a connection carries, both ways together.
    most: usize,
    end: End,
    connections: usize,
    carried: usize,
    /// Kept open, so that nobody is told of a connection that stalled.
    stalled: Vec<TcpStream>,
}

/// A wire to an agent: whoever connects here talks to it.
pub(crate) struct Metered {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Metered {
    pub(crate) fn to(agent_port: u16, most: usize, end: End) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { most, end, connections: 0, carried: 0, stalled: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let wire = Arc::clone(&state);
        thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                if let Ok(agent) = TcpStream::connect(("127.0.0.1", agent_port)) {
                    connect(caller, agent, &wire);
                }
            }
        });
        Self { port, state }
    }

    /// The address under which the agent at its other end is a peer.
    pub(crate) fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// From now on connections carry whatever comes. Those that stalled end.
    pub(crate) fn lift(&self) {
        let mut state = self.state.lock().unwrap();
        state.most = usize::MAX;
        state.stalled.clear();
    }

    /// Octets that it carried since this was asked last.
    pub(crate) fn take_carried(&self) -> usize {
        std::mem::take(&mut self.state.lock().unwrap().carried)
    }

    /// Connections that there were until now.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

fn connect(caller: TcpStream, agent: TcpStream, wire: &Arc<Mutex<State>>) {
    let left = {
        let mut state = wire.lock().unwrap();
        state.connections += 1;
        Arc::new(Mutex::new(state.most))
    };
    let (from, to) = (caller.try_clone().unwrap(), agent.try_clone().unwrap());
    for ends in [(from, to), (agent, caller)] {
        let (wire, left) = (Arc::clone(wire), Arc::clone(&left));
        thread::spawn(move || pass_on(ends, &left, &wire));
    }
}

fn pass_on((mut from, mut to): (TcpStream, TcpStream), left: &Mutex<usize>, wire: &Mutex<State>) {
    let mut octets = vec![0; PIECE_OCTETS];
    while let Ok(length @ 1..) = from.read(&mut octets) {
        let passes = {
            let mut left = left.lock().unwrap();
            let passes = length.min(*left);
            *left -= passes;
            passes
        };
        wire.lock().unwrap().carried += passes;
        let is_sent = to.write_all(&octets[..passes]).is_ok();
        if passes < length {
            let mut state = wire.lock().unwrap();
            if state.end == End::Stall {
                state.stalled.extend([from, to]);
                return;
            }
            drop(state);
            // What has ended needs no end.
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            return;
        }
        if !is_sent {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
