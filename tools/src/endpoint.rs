//! Nodes and endpoints as people type them: `clinic-3` where an EID is meant, `/inbox` where no endpoint is named.

use agent_node::{Client, inbox_of};
use bundle_format::{Eid, EidError};

use crate::failure::{Failure, Kind};
use crate::printable::printable;

/// A node ID: `clinic-3`, `dtn://clinic-3/`, `dtn://clinic-3` or `ipn:7.0`.
pub(crate) fn node(text: &str) -> Result<Eid, Failure> {
    let hint = "write a node's name, such as clinic-3, or its node ID, such as dtn://clinic-3/ or ipn:7.0";
    let eid = if is_name(text) { Eid::dtn(text, "") } else { parsed(text) };
    match eid {
        Ok(eid) if eid.is_node_id() => Ok(eid),
        Ok(_) => Err(Failure::usage(format!("'{}' is not a node", printable(text))).hint(hint)),
        Err(error) => Err(Failure::usage(format!("'{}' is not a node: {error}", printable(text))).hint(hint)),
    }
}

/// Where a bundle goes: a node stands for its inbox, because its administrative endpoint takes no files.
pub(crate) fn destination(text: &str) -> Result<Eid, Failure> {
    let hint = "write a node's name, such as clinic-3, an endpoint, such as dtn://clinic-3/inbox or ipn:7.1, \
                or a group, such as dtn://all/~updates";
    let fault = |why: &str| Failure::usage(format!("'{}' {why}", printable(text))).hint(hint);
    let eid = if is_name(text) { Eid::dtn(text, "") } else { parsed(text) };
    match eid {
        Err(error) => Err(fault(&format!("is not an endpoint: {error}"))),
        Ok(Eid::Null) => Err(fault("has no members: nobody would ever get it")),
        Ok(eid) if eid.is_node_id() => inbox_of(&eid).ok_or_else(|| fault("has no inbox")),
        Ok(eid) => Ok(eid),
    }
}

/// Where a bundle is sent back from: a node stands for its echo endpoint.
pub(crate) fn echo(text: &str) -> Result<Eid, Failure> {
    let eid = match parsed(text) {
        Ok(eid) if !is_name(text) => eid,
        _ => node(text)?,
    };
    match eid.node_id() {
        Some(node) if node == eid => agent_core::echo::endpoint_of(&eid)
            .ok_or_else(|| Failure::usage(format!("'{}' has no echo endpoint", printable(text)))),
        Some(_) => Ok(eid),
        None => Err(Failure::usage(format!("'{}' is not one node", printable(text))).hint(
            "write a node's name, such as clinic-3, or its node ID, such as dtn://clinic-3/ or ipn:7.0",
        )),
    }
}

/// An endpoint of this node that nobody else uses, for answers that only one program waits for, and eight octets that only it
/// knows.
pub(crate) fn own_for_once(own_node: &Eid, purpose: &str) -> Result<(Eid, [u8; 8]), Failure> {
    let failed = |error: String| Failure::failed(format!("no endpoint for answers: {error}"));
    let mut token = [0; 8];
    getrandom::fill(&mut token).map_err(|error| failed(error.to_string()))?;
    let number = u64::from(getrandom::u32().map_err(|error| failed(error.to_string()))?);
    let demux = match own_node {
        // Far from the numbers that people give to services.
        Eid::Ipn { .. } => ((1 << 32) + number).to_string(),
        _ => format!("{purpose}-{number:08x}"),
    };
    Ok((own_node.with_demux(&demux).map_err(|error| failed(error.to_string()))?, token))
}

/// An error where no agent runs.
pub(crate) fn needs_agent(client: &Client, consequence: &str) -> Result<(), Failure> {
    if client.is_agent() {
        return Ok(());
    }
    Err(Failure::new(Kind::NoAgent, format!("no agent runs, so {consequence}; nothing was sent"))
        .hint("start 'packmule run'"))
}

/// An endpoint at which this node receives: `/photos` and nothing at all are its own.
pub(crate) fn own(text: Option<&str>, own_node: &Eid) -> Result<Eid, Failure> {
    let demux = match text.map(|text| (text, text.strip_prefix('/'))) {
        None => None,
        Some((_, Some(demux))) if !demux.is_empty() => Some(demux),
        Some((text, _)) => return destination(text),
    };
    let endpoint = match demux {
        None => inbox_of(own_node).ok_or(EidError::NoDemux),
        Some(demux) => own_node.with_demux(demux),
    };
    endpoint.map_err(|error| {
        let fault =
            format!("/{} is not an endpoint of {own_node}: {error}", printable(demux.unwrap_or_default()));
        let numbered = matches!(own_node, Eid::Ipn { .. });
        let hint =
            if numbered { "endpoints of this node have numbers, such as /2" } else { "write /photos, say" };
        Failure::usage(fault).hint(hint)
    })
}

/// A group: an endpoint of any number of nodes (RFC 9171 §4.2.5.1.1).
pub(crate) fn group(text: &str) -> Result<Eid, Failure> {
    match parsed(text) {
        Ok(eid @ Eid::Dtn(_)) if !eid.is_singleton() => Ok(eid),
        _ => Err(Failure::usage(format!("'{}' is not a group", printable(text)))
            .hint("a group's name has a tilde, as in dtn://all/~updates; endpoints of this node need no subscription")),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains([':', '/', '~'])
}

fn parsed(text: &str) -> Result<Eid, EidError> {
    // `dtn://hub` is what people write; RFC 9171 §4.2.5.1.1 wants the slash.
    let whole = match text.strip_prefix("dtn://") {
        Some(rest) if !rest.is_empty() && !rest.contains('/') => format!("{text}/"),
        _ => text.to_owned(),
    };
    whole.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_nodes_and_their_inboxes() {
        assert_eq!(node("clinic-3").unwrap().to_string(), "dtn://clinic-3/");
        assert_eq!(node("dtn://clinic-3").unwrap().to_string(), "dtn://clinic-3/");
        assert_eq!(node("ipn:7.0").unwrap().to_string(), "ipn:7.0");
        for text in ["clinic-3", "dtn://clinic-3", "dtn://clinic-3/", "dtn://clinic-3/inbox"] {
            assert_eq!(destination(text).unwrap().to_string(), "dtn://clinic-3/inbox", "{text}");
        }
        for text in ["ipn:7.0", "ipn:7.1"] {
            assert_eq!(destination(text).unwrap().to_string(), "ipn:7.1", "{text}");
        }
        assert_eq!(destination("ipn:7.9").unwrap().to_string(), "ipn:7.9");
        assert_eq!(destination("dtn://hub/photos").unwrap().to_string(), "dtn://hub/photos");
        assert_eq!(destination("dtn://all/~updates").unwrap().to_string(), "dtn://all/~updates");
    }

    #[test]
    fn a_node_stands_for_its_echo_endpoint() {
        for (text, written) in [
            ("clinic-3", "dtn://clinic-3/echo"),
            ("dtn://clinic-3/", "dtn://clinic-3/echo"),
            ("ipn:7.0", "ipn:7.128"),
            ("ipn:7.7", "ipn:7.7"),
        ] {
            assert_eq!(echo(text).unwrap().to_string(), written);
        }
        for text in ["dtn://all/~updates", "dtn:none", ""] {
            assert!(echo(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn own_endpoints_need_no_node() {
        let hub = node("hub").unwrap();
        assert_eq!(own(None, &hub).unwrap().to_string(), "dtn://hub/inbox");
        assert_eq!(own(Some("/photos"), &hub).unwrap().to_string(), "dtn://hub/photos");
        assert_eq!(own(Some("dtn://all/~updates"), &hub).unwrap().to_string(), "dtn://all/~updates");
    }

    #[test]
    fn a_node_with_a_number_has_numbers_for_endpoints() {
        let numbered = node("ipn:42.0").unwrap();
        assert_eq!(own(None, &numbered).unwrap().to_string(), "ipn:42.1");
        assert_eq!(own(Some("/9"), &numbered).unwrap().to_string(), "ipn:42.9");
        assert_eq!(own(Some("ipn:42.9"), &numbered).unwrap().to_string(), "ipn:42.9");
        assert!(own(Some("/photos"), &numbered).is_err());
    }

    #[test]
    fn groups_are_told_from_endpoints() {
        assert_eq!(group("dtn://all/~updates").unwrap().to_string(), "dtn://all/~updates");
        for text in ["updates", "dtn://hub/inbox", "dtn:none", "dtn://hub/", ""] {
            assert!(group(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_nobody_can_receive_is_refused() {
        for text in ["dtn:none", "", "dtn://", "http://hub/", "a b", "x\u{7}", "ipn:x", "dtn://a b/c"] {
            assert!(destination(text).is_err(), "{text:?}");
        }
        for text in ["dtn://hub/inbox", "dtn://all/~g", "dtn:none", "", "a/b"] {
            assert!(node(text).is_err(), "{text:?}");
        }
    }
}
