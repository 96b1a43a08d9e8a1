//! Chance, from one seed: the same seed rolls the same numbers on every machine.

/// A sequence of random numbers (the `SplitMix64` generator). Whoever rolls from a branch of its own disturbs nobody else's sequence.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The sequence that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A sequence of its own for one purpose.
    #[must_use]
    pub fn branch(&mut self) -> Self {
        Self::new(self.roll())
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, and without, `bound`; 0 where `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.roll()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the upper half of 128 bits")
    }

    /// The same for places in a list.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("smaller than a length in memory")
    }

    /// A number between two, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Whether something comes to pass that does so `odds` times in ten thousand.
    pub fn happens(&mut self, odds: u32) -> bool {
        self.below(10_000) < u64::from(odds)
    }

    /// One of several; `None` of none.
    pub fn pick<'i, T>(&mut self, items: &'i [T]) -> Option<&'i T> {
        items.get(self.index(items.len()))
    }

    /// 32 octets, as agents and keys are seeded with.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut octets = [0; 32];
        for part in octets.chunks_exact_mut(8) {
            part.copy_from_slice(&self.roll().to_be_bytes());
        }
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_rolls_the_same_numbers_again() {
        let rolls = |seed| (0..100).map(move |_| Dice::new(seed).roll()).collect::<Vec<_>>();
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
    }

    #[test]
    fn numbers_stay_inside_their_bounds() {
        let mut dice = Dice::new(1);
        for _ in 0..1000 {
            assert!((3..=5).contains(&dice.between(3, 5)));
            assert!(dice.below(4) < 4);
        }
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.pick::<u8>(&[]), None);
    }

    #[test]
    fn odds_are_in_ten_thousandths() {
        let mut dice = Dice::new(2);
        assert!(!(0..1000).any(|_| dice.happens(0)));
        assert!((0..1000).all(|_| dice.happens(10_000)));
        let half = (0..10_000).filter(|_| dice.happens(5_000)).count();
        assert!((4_500..5_500).contains(&half));
    }
}
