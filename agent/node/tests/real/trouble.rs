//! What goes wrong: full stores, crashes in the middle, neighbors that send nonsense.

use std::sync::Arc;

use agent_core::store::{CHUNK_OCTETS, Store, StoreOptions};
use agent_node::{Call, Client, ClientError, Reply};
use bytes::Bytes;
use convergence_layer::{Event, Link, Outgoing, RefusalReason};

use crate::support::{Node, new_home, noise, order, send, status, trust_each_other};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_half_received_is_dropped_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let home = new_home(folder.path(), "a", "");
    Client::open(&home).await.unwrap().close().await.unwrap();
    let number = {
        let store = Store::open(&home.store_folder(), &StoreOptions::default()).unwrap();
        let mut txn = store.write().unwrap();
        let number = txn.begin_staging().unwrap();
        txn.put_chunk(number, 0, &noise(CHUNK_OCTETS)).unwrap();
        txn.commit().unwrap();
        number
    };
    Client::open(&home).await.unwrap().close().await.unwrap();
    let store = Store::open(&home.store_folder(), &StoreOptions::default()).unwrap();
    assert_eq!(store.read().unwrap().view().staged_chunk(number, 0).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_quota_refuses_and_a_deletion_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let home = new_home(folder.path(), "a", "quota = \"1 MiB\"\n");
    let mut client = Client::open(&home).await.unwrap();
    let body = noise(600_000);
    let first = send(&mut client, "dtn://b/inbox", &body).await;
    for length in [Some(600_000), None] {
        let refused = client.send(&order("dtn://b/inbox", "x"), &body[..], length, &mut |_| {}).await;
        assert!(matches!(&refused, Err(ClientError::Refused { kind, .. }) if kind == "quota"), "{refused:?}");
    }
    let large = noise(3 << 20);
    let refused = client.send(&order("dtn://b/inbox", "x"), &large[..], None, &mut |_| {}).await;
    assert!(matches!(&refused, Err(ClientError::Refused { kind, .. }) if kind == "quota"), "{refused:?}");
    assert_eq!(status(&mut client).await.store.bundles, 1);
    let removed = client.call(Call::Remove { id: first.id.to_string() }).await.unwrap();
    assert_eq!(removed, Reply::Done { changed: true });
    send(&mut client, "dtn://b/inbox", &body).await;
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbor_without_room_refuses_and_the_sender_keeps_the_bundle() {
    let (a, b) = (Node::start("a").await, Node::start_with("b", "quota = \"1 MiB\"\n").await);
    trust_each_other(&[&a, &b]).await;
    a.peer_with(&b).await;
    a.until("b is known", |status| status.contacts.iter().any(|contact| contact.authenticated)).await;
    let mut at_a = a.client().await;
    for octets in [800_000, 800_001, 3 << 20] {
        send(&mut at_a, "dtn://b/inbox", &noise(octets)).await;
    }
    let at_b = b
        .until("something was refused", |status| status.refusals.iter().any(|it| it.reason == "quota"))
        .await;
    assert!(at_b.store.octets <= 1 << 20);
    assert_eq!(status(&mut at_a).await.store.bundles, 3);
    a.stop().await;
    b.stop().await;
}

/// A contact that is made by hand.
async fn by_hand(node: &Node, node_id: &str) -> Link {
    let address = node.url().strip_prefix("tcp://").unwrap().parse().unwrap();
    let mut link = tcpcl::connect(address, Arc::new(tcpcl::Options::new(node_id))).await.unwrap();
    assert!(matches!(event(&mut link).await, Event::Opened { .. }));
    link
}

async fn event(link: &mut Link) -> Event {
    tokio::time::timeout(crate::support::PATIENCE, link.events.recv()).await.unwrap().unwrap()
}

/// What the node says to the transfer.
async fn verdict(link: &mut Link) -> Event {
    loop {
        let answer = event(link).await;
        if matches!(answer, Event::Sent(_) | Event::Refused { .. } | Event::Closed { .. }) {
            return answer;
        }
    }
}

async fn transfer(link: &Link, transfer: u64, octets: Bytes) {
    let length = octets.len() as u64;
    link.outgoing.send(Outgoing::Begin { transfer, length }).await.unwrap();
    link.outgoing.send(Outgoing::Octets(octets)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_from_a_neighbor_is_refused_counted_and_no_reason_to_hang_up() {
    let a = Node::start("a").await;
    let mut link = by_hand(&a, "dtn://stranger/").await;
    for (number, octets) in
        [(0, Bytes::from_static(b"\x9f\xff")), (1, noise(100).into()), (2, noise(60_000).into())]
    {
        transfer(&link, number, octets).await;
        let answer = verdict(&mut link).await;
        assert_eq!(answer, Event::Refused { transfer: number, reason: RefusalReason::NotAcceptable });
    }
    let status = a.until("it was counted", |status| !status.refusals.is_empty()).await;
    assert_eq!((status.refusals[0].reason.as_str(), status.refusals[0].count), ("malformed", 3));
    assert_eq!(status.contacts.len(), 1);
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_bundle_that_breaks_off_or_was_changed_leaves_nothing_and_holds_up_nothing() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    let mut at_a = a.client().await;
    let sent = send(&mut at_a, "dtn://b/inbox", &noise(12 << 20)).await;
    let whole = at_a.read(sent.id, agent_node::Part::Bundle).await.unwrap().collect(1 << 30).await.unwrap();
    let mut changed = whole.clone();
    changed[10 << 20] ^= 1;

    let mut link = by_hand(&b, "dtn://stranger/").await;
    link.outgoing.send(Outgoing::Begin { transfer: 0, length: whole.len() as u64 }).await.unwrap();
    link.outgoing.send(Outgoing::Octets(changed[..5 << 20].to_vec().into())).await.unwrap();
    link.outgoing.send(Outgoing::Abandon).await.unwrap();
    // The next ones arrive while the last octets of the others are still being hashed.
    transfer(&link, 1, changed.into()).await;
    transfer(&link, 2, Bytes::from(whole)).await;
    assert!(matches!(verdict(&mut link).await, Event::Refused { transfer: 1, .. }));
    assert_eq!(verdict(&mut link).await, Event::Sent(2));
    assert_eq!(status(&mut b.client().await).await.store.bundles, 1);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_that_claims_to_be_larger_than_allowed_is_refused_before_its_octets() {
    let a = Node::start_with("a", "bundle_max = \"2 MiB\"\n").await;
    let mut link = by_hand(&a, "dtn://stranger/").await;
    link.outgoing.send(Outgoing::Begin { transfer: 0, length: 1 << 40 }).await.unwrap();
    link.outgoing.send(Outgoing::Octets(noise(1000).into())).await.unwrap();
    assert!(!matches!(verdict(&mut link).await, Event::Sent(_)));
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_impostor_of_a_neighbor_does_not_end_the_contact_with_it() {
    let a = Node::start("a").await;
    let b = Node::start("b").await;
    trust_each_other(&[&a, &b]).await;
    a.peer_with(&b).await;
    a.until("b is known", |status| status.contacts.iter().any(|contact| contact.authenticated)).await;
    // Somebody declares to be b: the contact with b stays, and bundles still go there.
    let _impostor = by_hand(&a, "dtn://b/").await;
    let _other = by_hand(&a, "dtn://b/").await;
    send(&mut a.client().await, "dtn://b/inbox", b"for the true b").await;
    crate::support::receive(&mut b.client().await, "dtn://b/inbox", b"for the true b").await;
    a.stop().await;
    b.stop().await;
}

/// Turns one octet of what is stored around, as a dying card does, also behind the back of a node that runs.
fn damage(home: &agent_node::Home, wanted: &[u8]) {
    use std::os::unix::fs::FileExt;
    let path = home.store_folder().join("data.mdb");
    let octets = std::fs::read(&path).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // Pages that were copied on writing, and are free now, hold the same octets.
    let places: Vec<usize> = octets
        .windows(wanted.len())
        .enumerate()
        .filter_map(|(at, window)| (window == wanted).then_some(at))
        .collect();
    assert!(!places.is_empty(), "the payload is in the file");
    for at in places {
        file.write_all_at(&[!octets[at]], at as u64).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_payload_is_an_error_to_its_reader_and_never_a_shorter_file() {
    let folder = tempfile::tempdir().unwrap();
    let home = new_home(folder.path(), "a", "");
    let body = noise(3 << 20);
    let mut client = Client::open(&home).await.unwrap();
    let sent = send(&mut client, "dtn://a/inbox", &body).await;
    client.close().await.unwrap();
    damage(&home, &body[2 << 20..][..64]);
    let mut client = Client::open(&home).await.unwrap();
    let read = client.read(sent.id, agent_node::Part::Payload).await.unwrap().collect(1 << 30).await;
    assert!(matches!(read, Err(ClientError::Store(_))), "{read:?}");
    // The connection is of use as before.
    assert_eq!(status(&mut client).await.store.bundles, 1);
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_payload_is_not_passed_on_and_its_bundle_taken_out_of_service() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    let body = noise(3 << 20);
    send(&mut a.client().await, "dtn://c/inbox", &body).await;
    let (folder, home) = a.stop().await;
    damage(&home, &body[2 << 20..][..64]);
    let a = Node::run(folder, home).await;
    a.peer_with(&b).await;
    a.until("the damaged bundle is out of service", |status| status.store.bundles == 0).await;
    assert_eq!(status(&mut b.client().await).await.store.bundles, 0);
    send(&mut a.client().await, "dtn://c/inbox", b"alive").await;
    b.until("a still sends", |status| status.store.bundles == 1).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_record_costs_no_more_than_what_was_under_way() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    let mut client = a.client().await;
    send(&mut client, "dtn://b/inbox", b"these octets will be damaged").await;
    send(&mut client, "dtn://b/inbox", b"these will not").await;
    damage(&a.home, b"these octets will be damaged");

    // A large payload is on its way into the store when the damage is found.
    let (mut body, source) = tokio::io::duplex(1 << 16);
    let mut sender = a.client().await;
    let sending = tokio::spawn(async move {
        let refused = sender.send(&order("dtn://b/inbox", "x"), source, None, &mut |_| {}).await;
        (sender, refused)
    });
    let piece = noise(1 << 16);
    tokio::io::AsyncWriteExt::write_all(&mut body, &noise(3 << 20)).await.unwrap();
    a.peer_with(&b).await;
    let mut at_b = b.client().await;
    let arrival = crate::support::receive(&mut at_b, "dtn://b/inbox", b"these will not");
    tokio::pin!(arrival);
    loop {
        tokio::select! {
            _ = &mut arrival => break,
            written = tokio::io::AsyncWriteExt::write_all(&mut body, &piece) => written.unwrap(),
        }
    }
    drop(body);
    let (mut sender, refused) = sending.await.unwrap();
    assert!(refused.is_err(), "{refused:?}");
    send(&mut sender, "dtn://b/inbox", b"and it goes on").await;
    crate::support::receive(&mut b.client().await, "dtn://b/inbox", b"and it goes on").await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_bundle_that_is_removed_while_it_is_sent_does_not_hold_up_the_next() {
    let a = Node::start("a").await;
    let mut client = a.client().await;
    let large = send(&mut client, "dtn://stranger/inbox", &noise(40 << 20)).await;
    let mut link = by_hand(&a, "dtn://stranger/").await;
    // Contact messages come first, and are answered like bundles.
    while !matches!(event(&mut link).await, Event::Receiving { length: Some(40_000_000..), .. }) {}
    client.call(Call::Remove { id: large.id.to_string() }).await.unwrap();
    send(&mut client, "dtn://stranger/inbox", b"the next").await;
    let mut last = Bytes::new();
    while !last.windows(8).any(|window| window == b"the next") {
        match event(&mut link).await {
            Event::Octets(octets) => last = octets,
            Event::Closed { reason } => panic!("{reason}"),
            _ => {}
        }
    }
    a.stop().await;
}
