//! The bit planes that decisions are made of. A mask shows no plane but through a threshold, so they are drawn here as
//! `docs/mask-format.md` has it, and held to the library's bricks on the way.

use dropconnect::mask::brick::Brick;
use dropconnect::{DropProbability, Error, MaskKey};
use rayon::prelude::*;

use crate::faults::{ONE_OF, scramble};
use crate::maths::rate_sigmas;

/// Planes that the first state gives a brick of 9 bits and more, itself among them.
const FIRST: usize = 8;
/// All planes: those, then a state each.
const PLANES: usize = FIRST + 8;
const PAIRS: usize = PLANES * (PLANES - 1) / 2;
/// Pairs of states of which one follows the other.
const STEPS: usize = 8;
const ROTATIONS: [u32; FIRST] = [0, 28, 22, 8, 9, 25, 3, 30];
/// Bricks along inputs, outputs, examples, for each key.
const BRICKS: [u32; 3] = [128, 16, 16];

/// A plane of a brick, 128 lanes.
type Plane = [u64; 2];

#[derive(Clone, Copy, Debug)]
pub enum PlaneFault {
    PlaneRate,
    SameBrick,
    NextBrick,
    NextPlane,
    PreviousPlane,
}

const FAMILIES: [&str; 5] =
    ["rates", "pairs in a brick", "next brick", "next brick, next plane", "next brick, plane before"];

/// Faults, and the family that has to see each.
pub const FAULTS: [(PlaneFault, &str); 5] = [
    (PlaneFault::PlaneRate, FAMILIES[0]),
    (PlaneFault::SameBrick, FAMILIES[1]),
    (PlaneFault::NextBrick, FAMILIES[2]),
    (PlaneFault::NextPlane, FAMILIES[3]),
    (PlaneFault::PreviousPlane, FAMILIES[4]),
];

/// Lanes that are 1, and those that differ between two planes.
#[derive(Clone, Default)]
pub struct Counts {
    bricks: u64,
    /// Pairs of neighbouring bricks.
    neighbours: u64,
    ones: [u64; PLANES],
    pairs: Vec<u64>,
    next: [u64; PLANES],
    next_plane: [u64; STEPS],
    plane_before: [u64; STEPS],
}

/// Draws the planes of at least so many lanes.
///
/// # Panics
/// Where the library's bricks are not those of the planes.
pub fn count(key: MaskKey, lanes: u64, fault: Option<PlaneFault>) -> Result<Counts, Error> {
    // 16 bits and 8 bits, between them every plane.
    let probabilities = [DropProbability::new(0.2)?, DropProbability::with_bits(0.3, 8)?];
    let boxes = lanes.div_ceil(BRICKS.map(u64::from).iter().product::<u64>() * 128);
    let count = |step: u64| {
        let key = key.at_step(step).words();
        let mut counts = Counts { pairs: vec![0; PAIRS], ..Default::default() };
        for (n, o) in (0..BRICKS[2]).flat_map(|n| (0..BRICKS[1]).map(move |o| (n, o))) {
            let mut last = None;
            for i in 0..BRICKS[0] {
                let mut planes = draw([i, o, n], key);
                if i % 16 == 0 {
                    for probability in &probabilities {
                        assert_eq!(decide(&planes, probability), words([i, o, n], key, probability));
                    }
                }
                let random = scramble(step << 32 | u64::from(n << 16 | o << 8 | i));
                if let Some(fault) = fault.filter(|_| random.is_multiple_of(ONE_OF)) {
                    apply(fault, &mut planes, last.as_ref());
                }
                counts.add(&planes, last.as_ref());
                last = Some(planes);
            }
        }
        counts
    };
    Ok((0..boxes).into_par_iter().map(count).reduce(Counts::default, Counts::plus))
}

fn draw(block: [u32; 3], key: [u32; 2]) -> [Plane; PLANES] {
    let mut state = [block[0], block[1], block[2], 0];
    let mut round = 0;
    let mut go_on = |state: &mut [u32; 4], rounds: u32| {
        for round in round..round + rounds {
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
        round += rounds;
    };
    let plane = |words: [u32; 4]| [0, 2].map(|w| u64::from(words[w]) | u64::from(words[w + 1]) << 32);
    let mut planes = [[0; 2]; PLANES];
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

/// u < T lane by lane, as the format's definition has it and no ladder.
fn decide(planes: &[Plane; PLANES], probability: &DropProbability) -> [u32; 4] {
    let bits = probability.bits() as usize;
    // From the most significant down: the states backwards, then what the first gives.
    let states = (1..=8).rev().map(|k| FIRST - 1 + k);
    let significant: Vec<usize> = if bits > 8 {
        states.chain(0..bits - 8).collect()
    } else {
        states.skip(9 - bits).chain([0]).collect()
    };
    assert_eq!(significant.len(), bits);
    std::array::from_fn(|word| {
        let kept = |lane: usize| {
            let bit = |plane: usize| planes[plane][word / 2] >> (word % 2 * 32 + lane) & 1;
            let u = significant.iter().fold(0, |u, &plane| u << 1 | bit(plane));
            u32::from(u < u64::from(probability.threshold()))
        };
        (0..32).fold(0, |all, lane| all | kept(lane) << lane)
    })
}

fn words(block: [u32; 3], key: [u32; 2], probability: &DropProbability) -> [u32; 4] {
    let brick = Brick::decide(block, key, probability);
    [0, 1, 2, 3].map(|n| brick.word(n))
}

fn apply(fault: PlaneFault, planes: &mut [Plane; PLANES], last: Option<&[Plane; PLANES]>) {
    let last = last.copied().unwrap_or(*planes);
    match fault {
        PlaneFault::PlaneRate => planes[5][1] = u64::MAX,
        PlaneFault::SameBrick => planes[12] = planes[3],
        PlaneFault::NextBrick => planes[10] = last[10],
        PlaneFault::NextPlane => planes[11] = last[10],
        PlaneFault::PreviousPlane => planes[10] = last[11],
    }
}

fn ones(plane: Plane) -> u64 {
    u64::from(plane[0].count_ones() + plane[1].count_ones())
}

fn different(a: Plane, b: Plane) -> u64 {
    ones([a[0] ^ b[0], a[1] ^ b[1]])
}

/// The plane that state k is.
fn state(k: usize) -> usize {
    if k == 0 { 0 } else { FIRST - 1 + k }
}

impl Counts {
    fn add(&mut self, planes: &[Plane; PLANES], last: Option<&[Plane; PLANES]>) {
        self.bricks += 1;
        let pairs = (0..PLANES).flat_map(|a| (0..a).map(move |b| (a, b)));
        self.pairs.iter_mut().zip(pairs).for_each(|(sum, (a, b))| *sum += different(planes[a], planes[b]));
        self.ones.iter_mut().zip(planes).for_each(|(sum, &plane)| *sum += ones(plane));
        let Some(last) = last else { return };
        self.neighbours += 1;
        self.next.iter_mut().enumerate().for_each(|(k, sum)| *sum += different(last[k], planes[k]));
        for k in 0..STEPS {
            self.next_plane[k] += different(last[state(k)], planes[state(k + 1)]);
            self.plane_before[k] += different(last[state(k + 1)], planes[state(k)]);
        }
    }

    fn plus(mut self, other: Self) -> Self {
        let add = |sums: &mut [u64], values: &[u64]| sums.iter_mut().zip(values).for_each(|(s, v)| *s += v);
        self.bricks += other.bricks;
        self.neighbours += other.neighbours;
        self.pairs.resize(PAIRS, 0);
        add(&mut self.ones, &other.ones);
        add(&mut self.pairs, &other.pairs);
        add(&mut self.next, &other.next);
        add(&mut self.next_plane, &other.next_plane);
        add(&mut self.plane_before, &other.plane_before);
        self
    }

    /// Lanes drawn, each with all its planes.
    pub fn lanes(&self) -> u64 {
        self.bricks * 128
    }

    /// Every statistic in standard deviations, by family.
    pub fn families(&self) -> [(&'static str, Vec<f64>); 5] {
        let sigmas = |counts: &[u64], bricks: u64| {
            counts.iter().map(|&count| rate_sigmas(count, bricks * 128, 0.5)).collect::<Vec<_>>()
        };
        [
            (FAMILIES[0], sigmas(&self.ones, self.bricks)),
            (FAMILIES[1], sigmas(&self.pairs, self.bricks)),
            (FAMILIES[2], sigmas(&self.next, self.neighbours)),
            (FAMILIES[3], sigmas(&self.next_plane, self.neighbours)),
            (FAMILIES[4], sigmas(&self.plane_before, self.neighbours)),
        ]
    }
}
