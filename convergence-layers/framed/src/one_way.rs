//! A link that only receives: a connection of a host to which none of ours is open.
//!
//! When one of ours opens, the connection moves there, between two frames, and this link closes. What the agent wants to
//! send here has no way to go: it is refused for now.

use convergence_layer::{Event, Link, Outgoing, RefusalReason};
use tokio::sync::{mpsc, oneshot};

use crate::link::{self, Ends};
use crate::meeting::Reservation;
use crate::receiving::{Incoming, Receiving, Step};

/// Starts the task of a link that goes on elsewhere when it is `given` a place there.
pub(crate) fn spawn(incoming: Incoming, given: oneshot::Receiver<Reservation>) -> Link {
    let (link, ends) = link::new_link();
    let Ends { events, outgoing, mut receiving, .. } = ends;
    receiving.join(incoming, None);
    tokio::spawn(async move {
        // Nothing can be sent, and no bundle is as small as that.
        if events.send(link::opened(0)).await.is_ok() {
            let why = tokio::select! {
                why = receive(&mut receiving, given) => why,
                () = refuse(outgoing, events) => String::new(),
            };
            receiving.closed(why).await;
        }
    });
    link
}

async fn receive(receiving: &mut Receiving, given: oneshot::Receiver<Reservation>) -> String {
    let moves = async {
        match given.await {
            Ok(reservation) => reservation,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::pin!(moves);
    let mut reservation: Option<Reservation> = None;
    loop {
        if let Some(seat) = reservation.take() {
            if let Some(incoming) = receiving.take_between() {
                seat.give(incoming);
                hand_over(receiving).await;
                return "it goes on as part of a link of ours".to_owned();
            }
            reservation = Some(seat);
        }
        tokio::select! {
            // First of all: what comes after a connection of ours is open answers what was said there.
            biased;
            seat = &mut moves, if reservation.is_none() => reservation = Some(seat),
            step = receiving.step() => match step {
                Step::Close(why) => return why.to_owned(),
                Step::Lost(why) => {
                    hand_over(receiving).await;
                    return why;
                }
                Step::Done => {}
            },
        }
    }
}

/// Hands over the events that are left.
async fn hand_over(receiving: &mut Receiving) {
    while !receiving.is_drained() {
        if let Step::Close(_) = receiving.step().await {
            return;
        }
    }
}

/// Refuses whatever is to be sent. Over only when the agent has dropped the link.
async fn refuse(mut outgoing: mpsc::Receiver<Outgoing>, events: mpsc::Sender<Event>) {
    while let Some(outgoing) = outgoing.recv().await {
        if let Outgoing::Begin { transfer, .. } = outgoing {
            let refused = Event::Refused { transfer, reason: RefusalReason::NoResources };
            if events.send(refused).await.is_err() {
                return;
            }
        }
    }
    std::future::pending::<()>().await;
}
