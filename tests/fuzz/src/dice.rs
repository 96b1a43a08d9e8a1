//! Numbers from a seed, the same on every machine: xorshift64* (Vigna 2014).

/// A source of numbers that look random and are not.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The dice of a seed.
    pub fn new(seed: u64) -> Self {
        // Zero would stay zero; close seeds shall not give close numbers.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.any() % bound).unwrap_or(0)
    }

    /// Any octet.
    pub fn octet(&mut self) -> u8 {
        self.any().to_be_bytes()[0]
    }
}
