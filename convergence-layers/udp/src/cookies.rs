//! Cookies: what a stranger must repeat before anything is kept of it, so that nobody makes us remember, or answer at length
//! to, an address that is not its own.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::saying::COOKIE_LENGTH;

/// How long a secret time lasts: a cookie is good for one to two of these.
const AGE: Duration = Duration::from_secs(60);

/// The secret of one socket, and what is made from it.
#[derive(Debug)]
pub struct Cookies {
    key: [u8; 32],
    since: Instant,
}

impl Cookies {
    /// With a key that nobody knows.
    pub fn new(key: [u8; 32], now: Instant) -> Self {
        Self { key, since: now }
    }

    /// The cookie for a token at an address.
    pub fn bake(&self, now: Instant, address: SocketAddr, token: u64) -> [u8; COOKIE_LENGTH] {
        self.of_age(self.age(now), address, token)
    }

    /// Whether we made this cookie lately for the token at the address.
    pub fn is_ours(&self, now: Instant, address: SocketAddr, token: u64, cookie: &[u8]) -> bool {
        let age = self.age(now);
        let ages = [Some(age), age.checked_sub(1)];
        // Compared in constant time: a cookie must not be guessed octet by octet.
        ages.into_iter().flatten().any(|age| is_same(&self.of_age(age, address, token), cookie))
    }

    fn age(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.since).as_secs() / AGE.as_secs()
    }

    fn of_age(&self, age: u64, address: SocketAddr, token: u64) -> [u8; COOKIE_LENGTH] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        match address.ip() {
            IpAddr::V4(ip) => hasher.update(&ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => hasher.update(&ip.octets()),
        };
        hasher.update(&address.port().to_be_bytes());
        hasher.update(&token.to_be_bytes());
        hasher.update(&age.to_be_bytes());
        let mut cookie = [0; COOKIE_LENGTH];
        hasher.finalize_xof().fill(&mut cookie);
        cookie
    }
}

fn is_same(ours: &[u8; COOKIE_LENGTH], theirs: &[u8]) -> bool {
    theirs.len() == ours.len() && ours.iter().zip(theirs).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_its_address_and_token_and_not_for_long() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let cookies = Cookies::new([7; 32], start);
        let address = SocketAddr::from(([192, 0, 2, 1], 4556));
        let cookie = cookies.bake(at(30), address, 5);
        assert!(cookies.is_ours(at(30), address, 5, &cookie));
        assert!(cookies.is_ours(at(119), address, 5, &cookie));
        assert!(!cookies.is_ours(at(120), address, 5, &cookie), "too old");
        assert!(!cookies.is_ours(at(30), address, 6, &cookie), "another token");
        assert!(!cookies.is_ours(at(30), SocketAddr::from(([192, 0, 2, 1], 4557)), 5, &cookie));
        assert!(
            !cookies.is_ours(at(30), address, 5, &cookie[..15]) && !cookies.is_ours(at(30), address, 5, &[])
        );
        assert!(!Cookies::new([8; 32], start).is_ours(at(30), address, 5, &cookie), "another secret");
        let mapped = SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0201], 4556));
        assert!(cookies.is_ours(at(30), mapped, 5, &cookie), "the same address, as a socket of IPv6 has it");
    }
}
