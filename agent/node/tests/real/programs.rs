//! Local programs use a node, with its agent running and without.

use std::time::Duration;

use agent_node::{Call, Client, ClientError, Home, Imported, Part, Reply, Until};
use bundle_format::{Bundle, Eid, Limits, Profile};
use tokio::io::AsyncReadExt;

use crate::support::{self, Node, new_home, next, noise, order, receive, send, trust_each_other};

fn inbox(name: &str) -> Eid {
    Eid::dtn(name, "inbox").unwrap()
}

async fn without_agent(home: &Home) -> Client {
    let client = Client::open(home).await.unwrap();
    assert!(!client.is_agent());
    client
}

async fn listed(client: &mut Client) -> usize {
    match client.call(Call::List { after: None, limit: 100, all: false }).await.unwrap() {
        Reply::Bundles(bundles) => bundles.len(),
        other => panic!("{other:?}"),
    }
}

async fn exported(client: &mut Client, id: bundle_format::BundleId) -> Vec<u8> {
    client.read(id, Part::Bundle).await.unwrap().collect(1 << 30).await.unwrap()
}

async fn trust(client: &mut Client, home: &Home) {
    let call = Call::TrustAdd { node: home.node().clone(), key: home.key().public(), replace: false };
    client.call(call).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_used_without_an_agent_and_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let home = new_home(folder.path(), "a", "");
    let mut client = without_agent(&home).await;
    let sent = send(&mut client, "dtn://b/inbox", b"for later").await;
    client.close().await.unwrap();
    let mut client = without_agent(&home).await;
    let prefix = sent.id.to_string()[..8].to_owned();
    match client.call(Call::Show { id: prefix.clone() }).await.unwrap() {
        Reply::Bundle(report) => {
            assert_eq!(report.summary.id, sent.id);
            assert_eq!(report.summary.payload_octets, 9);
            assert_eq!(report.summary.signer, Some(home.key().public()));
            assert!(report.held_by.is_empty() && !report.delivered);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        client.call(Call::Remove { id: prefix.clone() }).await.unwrap(),
        Reply::Done { changed: true }
    );
    assert!(matches!(client.call(Call::Show { id: prefix }).await, Err(ClientError::NotFound)));
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_waits_for_a_verb_that_is_about_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let home = new_home(folder.path(), "a", "");
    let first = without_agent(&home).await;
    let waiting = home.clone();
    let second = tokio::spawn(async move { Client::open(&waiting).await });
    first.close().await.unwrap();
    second.await.unwrap().unwrap().close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_waits_for_a_verb_that_is_about_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let home = new_home(folder.path(), "a", "");
    let verb = without_agent(&home).await;
    let options =
        agent_node::RunOptions { listen: vec![support::loopback()], discovery: agent_node::Discovery::Off };
    let (ready, started) = tokio::sync::oneshot::channel();
    let say = move |urls: &[String]| ready.send(urls.to_vec()).unwrap();
    let stop = async { assert_eq!(started.await.unwrap().len(), 1) };
    let agent = tokio::spawn(agent_node::run(home, options, say, stop));
    verb.close().await.unwrap();
    agent.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_agent_on_a_home_names_the_first() {
    let a = Node::start("a").await;
    let options =
        agent_node::RunOptions { listen: vec![support::loopback()], discovery: agent_node::Discovery::Off };
    let error = agent_node::run(a.home.clone(), options, |_| {}, std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named() {
    let a = Node::start("a").await;
    let folder = tempfile::tempdir().unwrap();
    let home = new_home(folder.path(), "b", "");
    let listen = vec![a.url().parse().unwrap()];
    let options = agent_node::RunOptions { listen, discovery: agent_node::Discovery::Off };
    let error = agent_node::run(home.clone(), options, |_| {}, std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains(&a.url()), "{error}");
    // Nothing of the failed start is in the way.
    without_agent(&home).await.close().await.unwrap();
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_travels_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let home_a = new_home(&folder.path().join("a"), "a", "");
    let home_b = new_home(&folder.path().join("b"), "b", "");
    let (mut at_a, mut at_b) = (without_agent(&home_a).await, without_agent(&home_b).await);
    for body in [noise(10), noise(3 << 20)] {
        let sent = send(&mut at_a, "dtn://b/inbox", &body).await;
        let octets = exported(&mut at_a, sent.id).await;
        let refused = at_b.import(&octets[..], None, (0, "")).await.unwrap();
        if body.len() == 10 {
            assert!(matches!(&refused, Imported::Refused { kind, .. } if kind == "stranger"), "{refused:?}");
            trust(&mut at_b, &home_a).await;
            assert_eq!(
                at_b.import(&octets[..], None, (0, "")).await.unwrap(),
                Imported::Taken { id: sent.id }
            );
        } else {
            assert_eq!(refused, Imported::Taken { id: sent.id });
        }
        assert_eq!(at_b.import(&octets[..], None, (0, "")).await.unwrap(), Imported::Already { id: sent.id });
        let cut = at_b.import(&octets[..octets.len() - 1], None, (0, "")).await.unwrap();
        assert!(!matches!(cut, Imported::Taken { .. }), "{cut:?}");
        receive(&mut at_b, "dtn://b/inbox", &body).await;
    }
    let nonsense = at_b.import(&b"no bundle at all"[..], None, (0, "")).await.unwrap();
    assert!(matches!(nonsense, Imported::Malformed { .. }), "{nonsense:?}");
    at_a.close().await.unwrap();
    at_b.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_bundle_is_one_that_any_node_can_check() {
    let folder = tempfile::tempdir().unwrap();
    let home = new_home(folder.path(), "a", "");
    let mut client = without_agent(&home).await;
    let sent = send(&mut client, "dtn://b/inbox", b"check me").await;
    let octets = exported(&mut client, sent.id).await;
    let checked = Bundle::parse(octets.into(), &Limits::default()).unwrap().check(&Profile::default());
    assert_eq!((checked.id(), checked.signer()), (sent.id, Some(home.key().public())));
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_is_leased_to_one_program_at_a_time() {
    let a = Node::start("a").await;
    let mut client = a.client().await;
    let first = send(&mut client, "dtn://a/inbox", b"1").await.id;
    let second = send(&mut client, "dtn://a/inbox", b"2").await.id;
    let (mut one, mut two) = (a.client().await, a.client().await);
    assert_eq!(next(&mut one, "dtn://a/inbox").await.bundle.id, first);
    assert_eq!(next(&mut two, "dtn://a/inbox").await.bundle.id, second);
    let mut three = a.client().await;
    let endpoint = inbox("a");
    assert!(three.next(&endpoint, Some(Duration::ZERO)).await.unwrap().is_none());
    drop(one);
    // What was not consumed comes to whoever waits.
    let again = next(&mut three, "dtn://a/inbox").await;
    assert_eq!(again.bundle.id, first);
    three.consume(&again).await.unwrap();
    assert!(matches!(two.consume(&again).await, Err(ClientError::Usage(_))));
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_waits_gets_a_bundle_when_it_comes() {
    let a = Node::start("a").await;
    let mut waiting = a.client().await;
    let waits = tokio::spawn(async move { next(&mut waiting, "dtn://a/inbox").await.bundle.id });
    let sent = send(&mut a.client().await, "dtn://a/inbox", b"now").await;
    assert_eq!(waits.await.unwrap(), sent.id);
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_read_to_its_end_does_not_disturb_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = without_agent(&new_home(folder.path(), "a", "")).await;
    let body = noise(2 << 20);
    let sent = send(&mut client, "dtn://a/inbox", &body).await;
    client.read(sent.id, Part::Payload).await.unwrap().next_piece().await.unwrap().unwrap();
    assert_eq!(listed(&mut client).await, 1);
    receive(&mut client, "dtn://a/inbox", &body).await;
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_cannot_be_read_to_its_end_leaves_nothing() {
    struct Failing;
    impl tokio::io::AsyncRead for Failing {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Err(std::io::Error::other("the disk is gone")))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut client = without_agent(&new_home(folder.path(), "a", "")).await;
    for octets in [10, 3 << 20] {
        let body = noise(octets);
        let failing = (&body[..]).chain(Failing);
        let error = client.send(&order("dtn://b/inbox", "x"), failing, None, &mut |_| {}).await.unwrap_err();
        assert!(matches!(error, ClientError::Body(_)), "{error}");
        let error = client
            .send(&order("dtn://b/inbox", "x"), &body[..], Some(octets as u64 + 1), &mut |_| {})
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Usage(_)), "{error}");
    }
    assert_eq!(listed(&mut client).await, 0);
    match client.call(Call::Check { repair: false }).await.unwrap() {
        Reply::Checked { findings, .. } => assert!(findings.is_empty(), "{findings:?}"),
        other => panic!("{other:?}"),
    }
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_that_make_no_sense_are_answered_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = without_agent(&new_home(folder.path(), "a", "")).await;
    let group: Eid = "dtn://all/~g".parse().unwrap();
    for call in [
        Call::PeerAdd { url: "hub:4556".to_owned() },
        Call::PeerAdd { url: "tcp://hub:0".to_owned() },
        Call::Subscribe { group: inbox("a") },
        Call::TrustAdd { node: inbox("a"), key: support::key(1), replace: false },
        Call::TrustAdd { node: group.clone(), key: support::key(1), replace: false },
        Call::Show { id: "abc".to_owned() },
        Call::Show { id: "not-an-id-at-all".to_owned() },
    ] {
        let answer = client.call(call.clone()).await;
        assert!(matches!(answer, Err(ClientError::Usage(_))), "{call:?}: {answer:?}");
    }
    assert!(matches!(client.next(&inbox("b"), None).await, Err(ClientError::Usage(_))));
    assert!(matches!(client.next(&group, None).await, Err(ClientError::Usage(_))));
    assert!(matches!(
        client.call(Call::Show { id: "aaaaaaaa".to_owned() }).await,
        Err(ClientError::NotFound)
    ));
    let nowhere = client.send(&order("dtn:none", "x"), &b""[..], None, &mut |_| {}).await;
    assert!(
        matches!(&nowhere, Err(ClientError::Refused { kind, .. }) if kind == "to_nowhere"),
        "{nowhere:?}"
    );
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_key_for_a_name_needs_to_be_meant() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = without_agent(&new_home(folder.path(), "a", "")).await;
    let node: Eid = "dtn://b/".parse().unwrap();
    let add = |key, replace| Call::TrustAdd { node: node.clone(), key, replace };
    let (one, two) = (support::key(1), support::key(2));
    assert_eq!(client.call(add(one, false)).await.unwrap(), Reply::Done { changed: true });
    assert_eq!(client.call(add(one, false)).await.unwrap(), Reply::Done { changed: false });
    assert_eq!(client.call(add(two, false)).await.unwrap(), Reply::OtherKey { trusted: one });
    assert_eq!(client.call(add(two, true)).await.unwrap(), Reply::Done { changed: true });
    match client.call(Call::TrustList).await.unwrap() {
        Reply::Trust(entries) => assert_eq!((entries.len(), entries[0].key), (1, two)),
        other => panic!("{other:?}"),
    }
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inventory_is_a_signed_list_of_everything_held() {
    let folder = tempfile::tempdir().unwrap();
    let home = new_home(folder.path(), "a", "");
    let mut client = without_agent(&home).await;
    let mut ids = Vec::new();
    for body in [b"1", b"2", b"3"] {
        ids.push(send(&mut client, "dtn://b/inbox", body).await.id);
    }
    ids.sort();
    let octets = client.inventory().await.unwrap().collect(1 << 20).await.unwrap();
    let checked = Bundle::parse(octets.into(), &Limits::default()).unwrap().check(&Profile::default());
    assert_eq!(checked.signer(), Some(home.key().public()));
    let listed: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
    assert_eq!(checked.payload().unwrap()[..], listed[..]);
    let unknown = bundle_format::BundleId::from_bytes([0; 16]);
    let lacking = client.call(Call::Lacking { ids: vec![ids[0], unknown] }).await.unwrap();
    assert_eq!(lacking, Reply::Ids(vec![unknown]));
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_what_does_not_happen_ends_with_its_time() {
    let (a, b) = (Node::start("a").await, Node::start("b").await);
    trust_each_other(&[&a, &b]).await;
    let mut client = a.client().await;
    let sent = send(&mut client, "dtn://b/inbox", b"alone").await;
    assert!(client.wait(sent.id, Until::Carried, Some(Duration::ZERO)).await.unwrap().is_none());
    let nothing = bundle_format::BundleId::from_bytes([0; 16]);
    assert!(matches!(client.wait(nothing, Until::Carried, None).await, Err(ClientError::NotFound)));
    a.stop().await;
    b.stop().await;
}
