//! Sessions through TLS over real sockets: who gets one, who does not, and what is told of it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod authority;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use convergence_layer::{CloseReason, Control, Event, Link, Outgoing};
use ed25519_dalek::SigningKey;
use tcpcl::tls::{Security, Tls, TrustedKeys, certificate_of};
use tcpcl::{Listener, Options, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, SubjectAltName};

const A: &str = "dtn://a/";
const B: &str = "ipn:7.0";

fn key_of(seed: u8) -> [u8; 32] {
    SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes()
}

/// A node's TLS with the key of that seed, which trusts those keys.
fn tls(node_id: &str, seed: u8, trusted: &[(&'static str, u8)]) -> Arc<Tls> {
    let trusted = trusted.to_vec();
    let look_up = move |asked: &str| {
        trusted.iter().find(|(node_id, _)| *node_id == asked).map(|(_, seed)| key_of(*seed))
    };
    Arc::new(Tls::of_node(node_id, &[seed; 32], TrustedKeys::new(look_up)).unwrap())
}

fn options(node_id: &str, security: Security) -> Options {
    Options { security, ..Options::new(node_id) }
}

/// What each side hears first, with its link.
async fn meet(active: Options, passive: Options) -> ((Link, Event), (Link, Event)) {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Arc::new(passive)).await.unwrap();
    let address = listener.local_address().unwrap();
    let (active, passive) = tokio::join!(connect(address, Arc::new(active)), listener.accept());
    let (mut active, (mut passive, _)) = (active.unwrap(), passive.unwrap());
    let (first, second) = tokio::join!(active.events.recv(), passive.events.recv());
    ((active, first.unwrap()), (passive, second.unwrap()))
}

fn node_id(event: &Event) -> &str {
    match event {
        Event::Opened { node_id: Some(node_id), .. } => node_id,
        other => panic!("not opened: {other:?}"),
    }
}

fn reason(event: &Event) -> &str {
    match event {
        Event::Closed { reason } => reason,
        other => panic!("not closed: {other:?}"),
    }
}

#[tokio::test]
async fn nodes_that_trust_each_other_talk_through_tls_in_both_directions() {
    let a = options(A, Security::Offered(tls(A, 1, &[(B, 2)])));
    let b = options(B, Security::Offered(tls(B, 2, &[(A, 1)])));
    let ((mut active, to_a), (mut passive, to_b)) = meet(a, b).await;
    assert_eq!((node_id(&to_a), node_id(&to_b)), (B, A));
    assert_eq!(active.gauge.reading().security, Some("TLS 1.3"));
    let bundle: Bytes = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let (left, right) = tokio::join!(
        carry(&active.outgoing, &mut passive.events, &bundle),
        carry(&passive.outgoing, &mut active.events, &bundle)
    );
    assert!(left == bundle && right == bundle);
    passive.control.send(Control::Accept(1)).unwrap();
    active.control.send(Control::Accept(1)).unwrap();
    assert_eq!(active.events.recv().await, Some(Event::Sent(1)));
    assert_eq!(passive.events.recv().await, Some(Event::Sent(1)));
    // What is counted is what is on the wire: records have heads.
    assert!(active.gauge.reading().octets_out > 3_002_000);
    active.control.send(Control::Close(CloseReason::Unknown)).unwrap();
    assert_eq!(reason(&passive.events.recv().await.unwrap()), "ended by the neighbor: no reason given");
    assert_eq!(reason(&active.events.recv().await.unwrap()), "ended by us: no reason given");
}

async fn carry(
    outgoing: &tokio::sync::mpsc::Sender<Outgoing>,
    events: &mut tokio::sync::mpsc::Receiver<Event>,
    bundle: &Bytes,
) -> Vec<u8> {
    let send = async {
        let length = bundle.len() as u64;
        outgoing.send(Outgoing::Begin { transfer: 1, length }).await.unwrap();
        for at in (0..bundle.len()).step_by(100_000) {
            let piece = bundle.slice(at..bundle.len().min(at + 100_000));
            outgoing.send(Outgoing::Octets(piece)).await.unwrap();
        }
    };
    let receive = async {
        let mut received = Vec::new();
        loop {
            match events.recv().await.unwrap() {
                Event::Octets(octets) => received.extend_from_slice(&octets),
                Event::Received => return received,
                _ => {}
            }
        }
    };
    tokio::join!(send, receive).1
}

#[tokio::test]
async fn a_node_that_nobody_knows_gets_its_session() {
    let a = options(A, Security::Required(tls(A, 1, &[])));
    let b = options(B, Security::Required(tls(B, 2, &[])));
    let ((_, to_a), (_, to_b)) = meet(a, b).await;
    assert_eq!((node_id(&to_a), node_id(&to_b)), (B, A));
}

#[tokio::test]
async fn a_key_that_is_not_the_trusted_one_is_refused_on_either_side() {
    let honest = || options(A, Security::Offered(tls(A, 1, &[(B, 2)])));
    let impostor = || options(B, Security::Offered(tls(B, 3, &[])));
    let refusal =
        "the neighbor calls itself ipn:7.0, and does not have the key that is trusted for that node";
    let ((_, to_honest), (_, to_impostor)) = meet(honest(), impostor()).await;
    assert!(reason(&to_honest).starts_with(refusal), "{}", reason(&to_honest));
    // The passive side answered with its SESS_INIT before it was judged.
    assert_eq!(node_id(&to_impostor), A);
    let ((_, to_impostor), (_, to_honest)) = meet(impostor(), honest()).await;
    assert!(reason(&to_honest).starts_with(refusal), "{}", reason(&to_honest));
    assert_eq!(node_id(&to_impostor), A);
}

#[tokio::test]
async fn a_node_id_that_is_not_that_of_the_certificate_is_refused() {
    let a = options(A, Security::Offered(tls(A, 1, &[])));
    let b = options("dtn://c/", Security::Offered(tls(B, 2, &[])));
    let ((_, to_a), _) = meet(a, b).await;
    assert_eq!(reason(&to_a), "the neighbor calls itself dtn://c/, and its certificate is that of ipn:7.0");
}

#[tokio::test]
async fn a_neighbor_without_tls_is_taken_where_it_may_be_and_refused_where_not() {
    let ((active, to_a), _) =
        meet(options(A, Security::Offered(tls(A, 1, &[]))), options(B, Security::Off)).await;
    assert_eq!(node_id(&to_a), B);
    assert_eq!(active.gauge.reading().security, None);
    let required = || options(A, Security::Required(tls(A, 1, &[])));
    let refusal = "the neighbor does not offer TLS, which is required here";
    let ((_, to_a), (_, to_b)) = meet(required(), options(B, Security::Off)).await;
    assert!(reason(&to_a).starts_with(refusal), "{}", reason(&to_a));
    assert_eq!(reason(&to_b), "ended by the neighbor: contact failure");
    let ((_, to_b), (_, to_a)) = meet(options(B, Security::Off), required()).await;
    assert!(reason(&to_a).starts_with(refusal), "{}", reason(&to_a));
    assert_eq!(reason(&to_b), "ended by the neighbor: contact failure");
}

/// Stands between two nodes and takes the offer of TLS out of both contact headers.
async fn strip(from: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut caller, _) = listener.accept().await.unwrap();
        let mut called = TcpStream::connect(from).await.unwrap();
        let mut header = [0; 6];
        caller.read_exact(&mut header).await.unwrap();
        header[5] &= !1;
        called.write_all(&header).await.unwrap();
        called.read_exact(&mut header).await.unwrap();
        header[5] &= !1;
        caller.write_all(&header).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut caller, &mut called).await;
    });
    address
}

#[tokio::test]
async fn who_takes_the_offer_out_on_the_way_gains_nothing_where_tls_is_required() {
    let b = options(B, Security::Offered(tls(B, 2, &[])));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Arc::new(b)).await.unwrap();
    let middle = strip(listener.local_address().unwrap()).await;
    let a = options(A, Security::Required(tls(A, 1, &[])));
    let (active, passive) = tokio::join!(connect(middle, Arc::new(a)), listener.accept());
    let (mut active, (mut passive, _)) = (active.unwrap(), passive.unwrap());
    let refusal = "the neighbor does not offer TLS, which is required here";
    assert!(reason(&active.events.recv().await.unwrap()).starts_with(refusal));
    assert_eq!(reason(&passive.events.recv().await.unwrap()), "ended by the neighbor: contact failure");
}

/// A caller of a node that can do TLS, after the contact headers.
async fn caller() -> (TcpStream, Link) {
    let us = options(A, Security::Offered(tls(A, 1, &[])));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Arc::new(us)).await.unwrap();
    let (stream, accepted) =
        tokio::join!(TcpStream::connect(listener.local_address().unwrap()), listener.accept());
    let (mut stream, (link, _)) = (stream.unwrap(), accepted.unwrap());
    stream.write_all(b"dtn!\x04\x01").await.unwrap();
    let mut header = [0; 6];
    stream.read_exact(&mut header).await.unwrap();
    assert_eq!(&header, b"dtn!\x04\x01");
    (stream, link)
}

#[tokio::test]
async fn a_caller_that_stalls_in_the_handshake_is_cut_off_without_a_word() {
    let (mut stream, mut link) = caller().await;
    // A record that never comes to its end.
    stream.write_all(&[0x16, 3, 1, 0x3f, 0xff, 1]).await.unwrap();
    tokio::time::pause();
    let closed = link.events.recv().await.unwrap();
    assert_eq!(reason(&closed), "the neighbor did not complete the TLS handshake in time");
    tokio::time::resume();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    // At most TLS's own closure alert, and nothing of TCPCL.
    assert!(rest.is_empty() || rest[0] == 0x15, "{rest:?}");
}

#[tokio::test]
async fn what_is_no_handshake_ends_the_contact() {
    for nonsense in [&b"\x07\x00\x1e and no TLS at all"[..], &[0x16; 9000]] {
        let (mut stream, mut link) = caller().await;
        stream.write_all(nonsense).await.unwrap();
        let closed = link.events.recv().await.unwrap();
        assert!(reason(&closed).starts_with("the TLS handshake failed: "), "{closed:?}");
    }
}

#[tokio::test]
async fn a_link_that_is_dropped_in_the_handshake_is_closed_soon() {
    let (mut stream, link) = caller().await;
    drop(link);
    let mut rest = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest));
    end.await.expect("closed").unwrap();
}

#[test]
fn a_nodes_certificate_says_what_rfc_9174_wants_of_it() {
    let der = certificate_of(B, &[2; 32]).unwrap();
    assert_eq!(der, certificate_of(B, &[2; 32]).unwrap(), "the same at each start");
    let certificate = Certificate::from_der(&der).unwrap();
    let tbs = certificate.tbs_certificate();
    assert_eq!(tbs.version(), x509_cert::certificate::Version::V3);
    assert!(tbs.subject().is_empty());
    assert_eq!(tbs.subject_public_key_info().subject_public_key.as_bytes().unwrap(), key_of(2));
    let (is_critical, _) = tbs.get_extension::<SubjectAltName>().unwrap().unwrap();
    assert!(is_critical, "the subject is empty");
    let name =
        [&[0xa0, 0x15, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 8, 11, 0xa0, 0x09, 0x16, 0x07][..], B.as_bytes()]
            .concat();
    assert!(der.windows(name.len()).any(|octets| octets == name), "the NODE-ID, octet by octet");
    let (is_critical, usage) = tbs.get_extension::<KeyUsage>().unwrap().unwrap();
    assert!(is_critical && usage.digital_signature() && !usage.key_cert_sign());
    let (_, purposes) = tbs.get_extension::<ExtendedKeyUsage>().unwrap().unwrap();
    assert!(purposes.0.iter().any(|purpose| purpose.to_string() == "1.3.6.1.5.5.7.3.35"));
    let year = |time: &x509_cert::time::Time| time.to_date_time().year();
    assert_eq!((year(&tbs.validity().not_before), year(&tbs.validity().not_after)), (1970, 9999));
    // Made by one library, read by another: a third one checks the signature.
    let message = tbs.to_der().unwrap();
    let signature: [u8; 64] = certificate.signature().as_bytes().unwrap().try_into().unwrap();
    let key = SigningKey::from_bytes(&[2; 32]).verifying_key();
    key.verify_strict(&message, &signature.into()).unwrap();
}

#[test]
fn a_node_id_that_no_certificate_can_carry_is_named() {
    let error = certificate_of("dtn://böse/", &[2; 32]).unwrap_err();
    assert!(error.to_string().contains("dtn://böse/"), "{error}");
}
