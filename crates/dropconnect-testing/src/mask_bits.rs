//! Mask bits by the billion: counted against plain code, and a digest of them, by which engines of different machines
//! are compared.

use std::num::NonZeroU32;

use dropconnect::cpu::Backend;
use dropconnect::{DropProbability, Error, Mask, MaskKey, Origin, Shape, Sharing};

use crate::{Failure, Placement, Target};

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskBits {
    /// Decisions that were compared.
    pub bits: u64,
    /// Those that are not as the plain code has them.
    pub differing: u64,
    /// Of all of them, in order: the same wherever they are the same.
    pub digest: u64,
}

/// Probability and its resolution, and how masks are shared: every way in which kernels draw.
const MASKS: [(f64, u32, Sharing); 7] = [
    (0.5, 16, Sharing::Example),
    (0.2, 16, Sharing::Example),
    (0.3, 8, Sharing::Example),
    (0.9, 16, Sharing::Example),
    (0.5, 16, Sharing::Group(NonZeroU32::new(3).unwrap())),
    (0.1, 16, Sharing::Batch),
    (1.0 / 65536.0, 16, Sharing::Example),
];
/// Whole bricks, and rows that end in the middle of one: 33.6 and 31.7 million connections.
const SHAPES: [[usize; 3]; 2] = [[64, 1024, 512], [61, 1021, 509]];

/// Draws at least so many decisions and compares them with [`portable`]. Says how far it is, in bits.
///
/// # Errors
/// Those of [`Target::mask_async`].
pub async fn mask_bits_async(
    target: Target<'_>,
    least: u64,
    mut progress: impl FnMut(u64),
) -> Result<MaskBits, Failure> {
    let mut found = MaskBits::default();
    for piece in 0.. {
        if found.bits >= least {
            break;
        }
        let [batch, outputs, inputs] = SHAPES[piece % SHAPES.len()];
        let shape = Shape::new(batch, outputs, inputs)?;
        let mask = mask_of(piece)?;
        let got = target.mask_async(shape, &mask, false, Placement::Separate).await?;
        let mut want = vec![0; got.len()];
        portable().mask(&shape, &mask, &mut want)?;
        found.bits += got.len() as u64;
        found.differing += got.iter().zip(&want).filter(|(got, want)| got != want).count() as u64;
        found.digest = digest(found.digest, &got);
        progress(found.bits);
    }
    Ok(found)
}

/// As [`mask_bits_async`], on a thread that may wait.
///
/// # Errors
/// Those of [`Target::mask_async`].
#[cfg(not(all(target_arch = "wasm32", feature = "gpu")))]
pub fn mask_bits(target: Target, least: u64, progress: impl FnMut(u64)) -> Result<MaskBits, Failure> {
    pollster::block_on(mask_bits_async(target, least, progress))
}

/// The CPU backend's code for processors without vectors: its words are plain integers.
pub fn portable() -> Backend {
    // There always is one, and it is the slowest.
    Backend::available().into_iter().next().unwrap_or_else(Backend::detect)
}

/// A mask of its own for each piece: other seeds, layers, steps, and places, some far out.
fn mask_of(piece: usize) -> Result<Mask, Error> {
    let (p, bits, sharing) = MASKS[piece / SHAPES.len() % MASKS.len()];
    let number = piece as u64;
    let key = MaskKey::new(number << 32 | 0x2545_F491, piece as u32).at_step(number << 33 | number);
    let far = (piece as u32).wrapping_mul(0x9E37_79B9) >> 1;
    let origin = match piece % SHAPES.len() {
        0 => Origin { example: far & !15, output: far & !15, input: far & !15 },
        _ => Origin { example: far, output: far | 1, input: far | 3 },
    };
    Ok(Mask::new(key, DropProbability::with_bits(p, bits)?).shared(sharing).at(origin))
}

/// Goes on from a digest: each step is a bijection of it and of the eight bytes that it takes, so that a single wrong
/// byte changes the result for certain.
fn digest(before: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().chain((!rest.is_empty()).then_some(&last));
    words.fold(before, |digest, word| {
        (digest.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_byte_changes_the_digest() {
        let right: Vec<u8> = (0..21).map(|at| at % 2).collect();
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1;
            assert_ne!(digest(7, &right), digest(7, &wrong), "{at}");
        }
    }

    /// The first piece, whose digest docs/portability.md has for all: a change is another mask format.
    #[test]
    fn every_instruction_set_has_the_bits_of_the_plain_code() {
        for target in Target::cpus() {
            let found = mask_bits(target, 1, |_| {}).unwrap();
            assert_eq!((found.bits, found.differing), (64 * 1024 * 512, 0), "{}", target.name());
            assert_eq!(found.digest, mask_bits(Target::Cpu(portable()), 1, |_| {}).unwrap().digest);
        }
    }
}
