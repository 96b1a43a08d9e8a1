//! The agent's only source of randomness: a keyed hash of a counter, so that a seed replays a run exactly while
//! nobody without the seed can guess the next nonce.

/// Random octets from one seed.
#[derive(Debug)]
pub(crate) struct Dice {
    seed: [u8; 32],
    rolls: u64,
}

impl Dice {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, rolls: 0 }
    }

    /// Sixteen octets that never came before.
    pub(crate) fn roll(&mut self) -> [u8; 16] {
        self.rolls += 1;
        let digest = blake3::keyed_hash(&self.seed, &self.rolls.to_be_bytes());
        let mut octets = [0; 16];
        octets.copy_from_slice(digest.as_bytes().first_chunk::<16>().expect("a digest has 32 octets"));
        octets
    }
}
