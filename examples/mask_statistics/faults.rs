//! Faults that a generator could have, put into one of 64 words of 64 decisions: each keeps what the others break,
//! so that it takes its own statistic to see it.

use dropconnect_testing::Random;

use crate::stream::{Decisions, OUTPUTS, WORDS};

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// More are kept.
    Rate,
    /// One connection of every brick is kept more often.
    Lane,
    InputWithin,
    InputAcross,
    InputBrick,
    OutputWithin,
    OutputAcross,
    OutputBrick,
    ExampleWithin,
    ExampleAcross,
    ExampleBrick,
    /// The same decision as at the step before.
    Step,
    /// Input 2 of a brick is the parity of inputs 0 and 1: no pair shows it.
    Parity,
    /// The same across three bricks.
    ParityOfBricks,
}

/// A few decisions of one of so many words are at fault.
pub const ONE_OF: u64 = 64;

impl Fault {
    pub const ALL: [Self; 14] = [
        Self::Rate,
        Self::Lane,
        Self::InputWithin,
        Self::InputAcross,
        Self::InputBrick,
        Self::OutputWithin,
        Self::OutputAcross,
        Self::OutputBrick,
        Self::ExampleWithin,
        Self::ExampleAcross,
        Self::ExampleBrick,
        Self::Step,
        Self::Parity,
        Self::ParityOfBricks,
    ];

    /// The statistics that have to see it.
    pub fn seen_by(self) -> &'static [&'static str] {
        match self {
            Self::Rate => &["rate"],
            Self::Lane => &["lanes"],
            Self::InputWithin => &["in 1", "runs", "bytes"],
            Self::InputAcross => &["in /", "runs"],
            Self::InputBrick => &["in 8", "cols"],
            Self::OutputWithin => &["out 1"],
            Self::OutputAcross => &["out /"],
            Self::OutputBrick => &["out 4"],
            Self::ExampleWithin => &["ex 1"],
            Self::ExampleAcross => &["ex /"],
            Self::ExampleBrick => &["ex 4"],
            Self::Step => &["step"],
            Self::Parity => &["kept", "dropd", "bytes"],
            Self::ParityOfBricks => &["cols"],
        }
    }

    /// Puts the fault into a box; `last` is the one at the step before.
    pub fn apply(self, decisions: &mut Decisions, last: Option<&Decisions>, step: u64) {
        const OUTPUT: usize = WORDS;
        const EXAMPLE: usize = OUTPUTS * WORDS;
        let words = decisions.words_mut();
        for at in 0..words.len() {
            let random = scramble(step << 32 | at as u64);
            if !random.is_multiple_of(ONE_OF) {
                continue;
            }
            let (n, o) = (at / EXAMPLE, at / OUTPUT % OUTPUTS);
            let x = words[at];
            let earlier = |distance: usize, applies: bool| if applies { words[at - distance] } else { x };
            words[at] = match self {
                Self::Rate => x | scramble(random),
                Self::Lane => x | if n % 4 == 1 && o % 4 == 2 { 0x2020_2020_2020_2020 } else { 0 },
                Self::InputWithin => copied(x, 0x5555_5555_5555_5555, 1),
                Self::InputAcross => copied(x, 0x0080_8080_8080_8080, 1),
                Self::InputBrick => copied(x, 0x00FF_00FF_00FF_00FF, 8),
                Self::OutputWithin => earlier(OUTPUT, o % 4 == 1),
                Self::OutputAcross => earlier(OUTPUT, o % 4 == 0 && o > 0),
                Self::OutputBrick => earlier(4 * OUTPUT, o % 8 >= 4),
                Self::ExampleWithin => earlier(EXAMPLE, n % 4 == 1),
                Self::ExampleAcross => earlier(EXAMPLE, n % 4 == 0 && n > 0),
                Self::ExampleBrick => earlier(4 * EXAMPLE, n % 8 >= 4),
                Self::Step => last.map_or(x, |last| last.words()[at]),
                Self::Parity => parity(x, 0x0101_0101_0101_0101, 1),
                Self::ParityOfBricks => parity(x, 0xFF, 8),
            };
        }
    }
}

/// The decisions of `mask` stand also so many places on.
fn copied(x: u64, mask: u64, on: u32) -> u64 {
    x & !(mask << on) | (x & mask) << on
}

/// Two places on from those of `mask` stands whether they and the next differ.
fn parity(x: u64, mask: u64, on: u32) -> u64 {
    x & !(mask << (2 * on)) | ((x ^ x >> on) & mask) << (2 * on)
}

/// 64 random bits of a place.
pub fn scramble(x: u64) -> u64 {
    Random(x).word()
}
