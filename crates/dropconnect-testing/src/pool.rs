//! Tensors between guard bytes: in buffers of their own, or at uneven places of one, as an engine's pool has them.

use std::ops::Range;

use crate::{Failure, Random};

/// Where the tensors of a call lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// A buffer each: operands are bound `read`.
    Separate,
    /// All in one buffer, at multiples of 256 bytes: everything is bound `read_write`.
    PooledAligned,
    /// All in one buffer, at odd multiples of 4 bytes.
    PooledOdd,
    /// All in one buffer, in any order and with gaps of any size.
    Scattered {
        /// Decides order and gaps.
        seed: u64,
        /// At multiples of 16 bytes; otherwise of 4.
        aligned: bool,
    },
}

/// What results hold before they are written: NaN in every element type, and no bit.
pub const POISON: u8 = 0xff;
/// What guards hold: two bytes in turn, which are NaN in every type for whoever reads them, and nothing that a result
/// is poisoned with.
const GUARD: [u8; 2] = [0xa5, 0xff];
/// Bytes of guard before and after each tensor, at least. Scattered ones may lie closer.
const MARGIN: usize = 64;
/// The most guard bytes between scattered tensors, above the least of 4.
const GAP: usize = 80;

/// A tensor's place: which buffer, and where in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub buffer: usize,
    pub bytes: Range<usize>,
}

/// The tensors of a call in host memory: operands, then results.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Words, so that every place is aligned for f32.
    pub(crate) buffers: Vec<Vec<u32>>,
    before: Vec<Vec<u32>>,
    pub(crate) places: Vec<Place>,
    operands: usize,
}

impl Pool {
    /// Puts the tensors, given by their bytes, at their places.
    pub fn new(placement: Placement, operands: &[Vec<u8>], results: &[Vec<u8>]) -> Self {
        let contents: Vec<&Vec<u8>> = operands.iter().chain(results).collect();
        let mut order: Vec<usize> = (0..contents.len()).collect();
        let mut random = Random(0);
        if let Placement::Scattered { seed, .. } = placement {
            random = Random(seed);
            (1..order.len()).rev().for_each(|at| order.swap(at, random.below(at + 1)));
        }
        let mut buffers: Vec<Vec<u8>> = Vec::new();
        let mut places = vec![Place::default(); contents.len()];
        let guard = |bytes: &mut Vec<u8>, end: usize| {
            bytes.extend((bytes.len()..end).map(|at| GUARD[at % GUARD.len()]));
        };
        for index in order {
            if buffers.is_empty() || placement == Placement::Separate {
                buffers.push(Vec::new());
            }
            let buffer = buffers.len() - 1;
            let bytes = &mut buffers[buffer];
            let start = match placement {
                Placement::Separate => 0,
                Placement::PooledAligned => (bytes.len() + MARGIN).next_multiple_of(256),
                Placement::PooledOdd => (bytes.len() + MARGIN).next_multiple_of(8) + 4,
                Placement::Scattered { aligned, .. } => {
                    (bytes.len() + 4 + random.below(GAP)).next_multiple_of(if aligned { 16 } else { 4 })
                }
            };
            guard(bytes, start);
            bytes.extend(contents[index]);
            places[index] = Place { buffer, bytes: start..bytes.len() };
        }
        // What is left of the last word is padding that belongs to nobody, and is watched, too.
        for bytes in &mut buffers {
            let end = (bytes.len() + MARGIN).next_multiple_of(4);
            guard(bytes, end);
        }
        let buffers: Vec<Vec<u32>> =
            buffers.iter().map(|bytes| bytemuck::pod_collect_to_vec(bytes)).collect();
        Self { before: buffers.clone(), buffers, places, operands: operands.len() }
    }

    /// Operands and results, each a slice of its buffer.
    pub fn tensors(&mut self) -> (Vec<&[u8]>, Vec<&mut [u8]>) {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        order.sort_by_key(|&index| {
            let Place { buffer, bytes } = &self.places[index];
            (*buffer, bytes.start, bytes.end)
        });
        let mut buffers = self.buffers.iter_mut().map(|words| bytemuck::cast_slice_mut::<u32, u8>(words));
        let (mut parts, mut current, mut rest, mut at) = (Vec::new(), usize::MAX, &mut [][..], 0);
        for index in order {
            let Place { buffer, bytes: Range { start, end } } = self.places[index].clone();
            if buffer != current {
                // Every buffer has a tensor.
                (current, rest, at) = (buffer, buffers.next().unwrap_or_default(), 0);
            }
            let (part, others) = rest.split_at_mut(end - at);
            parts.push((index, &mut part[start - at..]));
            (rest, at) = (others, end);
        }
        parts.sort_by_key(|(index, _)| *index);
        let results = parts.split_off(self.operands);
        (
            parts.into_iter().map(|(_, part)| &*part).collect(),
            results.into_iter().map(|(_, part)| part).collect(),
        )
    }

    /// The bytes of each result.
    ///
    /// # Errors
    /// [`Failure::Damage`] where anything else than a result has changed.
    pub fn results(&self) -> Result<Vec<&[u8]>, Failure> {
        let results = &self.places[self.operands..];
        for (buffer, (now, then)) in self.buffers.iter().zip(&self.before).enumerate() {
            let (now, then): (&[u8], &[u8]) = (bytemuck::cast_slice(now), bytemuck::cast_slice(then));
            let own = |at| results.iter().any(|place| place.buffer == buffer && place.bytes.contains(&at));
            if let Some(byte) = (0..then.len()).find(|&at| now[at] != then[at] && !own(at)) {
                return Err(Failure::Damage { buffer, byte });
            }
        }
        Ok(results.iter().map(|place| &self.bytes(place.buffer)[place.bytes.clone()]).collect())
    }

    /// The byte at some distance from the start of a tensor, counted as operands, then results: for faults on purpose.
    pub fn byte_at(&mut self, tensor: usize, distance: isize) -> &mut u8 {
        let Place { buffer, bytes } = &self.places[tensor];
        let at = bytes.start.checked_add_signed(distance).expect("a distance that stays in memory");
        &mut bytemuck::cast_slice_mut(&mut self.buffers[*buffer])[at]
    }

    pub(crate) fn bytes(&self, buffer: usize) -> &[u8] {
        bytemuck::cast_slice(&self.buffers[buffer])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_but_those_of_results_is_watched() {
        let (operands, results) = ([vec![1; 6], vec![2; 8]], [vec![POISON; 10], Vec::new(), vec![POISON; 5]]);
        let scattered = |aligned| Placement::Scattered { seed: 7, aligned };
        for placement in [
            Placement::Separate,
            Placement::PooledAligned,
            Placement::PooledOdd,
            scattered(false),
            scattered(true),
        ] {
            let mut pool = Pool::new(placement, &operands, &results);
            let (read, written) = pool.tensors();
            assert!(read.iter().eq(&operands) && written.iter().eq(&results), "{placement:?}");
            written.into_iter().for_each(|result| result.fill(7));
            assert_eq!(pool.results().unwrap(), [&[7; 10][..], &[], &[7; 5]], "{placement:?}");
            let mut own = 0;
            for buffer in 0..pool.buffers.len() {
                for byte in 0..4 * pool.buffers[buffer].len() {
                    let mut changed = pool.clone();
                    bytemuck::cast_slice_mut::<_, u8>(&mut changed.buffers[buffer])[byte] ^= 1;
                    match changed.results() {
                        Ok(_) => own += 1,
                        Err(Failure::Damage { buffer: b, byte: at }) => assert_eq!((b, at), (buffer, byte)),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            assert_eq!(own, 15, "{placement:?}");
        }
    }
}
