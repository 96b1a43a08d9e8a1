//! Keys and their text.

use bundle_format::{KeyError, NodeKey, PublicKey};

#[test]
fn a_key_survives_its_text() {
    let key = NodeKey::from_seed([7; 32]);
    let text = key.public().to_string();
    assert_eq!(text, "ed25519:5jfgyy7ctrjavpxvkb5rglwf7gkuo5vox27hxescd3vgsfcg2iwlxndw");
    assert_eq!(text.len(), "ed25519:".len() + 56);
    assert_eq!(text.parse(), Ok(key.public()));
    assert_eq!(text.to_uppercase().replace("ED25519", "ed25519").parse(), Ok(key.public()));
    assert_eq!(NodeKey::from_seed(key.seed()).public(), key.public());
}

#[test]
fn a_typing_error_is_told_from_something_that_is_no_key() {
    let text = NodeKey::from_seed([7; 32]).public().to_string();
    for at in "ed25519:".len()..text.len() {
        let mut wrong = text.clone().into_bytes();
        wrong[at] = if wrong[at] == b'a' { b'b' } else { b'a' };
        let wrong = String::from_utf8(wrong).unwrap();
        assert_eq!(wrong.parse::<PublicKey>(), Err(KeyError::Mistyped), "{wrong}");
    }
    let without_prefix = text.trim_start_matches("ed25519:");
    for no_key in [
        "",
        "ed25519:",
        without_prefix,
        &text[..text.len() - 1],
        &format!("{text}a"),
        &text.replace('a', "1"),
    ] {
        assert_eq!(no_key.parse::<PublicKey>(), Err(KeyError::Text), "{no_key}");
    }
}

#[test]
fn secret_keys_do_not_show_themselves() {
    let shown = format!("{:?}", NodeKey::from_seed([0xab; 32]));
    assert!(shown.contains("ed25519:") && !shown.contains("abab") && !shown.contains("171"));
}
