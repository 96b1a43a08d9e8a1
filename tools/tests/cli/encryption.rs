//! Links that are encrypted, and what `status` says of those that are not, or of whoever is not who it says.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Node;

/// Asks for the node's status until that is so.
fn status_until(node: &Node, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let status = node.json(["status"]).remove(0);
        if is_so(&status) {
            return status;
        }
        assert!(Instant::now() < patience, "{what}: {status}");
    }
}

fn is_met(status: &Value) -> bool {
    status["contacts"].as_array().unwrap().iter().any(|contact| contact["authenticated"] == true)
}

#[test]
fn links_are_encrypted_unless_the_peers_address_says_otherwise() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    a.befriend(&b);
    let (_at_a, at_b) = (a.start(), b.start());
    for (settings, security) in [("", Value::from("TLS 1.3")), ("?tls=off", Value::Null)] {
        let url = format!("{}{settings}", at_b.url);
        a.ok(["peer", "add", &url]);
        let status = status_until(&a, "b is met", is_met);
        assert_eq!(status["contacts"][0]["security"], security, "{url}");
        a.ok(["peer", "rm", &url]);
        status_until(&a, "the contact is over", |status| !is_met(status));
    }
}

#[test]
fn who_claims_the_name_of_a_trusted_node_is_named_with_what_to_do() {
    let (a, b, impostor) = (Node::new("a"), Node::new("b"), Node::new("b"));
    a.befriend(&b);
    let (_at_a, at_impostor) = (a.start(), impostor.start());
    a.ok(["peer", "add", &at_impostor.url]);
    let error = |status: &Value| status["peers"][0]["last_error"].as_str().map(str::to_owned);
    let status = status_until(&a, "the impostor is named", |status| {
        error(status).is_some_and(|text| text.contains("calls itself dtn://b/"))
    });
    assert!(error(&status).unwrap().contains("trust add --replace"), "{status}");
    assert!(a.ok(["status"]).contains("does not have the key that is trusted"));
    // It was made anew, and its owner says so.
    a.ok(["trust", "add", "--replace", &impostor.line()]);
    impostor.ok(["trust", "add", &a.line()]);
    status_until(&a, "it is met", is_met);
}
