//! The bit planes that decisions are made of. A mask shows no plane but through a threshold, so they are drawn here as
//! `docs/mask-format.md` has it, and compared with the library's bricks on the way.

use dropconnect::mask::brick::Brick;
use dropconnect::{DropProbability, Error, MaskKey};
use rayon::prelude::*;

use crate::sigmas::of_rate;
use crate::stream::{ONE_OF, scramble};

/// Planes that the first state gives a brick of 9 bits and more, itself among them.
const FIRST: usize = 8;
/// All planes: those, then a state each.
const PLANES: usize = FIRST + 8;
const ROTATIONS: [u32; FIRST] = [0, 28, 22, 8, 9, 25, 3, 30];
/// Bricks along inputs, outputs, examples, for each key.
const BRICKS: [u32; 3] = [128, 16, 16];

/// A plane of a brick: a bit for each of 128 lanes.
type Planes = [u128; PLANES];

/// A fault, the family that has to see it, and what it makes of planes; the second are those of the brick before.
pub type Fault = (&'static str, &'static str, fn(&mut Planes, &Planes));

pub const FAULTS: [Fault; 5] = [
    ("half a plane is 1", "rates", |planes, _| planes[5] |= u128::MAX << 64),
    ("equal planes", "pairs in a brick", |planes, _| planes[12] = planes[3]),
    ("equal planes, next brick", "next brick", |planes, last| planes[10] = last[10]),
    ("a plane goes on", "next brick, next plane", |planes, last| planes[11] = last[10]),
    ("a plane goes back", "next brick, plane before", |planes, last| planes[10] = last[11]),
];

/// What the lanes of a plane are compared with.
#[derive(Clone, Copy)]
enum With {
    Zeros,
    Same(usize),
    /// A plane of the brick before, along inputs.
    Before(usize),
}

/// The comparisons: a plane, and with what.
fn families() -> [(&'static str, Vec<(usize, With)>); 5] {
    let states: Vec<usize> = std::iter::once(0).chain(FIRST..PLANES).collect();
    let steps = || states.windows(2).map(|pair| (pair[0], pair[1]));
    [
        ("rates", (0..PLANES).map(|k| (k, With::Zeros)).collect()),
        ("pairs in a brick", (0..PLANES).flat_map(|a| (0..a).map(move |b| (a, With::Same(b)))).collect()),
        ("next brick", (0..PLANES).map(|k| (k, With::Before(k))).collect()),
        ("next brick, next plane", steps().map(|(one, next)| (next, With::Before(one))).collect()),
        ("next brick, plane before", steps().map(|(one, next)| (one, With::Before(next))).collect()),
    ]
}

/// Draws the planes of at least so many lanes. Gives how many, and each statistic by family.
///
/// # Panics
/// Where the library's bricks are not those of the planes.
#[allow(clippy::type_complexity, reason = "named where it is used")]
pub fn sigmas(
    key: MaskKey,
    lanes: u64,
    fault: Option<Fault>,
) -> Result<(u64, Vec<(&'static str, Vec<f64>)>), Error> {
    // 16 bits and 8 bits, between them every plane.
    let probabilities = [DropProbability::new(0.2)?, DropProbability::with_bits(0.3, 8)?];
    let families = families();
    let comparisons: Vec<_> = families.iter().flat_map(|(_, comparisons)| comparisons).copied().collect();
    let [inputs, outputs, examples] = BRICKS;
    let rows = lanes.div_ceil(128 * u64::from(inputs * outputs * examples)) * u64::from(outputs * examples);
    let count = |row: u64| {
        let step = row / u64::from(outputs * examples);
        let [n, o] = [row as u32 / outputs % examples, row as u32 % outputs];
        let key = key.at_step(step).words();
        let mut differing = vec![0; comparisons.len()];
        let mut last = None;
        for i in 0..inputs {
            let mut planes = draw([i, o, n], key);
            for probability in probabilities.iter().filter(|_| i % 16 == 0) {
                let brick = Brick::decide([i, o, n], key, probability);
                assert_eq!(decide(&planes, probability), [0, 1, 2, 3].map(|n| brick.word(n)));
            }
            let random = scramble(step << 32 | u64::from(n << 16 | o << 8 | i));
            if let Some((_, _, apply)) = fault.filter(|_| random.is_multiple_of(ONE_OF)) {
                let before = last.unwrap_or(planes);
                apply(&mut planes, &before);
            }
            for (sum, &(plane, with)) in differing.iter_mut().zip(&comparisons) {
                let other = match (with, &last) {
                    (With::Zeros, _) => 0,
                    (With::Same(other), _) => planes[other],
                    (With::Before(other), Some(last)) => last[other],
                    (With::Before(_), None) => continue,
                };
                *sum += u64::from((planes[plane] ^ other).count_ones());
            }
            last = Some(planes);
        }
        differing
    };
    let add = |sums: Vec<u64>, others: Vec<u64>| sums.iter().zip(others).map(|(a, b)| a + b).collect();
    let sums = (0..rows).into_par_iter().map(count).reduce(|| vec![0; comparisons.len()], add);
    let mut sigmas = sums.iter().zip(&comparisons).map(|(&differing, (_, with))| {
        let bricks = if matches!(with, With::Before(_)) { inputs - 1 } else { inputs };
        of_rate(differing, 128 * rows * u64::from(bricks), 0.5)
    });
    let named =
        |(name, comparisons): &(_, Vec<_>)| (*name, sigmas.by_ref().take(comparisons.len()).collect());
    Ok((128 * rows * u64::from(inputs), families.iter().map(named).collect()))
}

fn draw(block: [u32; 3], key: [u32; 2]) -> Planes {
    let mut state = [block[0], block[1], block[2], 0];
    let mut rounds = 0u32..;
    let mut go_on = |state: &mut [u32; 4], count: usize| {
        for round in rounds.by_ref().take(count) {
            let key = [0, 1].map(|w| key[w].wrapping_add(round.wrapping_mul([0x9E37_79B9, 0xBB67_AE85][w])));
            let a = 0xD251_1F53 * u64::from(state[0]);
            let b = 0xCD9E_8D57 * u64::from(state[2]);
            *state = [
                (b >> 32) as u32 ^ state[1] ^ key[0],
                b as u32,
                (a >> 32) as u32 ^ state[3] ^ key[1],
                a as u32,
            ];
        }
    };
    let plane = |words: [u32; 4]| words.iter().rev().fold(0, |plane, &word| plane << 32 | u128::from(word));
    let mut planes = [0; PLANES];
    go_on(&mut state, 10);
    for t in 0..FIRST {
        planes[t] = plane([0, 1, 2, 3].map(|w| state[(w + t) % 4].rotate_left(ROTATIONS[t])));
    }
    for planes in &mut planes[FIRST..] {
        go_on(&mut state, 3);
        *planes = plane(state);
    }
    planes
}

/// u < T lane by lane, as the format's definition has it, without a bit-serial comparison.
fn decide(planes: &Planes, probability: &DropProbability) -> [u32; 4] {
    let bits = probability.bits() as usize;
    // From the most significant down: the states backwards, then what the first gives.
    let states = (FIRST..PLANES).rev();
    let significant: Vec<usize> = if bits > 8 {
        states.chain(0..bits - 8).collect()
    } else {
        states.skip(9 - bits).chain([0]).collect()
    };
    std::array::from_fn(|word| {
        (0..32).fold(0, |all, lane| {
            let bit = |&plane: &usize| (planes[plane] >> (32 * word + lane)) as u32 & 1;
            let u = significant.iter().map(bit).fold(0, |u, bit| u << 1 | bit);
            all | u32::from(u < probability.threshold()) << lane
        })
    })
}
