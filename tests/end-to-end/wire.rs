//! A wire between two agents that can be cut, and that may lose what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::files::Dice;

/// Octets that are lost together, or not. Small, so that loss strikes in the middle of a bundle too.
const PIECE_OCTETS: usize = 4_096;

/// A wire to an agent: whoever connects here talks to it, as long as the wire holds. TCP repairs what is lost by itself, until
/// it cannot: on this wire it never can, so that every loss is the end of a connection.
pub(crate) struct Wire {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    is_whole: bool,
    /// Of a hundred pieces so many are lost.
    loss: u64,
    dice: Dice,
    live: Vec<TcpStream>,
    passed: usize,
    losses: u64,
}

impl Wire {
    /// A wire that holds, but loses so many of a hundred pieces, to the agent at that port.
    pub(crate) fn to(agent_port: u16, loss: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state =
            State { is_whole: true, loss, dice: Dice::new(7), live: Vec::new(), passed: 0, losses: 0 };
        let state = Arc::new(Mutex::new(state));
        let wire = Arc::clone(&state);
        thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                connect(caller, agent_port, &wire);
            }
        });
        Self { port, state }
    }

    /// The address under which the agent at its other end is a peer.
    pub(crate) fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Cuts it: what is under way is lost, and nobody gets through.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_whole = false;
        state.hang_up();
    }

    /// Mends it. Whoever dials again gets through.
    pub(crate) fn mend(&self) {
        self.state.lock().unwrap().is_whole = true;
    }

    /// How often something was lost.
    pub(crate) fn losses(&self) -> u64 {
        self.state.lock().unwrap().losses
    }
}

impl State {
    fn hang_up(&mut self) {
        for stream in self.live.drain(..) {
            // One that has ended needs no end.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Whether these octets get through; all that is on the wire is lost with those that do not.
    fn passes(&mut self, octets: usize) -> bool {
        let pieces = (self.passed + octets) / PIECE_OCTETS;
        self.passed = (self.passed + octets) % PIECE_OCTETS;
        let is_lost = (0..pieces).any(|_| self.dice.below(100) < self.loss);
        if is_lost {
            self.losses += 1;
            self.hang_up();
        }
        !is_lost
    }
}

/// Lets a caller talk to the agent. Where the wire is cut, or the agent is not there, the caller is left alone.
fn connect(caller: TcpStream, agent_port: u16, wire: &Arc<Mutex<State>>) {
    let mut state = wire.lock().unwrap();
    if !state.is_whole {
        return;
    }
    let Ok(agent) = TcpStream::connect(("127.0.0.1", agent_port)) else { return };
    for stream in [&caller, &agent] {
        state.live.push(stream.try_clone().unwrap());
    }
    let (from, to) = (caller.try_clone().unwrap(), agent.try_clone().unwrap());
    for ends in [(from, to), (agent, caller)] {
        let wire = Arc::clone(wire);
        thread::spawn(move || pass_on(ends, &wire));
    }
}

fn pass_on((mut from, mut to): (TcpStream, TcpStream), wire: &Mutex<State>) {
    let mut octets = vec![0; PIECE_OCTETS];
    while let Ok(length @ 1..) = from.read(&mut octets) {
        if !wire.lock().unwrap().passes(length) || to.write_all(&octets[..length]).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
