//! Published bundles, endpoint IDs, CBOR items and signatures, as data beside the repository. Where that folder is absent
//! these tests say so and pass; the other test files need nothing.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot set itself up has failed, and one that has no data says so"
)]

mod bundles;
mod elements;
mod signatures;

use std::path::Path;

use serde_json::Value;

/// The vectors in one file, or nothing where there are none.
fn file(name: &str) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|up| up.join("shared/vectors"));
    let Some(path) = folder.map(|folder| folder.join(name)).find(|path| path.exists()) else {
        println!("skipped: there is no shared/vectors/{name} beside the repository");
        return None;
    };
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

fn octets(hex: &str) -> bytes::Bytes {
    data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap().into()
}

fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key} is missing in {vector}"))
}
