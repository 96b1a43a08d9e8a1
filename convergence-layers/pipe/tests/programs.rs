//! Real programs: two that pass octets on, the example of the documentation, and some that misbehave.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use convergence_layer::{CloseReason, Control, Event, Link, Outgoing, TransferId};
use pipe::session::Local;
use pipe::{Unreachable, connect};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn start(command: &str, node_id: &str) -> Result<Link, Unreachable> {
    let local = Local { node_id: node_id.to_owned(), transfer_mru: 1 << 20 };
    tokio::time::timeout(PATIENCE, connect(command, &local)).await.unwrap()
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

async fn send(link: &Link, transfer: TransferId, octets: &Bytes) {
    let length = octets.len() as u64;
    link.outgoing.send(Outgoing::Begin { transfer, length }).await.unwrap();
    link.outgoing.send(Outgoing::Octets(octets.clone())).await.unwrap();
}

/// The next bundle that comes, and its number.
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

async fn closed(link: &mut Link) -> String {
    loop {
        if let Event::Closed { reason } = next(link).await {
            return reason;
        }
    }
}

/// Waits until a process is no more. It is not our child, so that its end cannot be awaited, only looked for.
async fn is_gone(pid_file: &Path) {
    let gone = async {
        loop {
            let text = std::fs::read_to_string(pid_file).unwrap_or_default();
            // One that was killed by a process other than its parent may remain as a zombie: it does nothing any more.
            if let Ok(pid) = text.trim().parse::<u32>()
                && !std::fs::read_to_string(format!("/proc/{pid}/stat"))
                    .is_ok_and(|stat| !stat.contains(") Z "))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the program still runs");
}

#[tokio::test]
async fn programs_that_pass_octets_on_join_two_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let [there, back] = ["there", "back"].map(|name| folder.path().join(name));
    for fifo in [&there, &back] {
        assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    }
    let cats =
        |from: &PathBuf, to: &PathBuf| format!("cat '{}' & exec cat > '{}'", from.display(), to.display());
    let (at_a, at_b) = (cats(&back, &there), cats(&there, &back));
    let (a, b) = tokio::join!(start(&at_a, "dtn://a/"), start(&at_b, "dtn://b/"));
    let (mut a, mut b) = (a.unwrap(), b.unwrap());
    assert_eq!(opened(&mut a).await.as_deref(), Some("dtn://b/"));
    assert_eq!(opened(&mut b).await.as_deref(), Some("dtn://a/"));
    let large = Bytes::from(vec![5; 900_000]);
    send(&a, 0, &large).await;
    let (transfer, octets) = receive(&mut b).await;
    assert!(octets == large);
    b.control.send(Control::Accept(transfer)).unwrap();
    assert_eq!(next(&mut a).await, Event::Sent(0));
    a.control.send(Control::Close(CloseReason::Unknown)).unwrap();
    assert_eq!(closed(&mut a).await, "closed by this node");
    assert!(closed(&mut b).await.starts_with("the program ended"), "b's programs end as well");
}

#[tokio::test]
async fn the_example_carries_bundles_in_datagrams() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("skipped: python3 is not installed");
        return;
    }
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/radio.py");
    let sockets = [0, 1].map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    let [a, b] = sockets.map(|socket| socket.local_addr().unwrap());
    let command = |ours, theirs| format!("exec python3 '{}' {ours} {theirs}", example.display());
    let (mut a, mut b) =
        (start(&command(a, b), "dtn://a/").await.unwrap(), start(&command(b, a), "dtn://b/").await.unwrap());
    assert_eq!((opened(&mut a).await, opened(&mut b).await), (None, None));
    for (number, octets) in [1, 300, 50_000].into_iter().enumerate() {
        let (transfer, bundle) = (number as u64, Bytes::from(vec![9; octets]));
        for _ in 0..2 {
            send(&a, transfer, &bundle).await;
            assert_eq!(next(&mut a).await, Event::Left(transfer));
            assert!(receive(&mut b).await.1 == bundle);
            std::mem::swap(&mut a, &mut b);
        }
    }
    a.control.send(Control::Close(CloseReason::Unknown)).unwrap();
    assert_eq!(closed(&mut a).await, "closed by this node");
}

#[tokio::test]
async fn a_program_that_fails_says_why() {
    let error = start("echo 'no radio there' >&2; exit 3", "dtn://a/").await.unwrap_err();
    assert_eq!(error.to_string(), "the program ended with exit status: 3; it said: no radio there");
    let error = start("this-is-no-program-at-all", "dtn://a/").await.unwrap_err().to_string();
    assert!(error.contains("exit status: 127") && error.contains("this-is-no-program-at-all"), "{error}");
}

#[tokio::test]
async fn a_program_that_talks_nonsense_is_ended() {
    for command in ["exec cat /dev/zero", "exec yes"] {
        let error = start(command, "dtn://a/").await.unwrap_err().to_string();
        assert!(error.contains("is its standard output used for something else?"), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_does_not_end_is_killed_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    // A Hello of somebody who takes nothing, from a program that does not read.
    let hello = r"printf '\0\0\0\022\0\001\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'";
    let command = format!("{hello}; sleep 1000 & echo $! > '{}'; sleep 1000", file.display());
    let mut link = start(&command, "dtn://a/").await.unwrap();
    opened(&mut link).await;
    drop(link);
    is_gone(&file).await;
}

#[tokio::test]
async fn a_program_is_killed_when_nobody_waits_for_its_hello_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let command = format!("echo $$ > '{}'; exec sleep 1000", file.display());
    // The program says what it is before it could say anything to us.
    let started = async {
        while std::fs::read_to_string(&file).unwrap_or_default().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        link = start(&command, "dtn://a/") => panic!("{link:?}"),
        () = started => {}
    }
    is_gone(&file).await;
}
