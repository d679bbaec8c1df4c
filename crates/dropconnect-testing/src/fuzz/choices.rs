//! Bytes as decisions.

/// Decisions that bytes make, from the first byte on. Once they are used up, every one is the first that there is.
#[derive(Clone, Debug)]
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// Those of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// One of these, of which there are 1 to 256.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    /// Any 64 bits.
    pub fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// A number of those at which arithmetic goes wrong: a small one, one beside a power of two or beside the largest
    /// of 32 or 64 bits, or any.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..128 => small.into(),
            bit @ 128..192 => (1u64 << (bit - 128)).wrapping_add_signed(i64::from(self.byte() as i8)),
            192..208 => u64::from(u32::MAX).wrapping_add_signed(i64::from(self.byte() as i8)),
            208..224 => u64::MAX - u64::from(self.byte()),
            _ => self.word(),
        }
    }

    /// The lower half of such a number.
    pub fn number_32(&mut self) -> u32 {
        self.number() as u32
    }

    /// Such a number, as far as the host counts.
    pub fn size(&mut self) -> usize {
        self.number() as usize
    }
}
