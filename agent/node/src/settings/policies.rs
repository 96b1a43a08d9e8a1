//! `[[policy]]` in `config.toml`: who gets bundles for some destinations. Read by `file`; what it means says
//! `agent_core::routing`.

use agent_core::routing::{Forward, Policies, Policy};
use serde::Deserialize;
use toml::Spanned;

use super::file::{At, Text, eid, node_id, one_of, value};

pub(super) const KEYS: &[&str] = &["destination", "forward", "via"];

#[derive(Debug, Deserialize)]
pub(super) struct RawPolicy {
    destination: Text,
    forward: Text,
    via: Option<Spanned<Vec<Text>>>,
}

/// The policies in the order of the file, which is the order in which they count.
pub(super) fn read_policies(raw: &[RawPolicy]) -> At<Policies> {
    raw.iter().map(policy).collect::<At<_>>().map(Policies::new)
}

fn policy(raw: &RawPolicy) -> At<Policy> {
    let text = raw.destination.get_ref();
    let destination = text.parse().map_err(|error| {
        let allowed = format!(
            "an endpoint ID, the beginning of some and *, such as \"dtn://hub/*\", or \"*\" ({error})"
        );
        value("destination", (&raw.destination, text), &allowed)
    })?;
    let ways = [Forward::Replicate, Forward::Direct, Forward::Via].map(|way| (way.to_string(), way));
    let names: Vec<(&str, Forward)> = ways.iter().map(|(name, way)| (name.as_str(), *way)).collect();
    let forward = one_of("forward", &raw.forward, &names)?;
    let texts = raw.via.as_ref().map(|via| via.get_ref().as_slice()).unwrap_or_default();
    let node = |text: &Text| eid("via", text).and_then(|eid| node_id("via", text, eid));
    let via: Vec<_> = texts.iter().map(node).collect::<At<_>>()?;
    match (forward, &raw.via) {
        (Forward::Via, _) if via.is_empty() => {
            let allowed = "\"replicate\" or \"direct\" where there is no via = [\"dtn://...\"]";
            Err(value("forward", (&raw.forward, raw.forward.get_ref()), allowed))
        }
        (Forward::Direct, Some(via)) => {
            let allowed = "left out where forward = \"direct\": only the destination gets the bundles then";
            Err(value("via", (via, "[...]"), allowed))
        }
        _ => Ok(Policy { destination, forward, via }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::file::read;
    use super::*;

    fn policies(text: &str) -> Result<Policies, String> {
        let text = format!("node = \"dtn://a/\"\n{text}");
        read(Path::new("config.toml"), &text)
            .map(|settings| settings.policies)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn policies_are_read_in_their_order() {
        let text = r#"
[[policy]]
destination = "dtn://hub/photos/*"
forward = "replicate"
[[policy]]
destination = "dtn://hub/*"
forward = "direct"
[[policy]]
destination = "ipn:9.*"
forward = "via"
via = ["dtn://gateway/", "ipn:7.0"]
"#;
        let policies = policies(text).unwrap();
        let forward = |destination: &str| {
            policies.of(&destination.parse().unwrap()).map(|policy| (policy.forward, policy.via.len()))
        };
        assert_eq!(forward("dtn://hub/photos/1"), Some((Forward::Replicate, 0)));
        assert_eq!(forward("dtn://hub/inbox"), Some((Forward::Direct, 0)));
        assert_eq!(forward("ipn:9.4"), Some((Forward::Via, 2)));
        assert_eq!(forward("dtn://other/inbox"), None);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line() {
        for (entry, line, part) in [
            (
                "destination = \"hub\"\nforward = \"direct\"",
                3,
                "destination = \"hub\" is not allowed: it must be an endpoint ID",
            ),
            ("destination = \"dtn://*/x\"\nforward = \"direct\"", 3, "at the end"),
            (
                "destination = \"dtn://hub/*\"\nforward = \"flood\"",
                4,
                "one of \"replicate\", \"direct\", \"via\"",
            ),
            ("destination = \"dtn://hub/*\"\nforward = \"via\"", 4, "where there is no via"),
            ("destination = \"dtn://hub/*\"\nforward = \"via\"\nvia = []", 4, "where there is no via"),
            ("destination = \"dtn://hub/*\"\nforward = \"via\"\nvia = [\"dtn://x/inbox\"]", 5, "a node ID"),
            ("destination = \"dtn://hub/*\"\nforward = \"direct\"\nvia = [\"dtn://x/\"]", 5, "left out"),
            ("destination = \"dtn://hub/*\"\nforwards = \"via\"", 4, "did you mean 'forward'"),
        ] {
            let error = policies(&format!("[[policy]]\n{entry}\n")).unwrap_err();
            assert!(error.contains(part) && error.contains(&format!("line {line}:")), "{entry}: {error}");
        }
        assert!(policies("[[policy]]\ndestination = \"*\"\n").unwrap_err().contains("forward"));
    }
}
