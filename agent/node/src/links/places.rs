//! Where others may reach this node, as its card says it: where it listens, and, where that is at all addresses, which those are.
//!
//! `run` asks when the node starts; the links ask again now and then, because a machine gets its addresses when it gets
//! them. Where discovery is off, the card says what is configured and nothing about the machine.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use adapters::{Address, TcpAddress};
use agent_core::input::Input;
use discovery::machine_addresses;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::node::Node;
use crate::settings::ADDRESSES_MAX;

/// How often the machine is asked for its addresses.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What the card of a node says that listens there.
pub(crate) fn said(listening: &[Address], discovers: bool) -> Vec<String> {
    let machine = if discovers { machine_addresses() } else { Vec::new() };
    named(listening, &machine)
}

/// Tells the agent whenever its card is to name other addresses.
pub(super) async fn keep_said(node: Arc<Node>, listening: Vec<Address>, stop: CancellationToken) {
    let mut last = node.config.cards.addresses.clone();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(LOOK_EVERY) => {}
        }
        let now = said(&listening, true);
        if now == last {
            continue;
        }
        if node.inputs.post(Input::AddressesChanged { addresses: now.clone() }).await.is_err() {
            return;
        }
        last = now;
    }
}

fn named(listening: &[Address], machine: &[IpAddr]) -> Vec<String> {
    let mut said: Vec<String> = listening.iter().map(ToString::to_string).collect();
    for place in listening.iter().filter_map(Address::tcpcl_place).filter(|place| place.ip().is_unspecified())
    {
        // `[::]` takes IPv4 as well.
        let reached = machine.iter().filter(|ip| ip.is_ipv4() || place.is_ipv6());
        let at = reached.map(|ip| Address::Tcp(TcpAddress::of((*ip, place.port()).into())).to_string());
        said.extend(at);
    }
    said.truncate(ADDRESSES_MAX);
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(listening: &[&str]) -> Vec<String> {
        let listening: Vec<Address> = listening.iter().map(|url| url.parse().unwrap()).collect();
        super::named(&listening, &["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()])
    }

    #[test]
    fn a_node_that_listens_at_all_addresses_says_so_and_which_they_are() {
        assert_eq!(
            named(&["tcp://[::]:4556"]),
            ["tcp://[::]:4556", "tcp://192.0.2.7:4556", "tcp://[2001:db8::7]:4556"]
        );
        assert_eq!(named(&["tcp://0.0.0.0:1"]), ["tcp://0.0.0.0:1", "tcp://192.0.2.7:1"]);
    }

    #[test]
    fn a_node_that_listens_at_some_addresses_names_those() {
        let some = ["tcp://127.0.0.1:4556", "udp://[::]:4556", "tcp://192.0.2.9:1"];
        assert_eq!(named(&some), some);
    }
}
