//! Two nodes that share a folder, each seen through its link.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use convergence_layer::{CloseReason, Control, Event, Link, Outgoing, RefusalReason, TransferId};
use folder::{Local, Unreachable, connect};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open(settings: &str, node_id: &str) -> Result<Link, Unreachable> {
    let local = Local { node_id: node_id.to_owned(), transfer_mru: 1 << 20 };
    connect(&settings.parse().unwrap(), &local).await
}

async fn next(link: &mut Link) -> Event {
    let event = tokio::time::timeout(PATIENCE, link.events.recv()).await.unwrap();
    event.expect("an event before the last")
}

async fn opened(link: &mut Link) -> Option<String> {
    match next(link).await {
        Event::Opened { node_id, .. } => node_id,
        other => panic!("{other:?}"),
    }
}

/// Nodes a and b, which share a folder.
async fn pair(at: &Path) -> (Link, Link) {
    let path = at.display().to_string();
    assert!(open(&path, "dtn://a/").await.unwrap_err().to_string().contains("nobody else has an inbox"));
    let mut b = open(&path, "dtn://b/").await.unwrap();
    let mut a = open(&path, "dtn://a/").await.unwrap();
    assert_eq!(opened(&mut a).await.as_deref(), Some("dtn://b/"));
    assert_eq!(opened(&mut b).await.as_deref(), Some("dtn://a/"));
    (a, b)
}

fn bundle(octets: usize) -> Bytes {
    [&[0x9f][..], &vec![7; octets], &[0xff]].concat().into()
}

async fn send(link: &Link, transfer: TransferId, octets: &Bytes) {
    let length = octets.len() as u64;
    link.outgoing.send(Outgoing::Begin { transfer, length }).await.unwrap();
    for piece in octets.chunks(50_000) {
        link.outgoing.send(Outgoing::Octets(Bytes::copy_from_slice(piece))).await.unwrap();
    }
}

async fn receive(link: &mut Link) -> (TransferId, Vec<u8>) {
    let Event::Receiving { transfer, .. } = next(link).await else { panic!("no bundle begins") };
    let mut all = Vec::new();
    loop {
        match next(link).await {
            Event::Octets(octets) => all.extend_from_slice(&octets),
            Event::Received => return (transfer, all),
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until files are as wanted. They are looked at again and again: not every system tells of changes, and the link does not either.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect(what);
}

fn files(at: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_goes_when_the_other_side_has_it_and_not_before() {
    let at = tempfile::tempdir().unwrap();
    let (a, mut b) = pair(at.path()).await;
    let mut a = a;
    let inbox = at.path().join("to-b");
    for (transfer, octets) in [10, 200_000].into_iter().enumerate() {
        let bundle = bundle(octets);
        send(&a, transfer as u64, &bundle).await;
        assert_eq!(next(&mut a).await, Event::Left(transfer as u64));
        let (number, received) = receive(&mut b).await;
        assert!(received == bundle);
        assert_eq!(files(&inbox).len(), 1);
        let answer = match transfer {
            0 => Control::Accept(number),
            _ => Control::Refuse(number, RefusalReason::Completed),
        };
        b.control.send(answer).unwrap();
        until("the file goes", || files(&inbox).is_empty()).await;
    }
    a.control.send(Control::Close(CloseReason::Unknown)).unwrap();
    assert_eq!(next(&mut a).await, Event::Closed { reason: "closed by this node".to_owned() });
}

#[tokio::test]
async fn what_is_refused_for_good_goes_aside_and_what_is_for_now_stays() {
    let at = tempfile::tempdir().unwrap();
    let (a, mut b) = pair(at.path()).await;
    let inbox = at.path().join("to-b");
    send(&a, 0, &bundle(10)).await;
    let (number, _) = receive(&mut b).await;
    b.control.send(Control::Refuse(number, RefusalReason::NotAcceptable)).unwrap();
    until("the file goes aside", || files(&inbox) == ["refused"]).await;
    assert_eq!(files(&inbox.join("refused")).len(), 1);
    assert!(b.gauge.reading().fault.unwrap().contains("was refused, and was moved to"));
    send(&a, 1, &bundle(11)).await;
    let (number, _) = receive(&mut b).await;
    b.control.send(Control::Refuse(number, RefusalReason::NoResources)).unwrap();
    drop(b);
    // Whoever opens the folder next finds it.
    let mut b = open(&at.path().display().to_string(), "dtn://b/").await.unwrap();
    opened(&mut b).await;
    assert!(receive(&mut b).await.1 == bundle(11));
}

#[tokio::test]
async fn a_bundle_that_is_there_already_is_not_written_again() {
    let at = tempfile::tempdir().unwrap();
    let path = format!("{}?in=rx&out=tx&node=ipn:7.0", at.path().display());
    let mut link = open(&path, "dtn://a/").await.unwrap();
    assert_eq!(opened(&mut link).await.as_deref(), Some("ipn:7.0"));
    for transfer in 0..3 {
        send(&link, transfer, &bundle(10)).await;
        assert_eq!(next(&mut link).await, Event::Left(transfer));
    }
    assert_eq!((files(at.path()), files(&at.path().join("tx")).len()), (vec!["rx".into(), "tx".into()], 1));
}

#[tokio::test]
async fn a_bundle_without_room_is_refused_and_one_that_is_abandoned_leaves_nothing() {
    let at = tempfile::tempdir().unwrap();
    fs::create_dir(at.path().join("tx")).unwrap();
    fs::write(at.path().join("tx/.syncthing.packmule-9.tmp"), b"of an agent that was killed").unwrap();
    let path = format!("{}?in=rx&out=tx", at.path().display());
    let mut link = open(&path, "dtn://a/").await.unwrap();
    opened(&mut link).await;
    link.outgoing.send(Outgoing::Begin { transfer: 0, length: u64::MAX }).await.unwrap();
    let reason = RefusalReason::NoResources;
    assert_eq!(next(&mut link).await, Event::Refused { transfer: 0, reason });
    link.outgoing.send(Outgoing::Octets(bundle(10))).await.unwrap();
    link.outgoing.send(Outgoing::Begin { transfer: 1, length: 100 }).await.unwrap();
    link.outgoing.send(Outgoing::Octets(bundle(10))).await.unwrap();
    link.outgoing.send(Outgoing::Abandon).await.unwrap();
    send(&link, 2, &bundle(10)).await;
    assert_eq!(next(&mut link).await, Event::Left(2));
    let names = files(&at.path().join("tx"));
    assert!(names.len() == 1 && names[0].ends_with(".bundle"), "{names:?}");
}

#[tokio::test]
async fn a_folder_that_goes_ends_the_contact() {
    let at = tempfile::tempdir().unwrap();
    let shared = at.path().join("shared");
    assert!(
        open(&shared.display().to_string(), "dtn://a/")
            .await
            .unwrap_err()
            .to_string()
            .contains("not be mounted")
    );
    fs::create_dir(&shared).unwrap();
    let (mut a, _b) = pair(&shared).await;
    fs::rename(&shared, at.path().join("away")).unwrap();
    let Event::Closed { reason } = next(&mut a).await else { panic!("the contact goes on") };
    assert!(reason.contains("cannot be used any more"), "{reason}");
}

#[tokio::test]
async fn of_several_nodes_that_share_a_folder_one_is_named() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path().display().to_string();
    for name in ["to-b", "to-ipn-7.0"] {
        fs::create_dir(at.path().join(name)).unwrap();
    }
    let error = open(&path, "dtn://a/").await.unwrap_err().to_string();
    assert!(error.contains("add ?to=NAME for each"), "{error}");
    let mut link = open(&format!("{path}?to=ipn-7.0"), "dtn://a/").await.unwrap();
    assert_eq!(opened(&mut link).await.as_deref(), Some("ipn:7.0"));
    let error = open(&format!("{path}?to=a"), "dtn://a/").await.unwrap_err().to_string();
    assert!(error.contains("names this node itself"), "{error}");
}
