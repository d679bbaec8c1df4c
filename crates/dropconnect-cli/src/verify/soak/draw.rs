//! Cases of the harness, each drawn from a seed and from nothing else.

use std::num::NonZeroU32;

use dropconnect::mask::philox::philox4x32;
use dropconnect::{
    Activation, Bias, DropProbability, ElementType, Error, Mask, MaskKey, Method, Origin, Shape, Sharing,
    Write,
};
use dropconnect_testing::{Case, Data, Kind, Placement, reductions};

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

/// A case of the harness that is drawn from a seed, and its numbers.
pub struct Drawn {
    pub seed: u64,
    /// Chooses among the kernels there are.
    pub kernels: u32,
    pub case: Case,
    pub data: Data,
}

impl Drawn {
    /// That of a seed.
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
        let origin_of = origin(&mut draws, &shape, block.whole);
        let mask = Mask::new(key, probability(&mut draws, &block)?).shared(sharing).at(origin_of);
        let element = block.element;
        let bias = if block.biased { draws.pick(&[Bias::Plain(()), Bias::Masked(())]) } else { Bias::None };
        let write = if draws.percent(50) { Write::Accumulate } else { Write::Overwrite };
        let passes = draws.within([1, 5]);
        let (samples, origin) = (draws.within([1, 9]), mask.origin);
        let case = Case {
            element,
            bias,
            write: [write; 3],
            placement: Placement::Scattered { seed, aligned: block.whole },
            passes,
            activation: block.activation,
            method: if block.closed { Method::Closed } else { Method::Sampled { samples, key, origin } },
            ..Case::new(shape, Some(mask))
        };
        let data = Data::each(&shape, |len| draws.values(len, element))
            .with_outputs(&shape, passes, |len| draws.values(len, element));
        Ok(Self { seed, kernels: block.kernels, case, data })
    }

    /// How large an element of a result is at home. Errors are measured against the whole result, or against one of
    /// such elements where the terms of its sums happen to cancel.
    pub fn unit(&self, kind: Kind, result: usize) -> f64 {
        let (shape, scale) = (&self.case.shape, self.case.mask.map_or(1.0, |mask| mask.scale()));
        // Products of two numbers in -1..1 have a variance of 1/9, numbers one of 1/3. As many of the terms as are not
        // dropped are scaled: a variance of scale.
        let sum = |terms: usize| (terms as f64 * scale).sqrt() / 3.0;
        let terms = shape.inputs() as f64 / 9.0;
        match (kind, result) {
            (Kind::BiasGradient, _) => 3f64.sqrt() * sum(shape.batch()),
            (Kind::Moments, 0) => terms.sqrt(),
            (Kind::Moments, _) => terms,
            // The variance is a small difference of large numbers, where masks hardly differ.
            (Kind::MonteCarlo, 0) => (terms * scale).sqrt(),
            (Kind::MonteCarlo, _) => terms * scale,
            // Numbers of about 1, and a tail of a normal distribution is no more precise than that.
            (Kind::Activation, _) => 1.0,
            // Entropies are sums of numbers of about 1, and the information is a difference of them.
            (Kind::Predictive, result) => f64::from(u8::from(result > 0)),
            _ => sum(reductions(kind)[result].length(shape)),
        }
    }

    /// For people, and complete but for the tensors.
    pub fn describe(&self) -> String {
        let Case { shape, element, bias, write, passes, activation, method, .. } = &self.case;
        let mask = self.case.mask.as_ref().map(|mask| {
            let (p, bits) = (mask.probability.requested(), mask.probability.bits());
            format!("p = {p} of {bits} bits, {:?}, {:?}, {:?}", mask.sharing, mask.origin, mask.key)
        });
        format!(
            "seed {}: {shape}, {element}, {}, bias {bias:?}, {:?}, {passes} passes, {activation:?} by {method:?}",
            self.seed,
            mask.unwrap_or_default(),
            write[0],
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
