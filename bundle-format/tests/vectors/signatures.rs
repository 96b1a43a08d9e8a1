//! Ed25519, bare and in COSE messages.

use bundle_format::{NodeKey, PublicKey};

use crate::{file, octets, text};

#[test]
fn the_signatures_of_rfc_8032_are_made() {
    let Some(vectors) = file("ed25519-rfc8032.json") else { return };
    for vector in vectors["vectors"].as_array().unwrap() {
        let field = |key: &str| octets(text(vector, key));
        let key = NodeKey::from_seed(field("secret_key")[..].try_into().unwrap());
        assert_eq!(key.public().as_bytes()[..], field("public_key"));
        assert_eq!(PublicKey::from_bytes(key.public().as_bytes()), Ok(key.public()));
        assert_eq!(key.sign(&field("message"))[..], field("signature"));
    }
}

#[test]
fn the_eddsa_signature_of_the_cose_examples_is_made() {
    let Some(vectors) = file("cose-sign1.json") else { return };
    let vectors = vectors["vectors"].as_array().unwrap().iter();
    let vector = vectors.clone().find(|vector| vector["title"] == "EdDSA-01: EdDSA - 25519 - sign0").unwrap();
    let key = &vector["input"]["sign0"]["key"];
    let node_key = NodeKey::from_seed(octets(text(key, "d_hex"))[..].try_into().unwrap());
    assert_eq!(node_key.public().as_bytes()[..], octets(text(key, "x_hex")));
    let signature = node_key.sign(&octets(text(&vector["intermediates"], "ToBeSign_hex")));
    assert!(octets(text(&vector["output"], "cbor")).ends_with(&signature));
}
