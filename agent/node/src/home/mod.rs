//! A node's folder: its configuration, its key, its store, and the lock that keeps a second agent out.
//!
//! ```text
//! config.toml       what the operator decided
//! key               the private key, 0600
//! store/            LMDB: the one file of truth
//! lock              held while an agent, or a verb without one, works on the store
//! clock             where the node's own time scale stood last
//! agent.sock        the running agent's socket (agent.sock.path says where, if the folder's path is too long for one)
//! ```
//!
//! What is made here is on the disk before the call returns: each file synced, then its folder.

mod durable;
mod error;
mod lock;
mod socket;

use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bundle_format::{Eid, NodeKey};

use self::durable::{Access, sync_folder};
pub use self::error::HomeError;
pub use self::lock::HomeLock;
pub(crate) use self::socket::SocketPath;
use crate::key_file::{self, KEY_TEXT_OCTETS_MAX};
use crate::settings::{self, Settings};

const CONFIG: &str = "config.toml";
const KEY: &str = "key";
const STORE: &str = "store";
/// Nobody writes a configuration of this size by hand; what is larger is some other file.
const CONFIG_OCTETS_MAX: u64 = 1 << 20;

/// A node's folder, read and checked. Holds no lock and no open file.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
    key: NodeKey,
    settings: Settings,
}

impl Home {
    /// Makes the folder of a new node called `name` (an EID's node name, or a whole node ID), with a new key or the
    /// given one. All of it is durable on return. Refuses a folder that is one already.
    pub fn create(folder: &Path, name: &str, key: Option<NodeKey>) -> Result<Self, HomeError> {
        let node = node_of_name(name)?;
        let io = |error| HomeError::io("make", folder, error);
        if folder.join(CONFIG).exists() {
            return Err(HomeError::Exists { folder: folder.to_owned() });
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
        let folder = folder.canonicalize().map_err(io)?;
        let key = match key {
            Some(key) => key,
            None => new_key()?,
        };
        // Last the configuration: a folder without one is no home, and making it can begin again.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join(STORE)).map_err(io)?;
        durable::replace(
            &folder.join(KEY),
            key_file::write(&key, &node.to_string()).as_bytes(),
            Access::Owner,
        )?;
        durable::replace(&folder.join(CONFIG), Settings::template(&node).as_bytes(), Access::Everyone)?;
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
        }
        Self::open(&folder)
    }

    /// Reads a node's folder.
    pub fn open(folder: &Path) -> Result<Self, HomeError> {
        let file = folder.join(CONFIG);
        let text = match read_text(&file, CONFIG_OCTETS_MAX) {
            Err(HomeError::Io { error, .. })
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Err(HomeError::NoHome { folder: folder.to_owned() });
            }
            other => other?,
        };
        let settings = settings::read(&file, &text)?;
        let folder = folder.canonicalize().map_err(|error| HomeError::io("read", folder, error))?;
        let key = read_key(&folder.join(KEY))?;
        Ok(Self { folder, key, settings })
    }

    /// Puts another key in place of the one that the home has, durably. Its lock must be free.
    pub fn import_key(folder: &Path, text: &str) -> Result<Self, HomeError> {
        let home = Self::open_without_key(folder)?;
        let file = home.join(KEY);
        let key =
            key_file::read(text).map_err(|fault| HomeError::Key { file: PathBuf::from("the key"), fault })?;
        let _lock = HomeLock::take(&home)?;
        let name =
            settings::read(&home.join(CONFIG), &read_text(&home.join(CONFIG), CONFIG_OCTETS_MAX)?)?.node;
        durable::replace(&file, key_file::write(&key, &name.to_string()).as_bytes(), Access::Owner)?;
        Self::open(&home)
    }

    /// The private key as text, for a paper in a safe. Whoever has it can sign as this node.
    pub fn export_key(&self) -> String {
        key_file::write(&self.key, &self.settings.node.to_string())
    }

    /// Keeps everybody else from the store until the lock is dropped.
    pub fn lock(&self) -> Result<HomeLock, HomeError> {
        HomeLock::take(&self.folder)
    }

    /// The folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the store.
    pub fn store_folder(&self) -> PathBuf {
        self.folder.join(STORE)
    }

    /// The node's ID.
    pub fn node(&self) -> &Eid {
        &self.settings.node
    }

    /// The node's private key.
    pub fn key(&self) -> &NodeKey {
        &self.key
    }

    /// What `config.toml` says.
    pub fn config(&self) -> &Settings {
        &self.settings
    }

    /// A damaged or missing key must not keep the way to a new one shut.
    fn open_without_key(folder: &Path) -> Result<PathBuf, HomeError> {
        if !folder.join(CONFIG).exists() {
            return Err(HomeError::NoHome { folder: folder.to_owned() });
        }
        folder.canonicalize().map_err(|error| HomeError::io("read", folder, error))
    }
}

fn node_of_name(name: &str) -> Result<Eid, HomeError> {
    let parsed = if name.contains(':') { name.parse().ok() } else { Eid::dtn(name, "").ok() };
    // `ipn:!.0` is whatever node reads it, and `ipn:0.0` no node at all.
    let is_node = |eid: &Eid| eid.is_node_id() && !eid.is_local_node();
    parsed
        .filter(is_node)
        .ok_or_else(|| HomeError::Name { name: name.chars().filter(|c| !c.is_control()).collect() })
}

fn new_key() -> Result<NodeKey, HomeError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| HomeError::Random(error.to_string()))?;
    Ok(NodeKey::from_seed(seed))
}

fn read_key(file: &Path) -> Result<NodeKey, HomeError> {
    let metadata = std::fs::metadata(file).map_err(|error| HomeError::io("read", file, error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(HomeError::KeyExposed { file: file.to_owned(), mode });
    }
    let text = read_text(file, KEY_TEXT_OCTETS_MAX)?;
    key_file::read(&text).map_err(|fault| HomeError::Key { file: file.to_owned(), fault })
}

fn read_text(file: &Path, octets_max: u64) -> Result<String, HomeError> {
    let io = |error| HomeError::io("read", file, error);
    let opened = std::fs::File::open(file).map_err(io)?;
    let mut text = String::new();
    opened.take(octets_max + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > octets_max {
        return Err(HomeError::TooLong { file: file.to_owned(), octets_max });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn a_new_home_opens_again_with_its_key() {
        let folder = folder();
        let home = Home::create(&folder.path().join("a/b"), "clinic-3", None).unwrap();
        let again = Home::open(home.folder()).unwrap();
        assert_eq!(home.node().to_string(), "dtn://clinic-3/");
        assert_eq!(again.key().public(), home.key().public());
        assert_eq!(again.config(), home.config());
        let mode = std::fs::metadata(home.folder().join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn two_homes_have_two_keys() {
        let folder = folder();
        let a = Home::create(&folder.path().join("a"), "a", None).unwrap();
        let b = Home::create(&folder.path().join("b"), "b", None).unwrap();
        assert_ne!(a.key().public(), b.key().public());
    }

    #[test]
    fn a_home_is_not_made_twice() {
        let folder = folder();
        Home::create(folder.path(), "a", None).unwrap();
        assert!(matches!(Home::create(folder.path(), "b", None), Err(HomeError::Exists { .. })));
    }

    #[test]
    fn a_folder_that_is_no_home_is_named() {
        let folder = folder();
        let error = Home::open(&folder.path().join("nowhere")).unwrap_err();
        assert!(error.to_string().contains("packmule init"), "{error}");
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(matches!(Home::open(&folder.path().join("file")), Err(HomeError::NoHome { .. })));
    }

    #[test]
    fn names_that_are_no_node_are_refused() {
        let folder = folder();
        for name in
            ["", "a b", "dtn://a/inbox", "dtn://all/~g", "dtn:none", "a/b", "x\u{7}", "ipn:42.1", "ipn:!.0"]
        {
            let error = Home::create(&folder.path().join("h"), name, None).unwrap_err();
            assert!(matches!(error, HomeError::Name { .. }), "{name:?}: {error}");
        }
        assert!(!folder.path().join("h").exists());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = folder();
        let home = Home::create(folder.path(), "a", None).unwrap();
        let key = home.folder().join(KEY);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Home::open(home.folder()).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_key_moves_to_another_home_as_text() {
        let folder = folder();
        let old = Home::create(&folder.path().join("old"), "a", None).unwrap();
        let new = Home::create(&folder.path().join("new"), "a", None).unwrap();
        std::fs::write(new.folder().join(KEY), "damaged").unwrap();
        let new = Home::import_key(new.folder(), &old.export_key()).unwrap();
        assert_eq!(new.key().public(), old.key().public());
        assert!(matches!(Home::import_key(new.folder(), "nonsense"), Err(HomeError::Key { .. })));
    }

    #[test]
    fn a_key_is_not_replaced_under_a_running_agent() {
        let folder = folder();
        let home = Home::create(folder.path(), "a", None).unwrap();
        let _lock = home.lock().unwrap();
        let other = NodeKey::from_seed([1; 32]);
        let text = key_file::write(&other, "a");
        assert!(matches!(Home::import_key(home.folder(), &text), Err(HomeError::Locked { .. })));
    }

    #[test]
    fn an_endless_configuration_is_not_read_to_its_end() {
        let folder = folder();
        let home = Home::create(folder.path(), "a", None).unwrap();
        std::fs::write(home.folder().join(CONFIG), "#".repeat(2 << 20)).unwrap();
        assert!(matches!(Home::open(home.folder()), Err(HomeError::TooLong { .. })));
    }
}
