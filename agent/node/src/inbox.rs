//! Where a node receives what names no other of its endpoints.
//!
//! People and programs name nodes; this says which endpoint of one they mean. The administrative endpoint (RFC 9171
//! §4.2.5.1) is the node's own and takes no files.

use bundle_format::Eid;

/// Of nodes with names.
const DEMUX: &str = "inbox";
/// Of nodes with numbers (`ipn`): the lowest service that is not the administrative one.
const SERVICE: &str = "1";

/// A node's inbox; `None` where its scheme has none.
#[must_use]
pub fn inbox_of(node: &Eid) -> Option<Eid> {
    let demux = if matches!(node, Eid::Ipn { .. }) { SERVICE } else { DEMUX };
    node.with_demux(demux).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_with_names_and_nodes_with_numbers_have_an_inbox() {
        let inbox = |node: &str| inbox_of(&node.parse().unwrap()).map(|eid| eid.to_string());
        assert_eq!(inbox("dtn://hub/").as_deref(), Some("dtn://hub/inbox"));
        assert_eq!(inbox("ipn:42.0").as_deref(), Some("ipn:42.1"));
        assert_eq!(inbox("ipn:977000.7.0").as_deref(), Some("ipn:977000.7.1"));
        assert_eq!(inbox("dtn:none"), None);
    }
}
