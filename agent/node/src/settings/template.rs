//! The `config.toml` that a new home gets: every setting with its default, commented.

/// The text of a new node's configuration. `node` is a node ID in text, which needs no escaping in TOML.
pub(super) fn config_text(node: &str) -> String {
    TEMPLATE.replace("@NODE@", node)
}

const TEMPLATE: &str = r#"# The configuration of a packmule node. A line that begins with # is a comment; the values in comments are the defaults.
# Changes take effect when the agent is started again.

# Who this node is. Others trust its key under this name: do not change it later.
node = "@NODE@"

# Its number in the ipn scheme, where it has one as well. A node of another implementation may need it.
# ipn = 4711

# Whether the wall clock is trusted: "auto" (while the kernel says that it is synchronised), "trusted", "untrusted".
# clock = "auto"

# Where neighbors may connect. Port 0 takes a free one; [] listens nowhere. Datagrams: udp://[::]:4556.
# Over TCP, TLS is used with every neighbor that can; behind an address, ?tls=require takes no other, ?tls=off never uses it, and ?tls=ca takes certificates of an authority.
# listen = ["tcp://[::]:4556"]

# Nodes to keep a contact with, besides those added by 'packmule peer add'. stcp:// and mtcp:// reach nodes that speak nothing better;
# 'pipe:COMMAND' runs a program that is a link, 'folder:/PATH' is a folder that something synchronizes.
# peers = ["tcp://192.0.2.7:4556"]

# Whether this node looks for others on the local network and announces itself there, and tries where cards say that trusted nodes
# listen; 'packmule run --no-discovery' does none of it.
# discovery = true

# For ?tls=ca: the authorities that are believed, the certificate of this node and its key, as PEM files; from this folder on.
# tls_ca = "ca.pem"
# tls_certificate = "node.pem"
# tls_key = "node.key"

# What is carried for others: "all" within the quota, or only what is "wanted" here.
# carry = "all"

# Bundles signed by keys that nobody trusts, and bundles without a signature: "refuse", "carry" or "deliver".
# strangers = "refuse"
# unsigned = "refuse"

# How much of the disk bundles may fill, and how much of it those of strangers and without a signature.
# quota = "4 GiB"
# stranger_quota = "64 MiB"

# How much of it the bundles of one other node may fill, and those for one group: half, and three quarters of the quota,
# unless said otherwise. Where the quota is used up, what is worth less goes for what is worth more, never what
# this node answers for.
# source_quota = "2 GiB"
# group_quota = "3 GiB"

# The largest bundle that is taken, and the longest that a bundle is kept, whatever it asks for.
# bundle_max = "1 GiB"
# lifetime_max = "365d"

# How many nodes a bundle made here may pass.
# hop_limit = 32

# This node tells all others how it is and what it holds, at most this often.
# card_interval = "15m"

# The block type that carries file names, of the range for private use: the same in the whole network.
# metadata_block = 193

# The block type and the record type of custody (CCSDS 734.6): the same in the whole network. Drafts had 15 and 4.
# custody_block = 13
# custody_record = 13

# Nodes with which custody of bundles is exchanged; without this line every node whose key is trusted, with [] nobody.
# custodians = ["dtn://hub/"]

# What the agent logs: "error", "warn", "info", "debug" or "trace".
# log = "info"

# Keys that are trusted besides those added by 'packmule trust add'.
# [[trust]]
# node = "dtn://hub/"
# key = "ed25519:..."

# Neighbors that run another implementation: what they get besides what is addressed to them.
# [[foreign]]
# node = "ipn:7.0"
# groups = ["dtn://all/~updates"]

# Who gets bundles for some destinations; the first entry that names a destination counts, without one everybody who wants them.
# A destination is an endpoint ID, or the beginning of some and *: "dtn://hub/*", "ipn:7.*", "*". forward is
# "replicate" (every neighbor that wants or carries it, and those in via), "direct" (only the destination itself, or members of
# the group) or "via" (only the neighbors in via, and the destination itself).
# [[policy]]
# destination = "ipn:9.*"
# forward = "via"
# via = ["ipn:7.0"]
"#;
