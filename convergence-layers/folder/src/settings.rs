//! Where a folder is and who has which part of it: `folder:/srv/sync/mule?to=hub`.

use std::fmt;
use std::str::FromStr;

use bundle_format::Eid;

/// The longest path that is taken.
const PATH_OCTETS_MAX: usize = 1_000;

/// The settings of a folder link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    pub(crate) path: String,
    pub(crate) parts: Parts,
}

/// Which folders of it are read and written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Parts {
    /// Each node that shares it has an inbox there: the neighbor is the only other one, or the one that is named.
    Shared { to: Option<String> },
    /// Two folders with names of somebody else's choice, and who is at the other end, if that is known.
    Named { inbox: String, outbox: String, node: Option<String> },
}

/// The text does not say where a folder is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Relative to what?
    #[error("a folder is a path from /, of at most {PATH_OCTETS_MAX} octets and without control characters")]
    Path,
    /// A setting that there is not, or with a value that it cannot have.
    #[error(
        "'{0}' is no setting of a folder: there are to=NAME, or in=FOLDER and out=FOLDER, two different names within it, with node=NODE-ID"
    )]
    Setting(String),
}

impl FromStr for Settings {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        // A path may have a question mark of its own.
        let (path, settings) = match text.rsplit_once('?') {
            Some((path, settings)) if settings.contains('=') => (path, settings),
            _ => (text, ""),
        };
        if !path.starts_with('/') || path.len() > PATH_OCTETS_MAX || text.contains(char::is_control) {
            return Err(SettingsError::Path);
        }
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        Ok(Self { path: path.to_owned(), parts: parts(settings)? })
    }
}

fn parts(settings: &str) -> Result<Parts, SettingsError> {
    let wrong = || SettingsError::Setting(settings.to_owned());
    let [mut to, mut inbox, mut outbox, mut node] = [const { None }; 4];
    for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').ok_or_else(wrong)?;
        let place = match name {
            "to" if is_name(value) => &mut to,
            "in" if is_name(value) => &mut inbox,
            "out" if is_name(value) => &mut outbox,
            "node" if is_node_id(value) => &mut node,
            _ => return Err(wrong()),
        };
        *place = Some(value.to_owned());
    }
    match (to, inbox, outbox, node) {
        (to, None, None, None) => Ok(Parts::Shared { to }),
        (None, Some(inbox), Some(outbox), node) if inbox != outbox => {
            Ok(Parts::Named { inbox, outbox, node })
        }
        _ => Err(wrong()),
    }
}

fn is_node_id(text: &str) -> bool {
    text.parse::<Eid>().is_ok_and(|eid| eid.node_id().as_ref() == Some(&eid))
}

/// Of one folder directly within another, and not hidden.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('.') && !text.contains('/')
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match &self.parts {
            Parts::Shared { to: None } => Ok(()),
            Parts::Shared { to: Some(to) } => write!(f, "?to={to}"),
            Parts::Named { inbox, outbox, node } => {
                write!(f, "?in={inbox}&out={outbox}")?;
                node.as_ref().map_or(Ok(()), |node| write!(f, "&node={node}"))
            }
        }
    }
}
