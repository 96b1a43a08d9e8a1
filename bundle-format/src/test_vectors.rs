//! Published vectors beside the repository, for tests that need what this crate keeps to itself. Where that folder is
//! absent such tests say so and pass.

use std::path::Path;

use serde_json::Value;

/// The vectors in one file, or nothing where there are none.
pub(crate) fn file(name: &str) -> Option<Value> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|up| up.join("shared/vectors"));
    let Some(path) = folders.map(|folder| folder.join(name)).find(|path| path.exists()) else {
        println!("skipped: there is no shared/vectors/{name} beside the repository");
        return None;
    };
    let text = std::fs::read_to_string(path).expect("a vectors file can be read");
    Some(serde_json::from_str(&text).expect("a vectors file is JSON"))
}

/// The octets that a field of a vector has in hexadecimal digits.
pub(crate) fn octets(vector: &Value, field: &str) -> Vec<u8> {
    let digits = vector[field].as_str().expect("the field is there");
    data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).expect("the field is hexadecimal")
}
