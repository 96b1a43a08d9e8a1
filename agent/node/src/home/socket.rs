//! Where the running agent listens for local programs.
//!
//! A Unix socket's path has at most 107 octets. Where the home's own path leaves too little room, the socket lives in a
//! private folder of the runtime directory, and `agent.sock.path` in the home says where.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::Home;
use super::durable::{self, Access};
use super::error::HomeError;

const SOCKET: &str = "agent.sock";
const POINTER: &str = "agent.sock.path";
/// `sun_path` of Linux less the closing zero.
const PATH_OCTETS_MAX: usize = 107;

/// A bound socket's place; dropping it removes what is in the file system.
#[derive(Debug)]
pub(crate) struct SocketPath {
    socket: PathBuf,
    /// The private folder and the pointer, where the socket is not in the home.
    elsewhere: Option<(PathBuf, PathBuf)>,
}

impl SocketPath {
    /// Where to connect to, as far as the home knows.
    pub(crate) fn of(home: &Home) -> PathBuf {
        let direct = home.folder().join(SOCKET);
        if fits(&direct) {
            return direct;
        }
        match std::fs::read_to_string(home.folder().join(POINTER)) {
            Ok(text) => PathBuf::from(text),
            Err(_) => direct,
        }
    }

    /// Binds the socket, for the owner only. The caller holds the home's lock, so that whatever is there is left over.
    pub(crate) fn bind(home: &Home) -> Result<(Self, UnixListener), HomeError> {
        let place = Self::choose(home)?;
        let io = |error| HomeError::io("listen at", &place.socket, error);
        remove_if_there(&place.socket).map_err(io)?;
        // The home and the private folder let nobody else in; between here and the next line nobody can connect.
        let listener = UnixListener::bind(&place.socket).map_err(io)?;
        std::fs::set_permissions(&place.socket, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
        Ok((place, listener))
    }

    fn choose(home: &Home) -> Result<Self, HomeError> {
        let socket = home.folder().join(SOCKET);
        if fits(&socket) {
            return Ok(Self { socket, elsewhere: None });
        }
        let pointer = home.folder().join(POINTER);
        let folder =
            private_folder().map_err(|error| HomeError::io("make a short path for", &socket, error))?;
        let socket = folder.join(SOCKET);
        durable::replace(&pointer, socket.as_os_str().as_encoded_bytes(), Access::Owner)?;
        Ok(Self { socket, elsewhere: Some((folder, pointer)) })
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        // Nothing depends on it: the next agent removes what is left.
        let _ = std::fs::remove_file(&self.socket);
        if let Some((folder, pointer)) = &self.elsewhere {
            let _ = std::fs::remove_file(pointer);
            let _ = std::fs::remove_dir(folder);
        }
    }
}

fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= PATH_OCTETS_MAX
}

fn private_folder() -> io::Result<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let base = runtime.filter(|path| path.is_absolute() && path.is_dir() && path.as_os_str().len() < 60);
    let base = base.unwrap_or_else(|| PathBuf::from("/tmp"));
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let name = data_encoding::HEXLOWER.encode(&random);
    let folder = base.join(format!("packmule-{name}"));
    DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_in(folder: &Path) -> Home {
        Home::create(folder, "a", None).unwrap()
    }

    #[tokio::test]
    async fn a_home_with_a_long_path_is_reached_by_a_short_one() {
        let folder = tempfile::tempdir().unwrap();
        let home = home_in(&folder.path().join("x".repeat(120)));
        let (place, _listener) = SocketPath::bind(&home).unwrap();
        let socket = SocketPath::of(&home);
        tokio::net::UnixStream::connect(&socket).await.unwrap();
        drop(place);
        assert!(!socket.exists());
        assert!(!socket.parent().unwrap().exists());
    }

    #[tokio::test]
    async fn a_socket_left_over_by_a_crash_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let home = home_in(folder.path());
        let (place, listener) = SocketPath::bind(&home).unwrap();
        std::mem::forget(place);
        drop(listener);
        let (_place, _listener) = SocketPath::bind(&home).unwrap();
        tokio::net::UnixStream::connect(SocketPath::of(&home)).await.unwrap();
        let mode = std::fs::metadata(SocketPath::of(&home)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
