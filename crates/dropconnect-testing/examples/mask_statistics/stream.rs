//! Boxes of decisions, one to a training step, in the order of the layer.

use dropconnect::mask::brick::{BRICK_EXAMPLES, BRICK_INPUTS, BRICK_OUTPUTS, Brick};
use dropconnect::{DropProbability, MaskKey};
use rayon::prelude::*;

use crate::faults::Fault;
use crate::statistics::Counts;

pub const EXAMPLES: usize = 64;
pub const OUTPUTS: usize = 64;
/// Words of 64 inputs in a row.
pub const WORDS: usize = 16;
pub const DECISIONS: u64 = (EXAMPLES * OUTPUTS * WORDS * 64) as u64;
/// Boxes that follow each other at the same place, a step apart, so that neighbouring steps can be compared.
pub const CHAIN: u64 = 16;

/// What a stream is made of.
pub struct Setting {
    pub probability: DropProbability,
    pub key: MaskKey,
}

/// The decisions of a box: bit `i % 64` of a row's word `i / 64` tells whether (n, o, i) is kept.
#[derive(Clone)]
pub struct Decisions(Vec<u64>);

impl Decisions {
    /// The box of a step, at block 16 * `place` of examples and outputs.
    fn draw(setting: &Setting, step: u64, place: [u32; 2]) -> Self {
        let key = setting.key.at_step(step).words();
        let mut rows = vec![0; EXAMPLES * OUTPUTS * WORDS];
        let [examples, outputs] = [EXAMPLES as u32 / BRICK_EXAMPLES, OUTPUTS as u32 / BRICK_OUTPUTS];
        for (example, output) in (0..examples).flat_map(|n| (0..outputs).map(move |o| (n, o))) {
            for input in 0..(WORDS * 64) as u32 / BRICK_INPUTS {
                let block = [input, place[1] * outputs + output, place[0] * examples + example];
                let brick = Brick::decide(block, key, &setting.probability);
                for n in 0..BRICK_EXAMPLES {
                    for (o, byte) in brick.word(n).to_le_bytes().into_iter().enumerate() {
                        let n = (example * BRICK_EXAMPLES + n) as usize;
                        let o = (output * BRICK_OUTPUTS) as usize + o;
                        let at = (n * OUTPUTS + o) * WORDS + input as usize / 8;
                        rows[at] |= u64::from(byte) << (8 * (input % 8));
                    }
                }
            }
        }
        Self(rows)
    }

    /// The inputs of (n, o).
    pub fn row(&self, n: usize, o: usize) -> &[u64; WORDS] {
        self.words()[(n * OUTPUTS + o) * WORDS..][..WORDS].try_into().expect("a row")
    }

    pub fn words(&self) -> &[u64] {
        &self.0
    }

    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.0
    }
}

/// Streams at least so many decisions, over whole chains, and counts them.
pub fn count(setting: &Setting, decisions: u64, fault: Option<Fault>) -> Counts {
    let chains = decisions.div_ceil(DECISIONS * CHAIN);
    (0..chains)
        .into_par_iter()
        .map(|chain| {
            let place = [(chain / 16 % 16) as u32, (chain % 16) as u32];
            let mut counts = Counts::default();
            let mut last: Option<Decisions> = None;
            for step in chain * CHAIN..(chain + 1) * CHAIN {
                let mut decisions = Decisions::draw(setting, step, place);
                if let Some(fault) = fault {
                    fault.apply(&mut decisions, last.as_ref(), step);
                }
                counts.add_box(&decisions, last.as_ref());
                last = Some(decisions);
            }
            counts
        })
        .reduce(Counts::default, Counts::plus)
}
