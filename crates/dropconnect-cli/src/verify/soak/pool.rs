//! The tensors of one call in one buffer, at uneven places between guard bytes, as an engine's pool has them.

use std::ops::Range;

use super::draw::Draws;
use super::trial::{Piece, Stored};

/// What guards hold: two bytes in turn, which are NaN in every type for whoever reads them, and nothing that a result
/// is poisoned with.
const GUARD: [u8; 2] = [0xa5, 0xff];
/// The most guard bytes before a tensor, above the least of 4.
const GAP: u32 = 80;

/// One buffer, and where the tensors are in it.
pub struct Pool {
    /// Words, so that every place is aligned for f32.
    words: Vec<u32>,
    before: Vec<u32>,
    /// In bytes: operands, then results.
    pub places: Vec<Range<usize>>,
    /// How each is stored.
    pub stored: Vec<Stored>,
    operands: usize,
}

impl Pool {
    /// Puts the tensors into a buffer, in any order, at multiples of 4 bytes or, if `aligned`, of 16.
    pub fn new(draws: &mut Draws, operands: &[Piece], results: &[Piece], aligned: bool) -> Self {
        let pieces: Vec<&Piece> = operands.iter().chain(results).collect();
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, draws.below(at as u32 + 1) as usize);
        }
        let mut bytes = Vec::new();
        let mut places = vec![0..0; pieces.len()];
        let guard = |bytes: &mut Vec<u8>, end: usize| {
            bytes.extend((bytes.len()..end).map(|at| GUARD[at % GUARD.len()]));
        };
        for index in order {
            let start = bytes.len() + 4 + draws.below(GAP) as usize;
            guard(&mut bytes, start.next_multiple_of(if aligned { 16 } else { 4 }));
            let start = bytes.len();
            bytes.extend(&pieces[index].bytes);
            places[index] = start..bytes.len();
        }
        let end = (bytes.len() + 4 + draws.below(GAP) as usize).next_multiple_of(4);
        guard(&mut bytes, end);
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(&bytes);
        let stored = pieces.iter().map(|piece| piece.stored).collect();
        Self { before: words.clone(), words, places, stored, operands: operands.len() }
    }

    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.words)
    }

    /// The places of the results.
    pub fn results(&self) -> &[Range<usize>] {
        &self.places[self.operands..]
    }

    /// Operands and results, each a slice of the one buffer.
    pub fn tensors(&mut self) -> (Vec<&[u8]>, Vec<&mut [u8]>) {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        order.sort_by_key(|&index| (self.places[index].start, self.places[index].end));
        let mut parts = Vec::new();
        let (mut rest, mut at) = (bytemuck::cast_slice_mut::<u32, u8>(&mut self.words), 0);
        for index in order {
            let Range { start, end } = self.places[index];
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

    /// The first byte outside of the results that is not what it was.
    pub fn damage(&self) -> Option<usize> {
        let before: &[u8] = bytemuck::cast_slice(&self.before);
        let changed = |at: &usize| self.bytes()[*at] != before[*at];
        let own = |at: &usize| self.results().iter().any(|place| place.contains(at));
        (0..before.len()).filter(changed).find(|at| !own(at))
    }
}
