//! The variants of every kernel.

use std::collections::HashSet;
use std::sync::LazyLock;

use rayon::prelude::*;

use crate::call::Axis;
use crate::gpu::shader::pass::{BIAS_TILE, FLAT_TILE, Integral, Pass};
use crate::gpu::shader::variant::{Planes, Shared, Variant};
use crate::gpu::tuning::{MaskOp, Multiply, Tile};
use crate::{Activation, ElementType};

/// Every kernel with every choice of its own, but for the threads that share an example: those are the tile's.
pub(in crate::gpu) const PASSES: &[Pass] = &[
    Pass::Forward { bias: false },
    Pass::Forward { bias: true },
    Pass::InputGradient,
    Pass::WeightGradient,
    Pass::BiasGradient,
    Pass::Mask { of_bias: false },
    Pass::Mask { of_bias: true },
    Pass::Moments { bias: false },
    Pass::Moments { bias: true },
    Pass::Activation(Integral::ClosedIdentity),
    Pass::Activation(Integral::ClosedRelu),
    Pass::Activation(Integral::Sampled(Activation::Identity)),
    Pass::Activation(Integral::Sampled(Activation::Relu)),
    Pass::Activation(Integral::Sampled(Activation::Sigmoid)),
    Pass::Activation(Integral::Sampled(Activation::Tanh)),
    Pass::MonteCarlo { bias: false },
    Pass::MonteCarlo { bias: true },
    Pass::Predictive { threads: 1 },
    Pass::Round,
    Pass::Update,
];
const BOOL: [bool; 2] = [false, true];

/// The tiles of a pass: what GPUs get, what software adapters get, and one of several columns or rows whose operands
/// go through workgroup memory.
pub(in crate::gpu) fn tiles(pass: Pass) -> Vec<Tile> {
    let tile = Tile::new;
    let tiled = |rows, columns, workgroup, steps| tile(rows, columns, workgroup).with_k_tile(steps);
    match pass {
        Pass::BiasGradient => vec![BIAS_TILE],
        Pass::Predictive { .. } => vec![FLAT_TILE, tile(1, 1, [8, 1]), tile(1, 1, [256, 1])],
        Pass::Moments { .. } => vec![tile(2, 1, [8, 4]), tile(2, 2, [16, 1])],
        Pass::MonteCarlo { .. } => vec![tile(2, 1, [8, 4]), tile(4, 4, [16, 1]), tiled(1, 1, [8, 8], 4)],
        _ => match pass.reduction_axis() {
            Some(Axis::Input) => {
                vec![tile(1, 1, [8, 4]), tile(4, 4, [16, 1]), tiled(2, 1, [8, 4], 4)]
            }
            Some(Axis::Output) => {
                vec![tile(1, 1, [8, 4]), tile(8, 2, [16, 1]), tiled(2, 1, [8, 8], 4)]
            }
            Some(Axis::Example) => {
                vec![tile(1, 1, [8, 4]), tile(8, 2, [16, 1]), tiled(2, 2, [6, 5], 4)]
            }
            None => vec![FLAT_TILE],
        },
    }
}

/// Whether a pass reads f32 whatever the call's element type, and whether it writes f32.
fn takes_f32(pass: Pass) -> bool {
    matches!(pass, Pass::Round | Pass::Update | Pass::Activation(_))
}

fn gives_f32(pass: Pass) -> bool {
    matches!(
        pass,
        Pass::Moments { .. }
            | Pass::MonteCarlo { .. }
            | Pass::Update
            | Pass::Activation(_)
            | Pass::Predictive { .. }
    )
}

/// Whether sums may go through scratch memory.
fn contracts(pass: Pass) -> bool {
    pass == Pass::BiasGradient || pass.reduction_axis().is_some() && !matches!(pass, Pass::MonteCarlo { .. })
}

/// Some of the variants, in which every two choices that meet in any of them meet still.
fn keep_pairs(all: &mut Vec<Variant>) {
    let mut seen = HashSet::new();
    all.retain(|one| {
        let words = [one.vector, one.read_write, one.unrolled, one.split_k > 1, one.blocked].map(usize::from);
        let choices = words.into_iter().chain([
            one.element as usize,
            one.result as usize,
            one.planes as usize,
            one.mask_op as usize,
            one.multiply as usize,
            one.sharing as usize,
        ]);
        let choices: Vec<_> = choices.enumerate().collect();
        let pairs =
            choices.iter().enumerate().flat_map(|(at, a)| choices[..at].iter().map(move |b| (*a, *b)));
        pairs.fold(false, |new, pair| seen.insert(pair) | new)
    });
}

/// Every pass with each of its tiles.
pub(super) fn kernels() -> impl Iterator<Item = (Pass, Tile)> {
    PASSES.iter().flat_map(|&pass| tiles(pass).into_iter().map(move |tile| (pass, tile)))
}

/// Variants and their texts.
pub(in crate::gpu) type Texts = Vec<(Variant, String)>;

/// For each of them the variants that hold every pair of choices, made once for the tests that take them.
pub(in crate::gpu) static SAMPLE: LazyLock<Vec<(Pass, Tile, Texts)>> =
    LazyLock::new(|| kernels().map(|(pass, tile)| (pass, tile, variants(pass, tile, false))).collect());

/// The variants of a pass with a tile and their texts, less those whose text is the same as another's: all, or those
/// that hold every pair of choices.
pub(super) fn variants(pass: Pass, tile: Tile, full: bool) -> Texts {
    let mut all = Vec::new();
    let planes = [Planes::None, Planes::One, Planes::Few, Planes::Many];
    for (element, planes) in
        ElementType::ALL.into_iter().flat_map(|element| planes.map(|planes| (element, planes)))
    {
        for (vector, read_write) in BOOL.into_iter().flat_map(|vector| BOOL.map(|rw| (vector, rw))) {
            for (mask_op, multiply) in [MaskOp::Select, MaskOp::And]
                .into_iter()
                .flat_map(|mask_op| [Multiply::Wide, Multiply::Split].map(|multiply| (mask_op, multiply)))
            {
                for unrolled in BOOL {
                    all.push(Variant {
                        pass,
                        element: if takes_f32(pass) { ElementType::F32 } else { element },
                        result: if gives_f32(pass) { ElementType::F32 } else { element },
                        planes,
                        // The mask of a bias is one byte a row.
                        vector: vector && pass != (Pass::Mask { of_bias: true }),
                        read_write,
                        tile,
                        split_k: 1,
                        mask_op,
                        multiply,
                        unrolled,
                        sharing: Shared::Each,
                        blocked: false,
                    });
                }
            }
        }
    }
    // Shared masks change how a word is found, which has nothing to do with element types.
    let shared: Vec<_> = all
        .iter()
        .filter(|one| one.element == ElementType::F32 && one.planes != Planes::None)
        .flat_map(|one| [Shared::Rows, Shared::Tile].map(|sharing| Variant { sharing, ..*one }))
        .filter(|one| one.sharing == Shared::Rows || pass.reduction_axis().is_some())
        .collect();
    all.extend(shared);
    // Sums of 16-bit operands on their way through scratch memory, and Y that is f32.
    let wide: Vec<_> = all
        .iter()
        .filter(|one| one.element != ElementType::F32 && one.planes != Planes::None && contracts(pass))
        // Which has nothing to do with how masks are drawn.
        .filter(|one| one.mask_op == MaskOp::And && one.multiply == Multiply::Split)
        .map(|one| Variant { result: ElementType::F32, ..*one })
        .collect();
    all.extend(wide);
    // Threads that share an example.
    if let Pass::Predictive { .. } = pass {
        let threads = if tile == FLAT_TILE { 1 } else { tile.workgroup[0] };
        all.iter_mut().for_each(|one| one.pass = Pass::Predictive { threads });
    }
    // Threads that share a tile.
    if pass.reduction_axis().is_some() && !matches!(pass, Pass::MonteCarlo { .. }) {
        let split: Vec<_> = all.iter().map(|one| Variant { split_k: 4, ..*one }).collect();
        all.extend(split);
    }
    // Sums of several blocks, which has nothing to do with how masks are drawn.
    if matches!(pass, Pass::Moments { .. } | Pass::BiasGradient) || pass.reduction_axis().is_some() {
        let blocked: Vec<_> = all
            .iter()
            .filter(|one| matches!(one.planes, Planes::None | Planes::One))
            .filter(|one| one.mask_op == MaskOp::And && one.multiply == Multiply::Split)
            .map(|one| Variant { blocked: true, ..*one })
            .collect();
        all.extend(blocked);
    }
    // Element types and access change declarations only: with one way of applying and multiplying they have been seen,
    // through workgroup memory with one kind of k loop, and wide tiles, slow to translate, go without.
    let wide = tile.k_tile == 0 && tile != tiles(pass)[0];
    all.retain(|one| {
        let usual = one.element == ElementType::F32 && !one.read_write;
        let seen = tile.k_tile > 0 && (one.unrolled || one.split_k != 1);
        usual || !wide && !seen && one.mask_op == MaskOp::And && one.multiply == Multiply::Split
    });
    // How operands come has nothing to do with how masks are drawn.
    if tile.k_tile > 0 {
        all.retain(|one| one.mask_op == MaskOp::And);
    }
    if !full {
        keep_pairs(&mut all);
    }
    let mut texts: Vec<_> = all.par_iter().map(|variant| (*variant, variant.source())).collect();
    let mut seen = HashSet::new();
    let mut first =
        texts.iter().map(|(_, source)| seen.insert(source.as_str())).collect::<Vec<_>>().into_iter();
    texts.retain(|_| first.next() == Some(true));
    texts
}
