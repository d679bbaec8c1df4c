//! What a case of the soak is made of, drawn from its seed and from nothing else.

use std::num::NonZeroU32;

use dropconnect::mask::philox::philox4x32;
use dropconnect::{
    Activation, DropProbability, ElementType, Error, Mask, MaskKey, Origin, Shape, Sharing, Write,
};
use dropconnect_testing::{BiasKind, Call, Data, Placement};

/// Cases in a row that share what decides a kernel variant: on software adapters a variant takes up to seconds to
/// compile, and there are thousands.
const BLOCK: u64 = 50;
/// The most connections of a case, for the sake of float64; one in [`RARE`] may have [`LARGER`] times as many.
const CONNECTIONS: usize = 60_000;
const LARGER: usize = 12;
const RARE: u32 = 50;

/// The seed of a case: that of the soak is the first one's, so that a case by itself is a soak of one. The upper half
/// belongs to the block.
pub fn case_seed(seed: u64, index: u64) -> u64 {
    let hash = |what: u32, number: u64| {
        let counter = [number as u32, (number >> 32) as u32, what, 0x534f_414b];
        u64::from(philox4x32(counter, [seed as u32, (seed >> 32) as u32])[0])
    };
    let block = index / BLOCK;
    let upper = if block == 0 { seed >> 32 } else { hash(0, block) };
    let lower = if index == 0 { seed & 0xffff_ffff } else { hash(1, index) };
    upper << 32 | lower
}

/// Random numbers of a seed: Philox, counting.
pub struct Draws {
    key: [u32; 2],
    stream: u32,
    next: u64,
    words: [u32; 4],
}

impl Draws {
    /// Streams of one seed have nothing in common.
    pub fn new(seed: u64, stream: u32) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], stream, next: 0, words: [0; 4] }
    }

    pub fn word(&mut self) -> u32 {
        let (call, at) = (self.next / 4, (self.next % 4) as usize);
        if at == 0 {
            let counter = [call as u32, (call >> 32) as u32, self.stream, 0x534f_414b];
            self.words = philox4x32(counter, self.key);
        }
        self.next += 1;
        self.words[at]
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(end)) >> 32) as u32
    }

    /// At least the first and at most the last.
    pub fn within(&mut self, [first, last]: [u32; 2]) -> u32 {
        first + self.below(last - first + 1)
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, share: u32) -> bool {
        self.below(100) < share
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    /// In -1..1, rounded to `element`.
    pub fn values(&mut self, length: usize, element: ElementType) -> Vec<f32> {
        (0..length).map(|_| element.round((self.word() >> 8) as f32 / (1 << 23) as f32 - 1.0)).collect()
    }
}

/// How many bits of p a kernel draws.
#[derive(Clone, Copy, PartialEq)]
enum Planes {
    None,
    One,
    Many,
}

/// What decides the kernel variants of a case.
struct Block {
    kernels: u32,
    element: ElementType,
    planes: Planes,
    sharing: Sharing,
    biased: bool,
    /// Sizes, origins and places in whole bricks and vectors.
    whole: bool,
    activation: Activation,
    closed: bool,
    /// Least and most of examples, outputs and inputs.
    sizes: [[u32; 2]; 3],
}

impl Block {
    fn new(seed: u64) -> Self {
        // The lower half is the case's.
        let mut draws = Draws::new(seed >> 32, 0);
        let activation =
            draws.pick(&[Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh]);
        let has_closed_form = matches!(activation, Activation::Identity | Activation::Relu);
        Self {
            kernels: draws.word(),
            element: draws.pick(&[ElementType::F32, ElementType::F32, ElementType::F16, ElementType::BF16]),
            planes: draws.pick(&[
                Planes::Many,
                Planes::Many,
                Planes::Many,
                Planes::One,
                Planes::One,
                Planes::None,
            ]),
            sharing: draws.pick(&[
                Sharing::Example,
                Sharing::Example,
                Sharing::Group(NonZeroU32::MIN),
                Sharing::Batch,
            ]),
            biased: draws.percent(70),
            whole: draws.percent(40),
            activation,
            closed: has_closed_form && draws.percent(60),
            sizes: [
                draws.pick(&[[1, 1], [1, 5], [2, 20], [5, 40], [60, 140]]),
                draws.pick(&[[1, 1], [1, 5], [2, 20], [5, 60], [100, 260]]),
                draws.pick(&[[1, 1], [1, 9], [2, 40], [9, 100], [200, 600]]),
            ],
        }
    }
}

/// One case: a layer under a mask, and all that its passes are asked for.
pub struct Case {
    pub seed: u64,
    /// Chooses among the kernels there are.
    pub kernels: u32,
    pub shape: Shape,
    pub element: ElementType,
    pub mask: Mask,
    pub bias: BiasKind,
    pub accumulate: bool,
    pub data: Data,
    /// Monte-Carlo passes, and those of a classifier.
    pub passes: u32,
    /// Gaussian samples; `None` for the closed form.
    pub samples: Option<u32>,
    pub activation: Activation,
    /// Tensors start at multiples of 16 bytes; otherwise of 4.
    pub aligned: bool,
}

impl Case {
    /// The case of a seed.
    pub fn new(seed: u64) -> Result<Self, Error> {
        let block = Block::new(seed);
        let mut draws = Draws::new(seed, 1);
        let shape = shape(&mut draws, &block)?;
        let key = MaskKey {
            pass: draws.percent(25).then(|| draws.word()),
            ..MaskKey::new(long(&mut draws), edge(&mut draws)).at_step(long(&mut draws))
        };
        let sharing = match block.sharing {
            Sharing::Group(_) => {
                NonZeroU32::new(draws.within([1, 12])).map_or(Sharing::Batch, Sharing::Group)
            }
            sharing => sharing,
        };
        let mask = Mask::new(key, probability(&mut draws, &block)?).shared(sharing).at(origin(
            &mut draws,
            &shape,
            block.whole,
        ));
        let element = block.element;
        let mut before = Draws::new(seed, 2);
        let mut before = |len| before.values(len, element);
        Ok(Self {
            seed,
            kernels: block.kernels,
            shape,
            element,
            mask,
            bias: if block.biased {
                draws.pick(&[BiasKind::Plain, BiasKind::Masked])
            } else {
                BiasKind::None
            },
            accumulate: draws.percent(50),
            data: Data {
                x: draws.values(shape.input_len(), element),
                weight: draws.values(shape.weight_len(), element),
                bias: draws.values(shape.outputs(), element),
                grad_output: draws.values(shape.output_len(), element),
                before: [before(shape.input_len()), before(shape.weight_len()), before(shape.outputs())],
            },
            passes: draws.within([1, 5]),
            samples: (!block.closed).then(|| draws.within([1, 9])),
            activation: block.activation,
            aligned: block.whole,
        })
    }

    /// The call of a pass of the layer.
    pub fn call(&self) -> Call {
        let &Self { seed, shape, element, mask, bias, aligned, .. } = self;
        let placement = Placement::Scattered { seed, aligned };
        Call { shape, element, mask: Some(mask), bias, write: [self.write(); 3], placement }
    }

    /// What gradients do to their results.
    pub fn write(&self) -> Write {
        if self.accumulate { Write::Accumulate } else { Write::Overwrite }
    }

    /// For people, and complete but for the tensors.
    pub fn describe(&self) -> String {
        let Self { seed, shape, element, mask, bias, accumulate, passes, samples, activation, .. } = self;
        let (p, bits) = (mask.probability.requested(), mask.probability.bits());
        format!(
            "seed {seed}: {shape}, {element}, p = {p} of {bits} bits, {:?}, {:?}, {:?}, bias {bias:?}, \
             accumulate {accumulate}, {passes} passes, {activation:?} by {samples:?} samples",
            mask.sharing, mask.origin, mask.key
        )
    }
}

fn shape(draws: &mut Draws, block: &Block) -> Result<Shape, Error> {
    let most = if draws.below(RARE) == 0 { LARGER * CONNECTIONS } else { CONNECTIONS };
    let grown = if most == CONNECTIONS { 1 } else { 3 };
    let mut size = |axis: usize, whole: u32| {
        let size = draws.within(block.sizes[axis]) * grown;
        (if block.whole { size.next_multiple_of(whole) } else { size }) as usize
    };
    let (batch, outputs, inputs) = (size(0, 1), size(1, 4), size(2, 8));
    let batch = if draws.percent(4) { 0 } else { batch.min((most / (outputs * inputs)).max(1)) };
    Shape::new(batch, outputs, inputs)
}

/// A probability that takes as many planes as the block's kernels draw.
fn probability(draws: &mut Draws, block: &Block) -> Result<DropProbability, Error> {
    let fits = |probability: &DropProbability| match block.planes {
        Planes::None => !probability.drops(),
        Planes::One => probability.bits() == 1,
        // 16-bit types hold no results that are scaled by thousands.
        Planes::Many => {
            probability.bits() > 1 && (block.element == ElementType::F32 || probability.scale() < 64.0)
        }
    };
    for _ in 0..100 {
        let bits = draws.within([1, 16]);
        let p = match block.planes {
            Planes::None => draws.pick(&[0.0, 1e-6]),
            Planes::One => 0.5,
            Planes::Many => match draws.below(4) {
                0 => draws.pick(&[0.1, 0.2, 0.25, 0.3, 0.75, 0.9, 0.99]),
                1 => 1.0 - f64::from(1 + draws.below(3)) / f64::from(1u32 << bits),
                _ => f64::from(draws.word()) / f64::from(u32::MAX) * 0.99,
            },
        };
        // Some of them leave nothing at so few bits.
        match DropProbability::with_bits(p, bits) {
            Ok(probability) if fits(&probability) => return Ok(probability),
            _ => {}
        }
    }
    DropProbability::new(0.3)
}

/// At 0, near it, anywhere and at the very end.
fn origin(draws: &mut Draws, shape: &Shape, whole: bool) -> Origin {
    let mut along = |size: usize, brick: u32| {
        let last = u32::MAX - (size as u32).saturating_sub(1);
        let at = match draws.below(4) {
            0 => 0,
            1 => draws.below(100).min(last),
            2 => draws.below(last),
            _ => last - draws.below(20).min(last),
        };
        if whole { at - at % brick } else { at }
    };
    Origin {
        example: along(shape.batch(), 16),
        output: along(shape.outputs(), 4),
        input: along(shape.inputs(), 8),
    }
}

fn edge(draws: &mut Draws) -> u32 {
    match draws.below(4) {
        0 => 0,
        1 => u32::MAX,
        _ => draws.word(),
    }
}

fn long(draws: &mut Draws) -> u64 {
    u64::from(edge(draws)) << 32 | u64::from(edge(draws))
}
