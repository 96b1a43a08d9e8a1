//! A link with a connection that we opened, and, as long as there is one, another that the neighbor opened.
//!
//! The first is the contact: when it ends, the contact ends. The second may come later, end sooner and come again.

use std::sync::Arc;
use std::time::Duration;

use convergence_layer::{Event, Gauge, Link};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time;

use crate::framing::Framing;
use crate::meeting::{Place, Seat};
use crate::receiving::{Incoming, Receiving, Step};
use crate::sending::Sending;

/// Events, and outgoing octets, that wait in a channel.
pub(crate) const CHANNEL_DEPTH: usize = 64;
/// How long the end of a link may take: what is on its way to the neighbor, and what it sent before the end.
const GRACE: Duration = Duration::from_secs(5);

/// Our ends of a link.
pub(crate) struct Ends {
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) outgoing: mpsc::Receiver<convergence_layer::Outgoing>,
    pub(crate) receiving: Receiving,
    pub(crate) gauge: Arc<Gauge>,
}

/// A link, and our ends of it.
pub(crate) fn new_link() -> (Link, Ends) {
    let (events, agent_events) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_outgoing, outgoing) = mpsc::channel(CHANNEL_DEPTH);
    let (agent_control, control) = mpsc::unbounded_channel();
    let gauge = Arc::new(Gauge::default());
    let receiving = Receiving::new(events.clone(), control, Arc::clone(&gauge));
    // One bundle after another: there is no second lane.
    let link = Link {
        events: agent_events,
        outgoing: agent_outgoing,
        express: None,
        control: agent_control,
        gauge: Arc::clone(&gauge),
    };
    (link, Ends { events, outgoing, receiving, gauge })
}

/// What a neighbor of whom nothing is known is told and given.
pub(crate) fn opened(transfer_mru: u64) -> Event {
    Event::Opened { node_id: None, transfer_mru, octets_per_second: None }
}

/// Starts the task of a link. `seat` hears where its second connection is to go before a word is said on the first, so that
/// no answer can come elsewhere.
pub(crate) fn spawn(
    stream: TcpStream,
    (framing, octets_max): (Framing, u64),
    seat: impl FnOnce(Seat),
) -> Link {
    let (link, ends) = new_link();
    let (free, joined) = Seat::new();
    seat(free);
    // The neighbor does not say what it takes: what we take, as far as a head can announce it, is the best guess.
    let opened = opened(octets_max.min(framing.octets_max()));
    let Ends { events, outgoing, receiving, gauge } = ends;
    let sending = Sending::new(stream, framing, (events.clone(), outgoing), gauge);
    tokio::spawn(async move {
        if events.send(opened).await.is_ok() {
            drop(events);
            run(sending, receiving, joined).await;
        }
    });
    link
}

async fn run(mut sending: Sending, mut receiving: Receiving, mut joined: mpsc::Receiver<(Incoming, Place)>) {
    let ended = tokio::select! {
        ended = sending.run() => Some(ended),
        why = receive(&mut receiving, &mut joined) => {
            // Decisions are heard meanwhile, and nothing depends on them.
            let _ = time::timeout(GRACE, sending.finish()).await;
            return receiving.closed(why.to_owned()).await;
        }
    };
    // An agent that waits for room to send must learn that there will be none.
    drop(sending);
    receiving.end();
    let rest = async {
        while !receiving.is_drained() {
            if let Step::Close(_) = receiving.step().await {
                return;
            }
        }
    };
    // What the neighbor sent before is taken, as far as it is here: it may not send it again.
    let _ = time::timeout(GRACE, rest).await;
    receiving.closed(ended.map_or_else(String::new, |ended| ended.0)).await;
}

/// Receives until the agent wants no more; why.
async fn receive(receiving: &mut Receiving, joined: &mut mpsc::Receiver<(Incoming, Place)>) -> &'static str {
    loop {
        tokio::select! {
            step = receiving.step() => match step {
                Step::Close(why) => return why,
                // The neighbor may open another.
                Step::Lost(_) | Step::Done => {}
            },
            Some((incoming, place)) = joined.recv() => receiving.join(incoming, Some(place)),
        }
    }
}
