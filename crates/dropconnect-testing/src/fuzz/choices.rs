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

    /// A few changes of a text: a byte more, another one, a part left out or taken twice.
    pub fn mutated(&mut self, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for _ in 0..self.byte() % 5 {
            let mut place = || usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % (text.len() + 1);
            let (at, to) = (place(), place());
            let part = at.min(to)..at.max(to).min(at.min(to) + 64);
            match self.byte() % 5 {
                0 => text.insert(at, self.byte()),
                // Mostly another number or sign of the same kind.
                1 if at < text.len() => text[at] = text[at].wrapping_add_signed(self.byte() as i8 % 4),
                2 if at < text.len() => text[at] = self.byte(),
                3 => drop(text.drain(part)),
                _ => drop(text.splice(at..at, text[part].to_vec())),
            }
        }
        text
    }
}
