//! The services that are announced now, as far as there is room.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Services that are known at a time: more than a network of nodes that see each other needs to hang together.
pub const SERVICES_MAX: usize = 32;

/// By full name. Where there are too many, the one that was heard of first gives way: whoever announces a flood displaces
/// itself, and a contact that is open needs no announcement.
#[derive(Debug, Default)]
pub(crate) struct Services {
    by_name: BTreeMap<String, (u64, Vec<SocketAddr>)>,
    heard: u64,
}

impl Services {
    /// A service is announced. Whether that changes anything.
    pub(crate) fn announced(&mut self, name: &str, places: Vec<SocketAddr>) -> bool {
        if places.is_empty() {
            return self.gone(name);
        }
        if let Some((_, known)) = self.by_name.get_mut(name) {
            let changes = *known != places;
            *known = places;
            return changes;
        }
        if self.by_name.len() >= SERVICES_MAX {
            let first =
                self.by_name.iter().min_by_key(|(_, (heard, _))| *heard).map(|(name, _)| name.clone());
            if let Some(first) = first {
                self.by_name.remove(&first);
            }
        }
        self.heard += 1;
        self.by_name.insert(name.to_owned(), (self.heard, places));
        true
    }

    /// An announcement was withdrawn, or has expired. Whether that changes anything.
    pub(crate) fn gone(&mut self, name: &str) -> bool {
        self.by_name.remove(name).is_some()
    }

    pub(crate) fn all(&self) -> BTreeMap<String, Vec<SocketAddr>> {
        self.by_name.iter().map(|(name, (_, places))| (name.clone(), places.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: u8) -> Vec<SocketAddr> {
        vec![SocketAddr::from(([192, 0, 2, host], 4556))]
    }

    #[test]
    fn a_service_is_known_until_its_announcement_is_over() {
        let mut services = Services::default();
        assert!(services.announced("a", at(1)));
        assert!(!services.announced("a", at(1)));
        assert!(services.announced("a", at(2)));
        assert_eq!(services.all()["a"], at(2));
        assert!(services.gone("a") && !services.gone("a"));
        assert!(services.announced("b", at(1)) && services.announced("b", Vec::new()));
        assert!(services.all().is_empty());
    }

    #[test]
    fn of_too_many_the_first_gives_way() {
        let mut services = Services::default();
        for name in 0..1_000 {
            services.announced(&format!("flood {name}"), at(1));
        }
        services.announced("honest", at(2));
        let all = services.all();
        assert_eq!(all.len(), SERVICES_MAX);
        assert!(all.contains_key("honest") && !all.contains_key("flood 0"));
    }
}
