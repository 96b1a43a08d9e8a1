//! What a user names to be sent: files, and the standard input.

use std::path::Path;

use agent_node::ClientError;
use tokio::io::AsyncRead;

use crate::failure::Failure;
use crate::file_name;

/// Octets to be sent.
pub(crate) struct Outgoing {
    pub(crate) body: Box<dyn AsyncRead + Send + Unpin>,
    /// The name to send with it.
    pub(crate) name: Option<String>,
    /// Its length, where it has one.
    pub(crate) octets: Option<u64>,
}

/// Opens a file, or the standard input for `-`.
pub(crate) async fn open(file: &Path) -> Result<Outgoing, Failure> {
    if is_stdin(file) {
        return Ok(Outgoing { body: Box::new(tokio::io::stdin()), name: None, octets: None });
    }
    let fault = |error: std::io::Error| Failure::io("read", file, &error);
    let opened = tokio::fs::File::open(file).await.map_err(fault)?;
    let metadata = opened.metadata().await.map_err(fault)?;
    // Files of /proc say that they are empty and are not.
    let octets = (metadata.is_file() && metadata.len() > 0).then_some(metadata.len());
    Ok(Outgoing { body: Box::new(opened), name: file.file_name().and_then(file_name::sendable), octets })
}

/// What went wrong while a file's octets were handed to the node.
pub(crate) fn failure(error: ClientError, file: &Path) -> Failure {
    match error {
        ClientError::Body(error) => Failure::io("read", file, &error),
        other => other.into(),
    }
}

/// A whole folder needs more than a bundle.
pub(crate) fn refuse_folder(file: &Path) -> Result<(), Failure> {
    if is_stdin(file) || !file.is_dir() {
        return Ok(());
    }
    let folder = file.display();
    Err(Failure::usage(format!(
        "{folder} is a folder; publications, which send whole folders, are on their way but not there yet"
    ))
    .hint(format!("send its files, or an archive of it: tar c {folder} | packmule send DESTINATION -")))
}

/// Whether `-` was said.
pub(crate) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// What to call it to people.
pub(crate) fn shown_name(file: &Path) -> String {
    if is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() }
}
