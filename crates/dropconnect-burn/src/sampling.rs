//! What a whole network says over many masks: every layer drops, on any device, for a batch that is repeated.

use std::cell::Cell;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, s};
use dropconnect::{Mask, Origin, Sharing};

use crate::error::expect;
use crate::mask::{coordinate, group};
use crate::op::try_drop_connect;
use crate::predictive::{Predictive, check, widened};
use crate::{Draw, Error, MaskSettings, StepCounter};

/// Examples in one run of the model, unless told otherwise.
const MAX_EXAMPLES: usize = 16_384;

thread_local! {
    static SCOPE: Cell<Option<Scope>> = const { Cell::new(None) };
}

/// A run of a model on a batch that holds `tiles` copies of one batch, the first of which is pass `first` of an
/// estimate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    step: u64,
    first: u32,
    tiles: u32,
}

/// Leaves the scope also where the model panics.
struct Leave(Option<Scope>);

impl Drop for Leave {
    fn drop(&mut self) {
        SCOPE.set(self.0);
    }
}

/// What a call of a layer does with its weights.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Nothing is dropped.
    Dense,
    /// One mask.
    At(Draw),
    /// The masks of many passes.
    Tiles(Scope),
}

/// Where a call draws its masks, at `draw` or the next step, if it draws any. As for Burn's `Dropout` the device says
/// that a backward is possible at all, and the flag that this layer takes part in one. What cannot run, as `check`
/// says, takes no step; nor does an input of so many `rows` for each index of its first dimension that masks do not
/// tell them apart.
pub(crate) fn place(
    settings: &MaskSettings,
    training: bool,
    steps: &StepCounter,
    device: &Device,
    draw: Option<Draw>,
    rows: usize,
    check: impl FnOnce() -> Result<(), Error>,
) -> Result<Place, Error> {
    if !settings.probability.drops() {
        return Ok(Place::Dense);
    }
    if let Some(scope) = SCOPE.get() {
        return Ok(Place::Tiles(scope));
    }
    if !training || !device.is_autodiff() {
        return Ok(Place::Dense);
    }
    check()?;
    settings.mask_of_rows(draw.unwrap_or_default(), rows)?;
    Ok(Place::At(draw.unwrap_or_else(|| Draw { step: steps.take(), ..Draw::default() })))
}

impl Place {
    /// At this place whatever device and flag say.
    pub fn always(settings: &MaskSettings, draw: Draw) -> Self {
        if settings.probability.drops() { Self::At(draw) } else { Self::Dense }
    }

    /// The layer's matrix product and bias with masks at this place. `x` has `rows` rows for every index of the first
    /// dimension of the layer's input.
    pub fn drop_connect(
        self,
        settings: &MaskSettings,
        first_output: u32,
        rows: usize,
        [x, weight]: [Tensor<2>; 2],
        bias: Option<Tensor<1>>,
    ) -> Result<Tensor<2>, Error> {
        let run = |x, mask: Mask| {
            let mask = mask.at(Origin { output: first_output, ..mask.origin });
            try_drop_connect(x, weight.clone(), bias.clone(), mask, settings.masked_bias)
        };
        match self {
            Self::Dense => unreachable!("the caller uses Burn's own operation"),
            Self::At(draw) => run(x, settings.mask_of_rows(draw, rows)?),
            Self::Tiles(scope) => {
                let (tile, masks) = scope.masks(settings, x.dims()[0], rows)?;
                if let [mask] = masks[..] {
                    return run(x, mask);
                }
                let parts = masks.into_iter().enumerate();
                let part = |(at, mask)| run(x.clone().slice(s![at * tile..(at + 1) * tile, ..]), mask);
                Ok(Tensor::cat(parts.map(part).collect::<Result<Vec<_>, _>>()?, 0))
            }
        }
    }
}

impl Scope {
    /// Where the masks of a run with one copy are, and which pass that is: for a layer that has one mask at a time.
    pub fn only_pass(self) -> Result<(Draw, u32), Error> {
        if self.tiles > 1 {
            let what = "a converted `Linear` in a run of several passes (take `with_max_examples(1)`)";
            return Err(Error::Unsupported { what });
        }
        Ok((Draw { step: self.step, pass: Some(0), first_example: 0 }, self.first))
    }

    /// Rows of a tile, and the mask of all tiles, or that of each where groups of rows end within a tile.
    fn masks(
        self,
        settings: &MaskSettings,
        rows: usize,
        rows_per_element: usize,
    ) -> Result<(usize, Vec<Mask>), Error> {
        let tiles = self.tiles as usize;
        if !rows.is_multiple_of(tiles) {
            return Err(Error::Tiles { rows, tiles });
        }
        let tile = rows / tiles;
        // One mask for a whole batch is one for each tile here: tiles are the batches of separate passes.
        let size = settings.rows_per_mask(rows_per_element).unwrap_or(tile as u64).max(1);
        let sharing = if size == 1 { Sharing::Example } else { Sharing::Group(group(size)?) };
        let stride = (tile as u64).next_multiple_of(size);
        let draw = Draw { step: self.step, pass: Some(0), first_example: 0 };
        let mask = |at: u32| {
            let example = coordinate("passes", u64::from(self.first + at) * stride)?;
            Ok(settings.keyed(draw).shared(sharing).at(Origin { example, ..Origin::default() }))
        };
        let launches = if stride == tile as u64 { 1 } else { self.tiles };
        Ok((tile, (0..launches).map(mask).collect::<Result<_, Error>>()?))
    }
}

/// Runs a model over many masks at once: `passes` copies of a batch go through it together, so that each layer is one
/// launch, and come back as mean and variance, or as what a classifier knows and does not know.
///
/// ```no_run
/// # use burn::tensor::Tensor;
/// # use dropconnect_burn::{DropConnect, Sampler};
/// # fn predict(model: DropConnect, x: Tensor<2>) -> Result<(), dropconnect_burn::Error> {
/// let sampler = Sampler::new(50)?.with_step(7);
/// let classes = sampler.predictive(x, |x| model.forward(x))?;
/// println!("{}", classes.entropy);
/// # Ok(())
/// # }
/// ```
///
/// Every layer of this crate that the model calls on the same thread drops, on any device, whether it is frozen,
/// in validation (`model.valid()`) or not; no layer takes a step. Burn's own `Dropout` stays what it is. The first
/// dimension has to be the batch, from the model's input to that of every layer.
///
/// # Masks
/// Pass t of a batch of B has the masks that [`sample_at`](crate::DropConnect::sample_at) draws for
/// `Draw { step, pass: Some(0), first_example: t * B }`: running the passes one by one, or in parts, gives the same
/// bits. Another step has other masks, all of them. Where examples share masks in groups of G, first examples are
/// multiples of G, and a batch that is none of them takes a launch for each pass; where a batch shares one mask, a
/// pass has one.
///
/// # Memory
/// It grows with the examples in one run, that is copies times batch: one run holds the activations of
/// [`with_max_examples`](Self::with_max_examples) examples, 16,384 unless told otherwise, of a network with two hidden
/// layers of 800 some 100 MB. More passes take more runs. A single copy of the batch is never split.
#[derive(Clone, Debug)]
pub struct Sampler {
    passes: u32,
    step: u64,
    max_examples: usize,
}

impl Sampler {
    /// So many passes over masks of step 0.
    ///
    /// # Errors
    /// For 0 passes.
    pub fn new(passes: u32) -> Result<Self, Error> {
        check(passes)?;
        Ok(Self { passes, step: 0, max_examples: MAX_EXAMPLES })
    }

    /// With the masks of another step: an estimate of its own.
    #[must_use]
    pub fn with_step(self, step: u64) -> Self {
        Self { step, ..self }
    }

    /// With at most so many examples in one run of the model, but at least one copy of the batch.
    #[must_use]
    pub fn with_max_examples(self, max_examples: usize) -> Self {
        Self { max_examples, ..self }
    }

    /// Mean and unbiased variance of what the model returns over the masks, element by element, in f32. One pass has
    /// the variance 0.
    ///
    /// # Shapes
    /// - input: `[batch, ...]`
    /// - mean and variance: as `model` returns for that batch
    ///
    /// # Errors
    /// [`Error::Output`] where the model does not return the batch in its first dimension, and where passes times batch
    /// do not fit 32 bits.
    ///
    /// # Panics
    /// As the model does: a layer that cannot run panics with the text of the [`Error`].
    pub fn moments<const D: usize, const E: usize>(
        &self,
        input: Tensor<D>,
        model: impl FnMut(Tensor<D>) -> Tensor<E>,
    ) -> Result<(Tensor<E>, Tensor<E>), Error> {
        let mut all: Option<(Tensor<E>, Tensor<E>)> = None;
        let mut seen = 0;
        self.run(input, model, |y: Tensor<E>, copies| {
            // Chan's update with the moments of this run: no difference of large sums.
            let (mean, squares) = moments_of(y, copies);
            all = Some(match all.take() {
                None => (mean, squares),
                Some((old, old_squares)) => {
                    let (m, n) = (f64::from(seen), copies as f64);
                    let deviation = mean - old.clone();
                    let squares = old_squares + squares + deviation.clone().square() * (m * n / (m + n));
                    (old + deviation * (n / (m + n)), squares)
                }
            });
            seen += copies as u32;
        })?;
        let (mean, squares) = all.expect("at least one run");
        Ok((mean, squares / (self.passes - 1).max(1)))
    }

    /// Mean softmax, predictive entropy and mutual information over the masks, what the model returns taken as logits
    /// whose last dimension are the classes.
    ///
    /// # Shapes
    /// - input: `[batch, ...]`
    /// - logits: `[batch, ..., classes]`
    ///
    /// # Errors and panics
    /// As [`moments`](Self::moments).
    pub fn predictive<const D: usize, const E: usize>(
        &self,
        input: Tensor<D>,
        model: impl FnMut(Tensor<D>) -> Tensor<E>,
    ) -> Result<Predictive<E>, Error> {
        let mut sum: Option<(Tensor<E>, Tensor<E>)> = None;
        self.run(input, model, |y: Tensor<E>, copies| {
            let logs = log_softmax(y, E - 1);
            let probabilities = logs.clone().exp();
            // A class of probability 0 has a logarithm of -infinity, and adds 0.
            let entropy = (probabilities.clone() * logs.clamp_min(f32::MIN)).sum_dim(E - 1).neg();
            let (probabilities, entropy) = (total(probabilities, copies), total(entropy, copies));
            sum = Some(match sum.take() {
                None => (probabilities, entropy),
                Some((all, entropies)) => (all + probabilities, entropies + entropy),
            });
        })?;
        let (probabilities, entropies) = sum.expect("at least one run");
        Ok(Predictive::of(probabilities / self.passes, entropies / self.passes))
    }

    /// What the model returns for every pass, `[passes * batch, ...]`: pass 0 of the whole batch, then pass 1 and so
    /// on. In memory all at once, whatever the most examples of one run.
    ///
    /// # Errors and panics
    /// As [`moments`](Self::moments).
    pub fn outputs<const D: usize, const E: usize>(
        &self,
        input: Tensor<D>,
        model: impl FnMut(Tensor<D>) -> Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        let mut outputs = Vec::new();
        self.run(input, model, |y, _| outputs.push(y))?;
        Ok(Tensor::cat(outputs, 0))
    }

    /// Runs the model on copies of the batch, and hands over what it returns with the number of copies.
    fn run<const D: usize, const E: usize>(
        &self,
        input: Tensor<D>,
        mut model: impl FnMut(Tensor<D>) -> Tensor<E>,
        mut take: impl FnMut(Tensor<E>, usize),
    ) -> Result<(), Error> {
        let batch = input.dims()[0];
        coordinate("passes * batch", u64::from(self.passes) * batch as u64)?;
        let most = (self.max_examples / batch.max(1)).clamp(1, self.passes as usize);
        // Runs of nearly one size: few sizes of tensors for Burn's memory pool, and kernels to tune.
        let runs = (self.passes as usize).div_ceil(most);
        let mut first = 0;
        for run in 0..runs {
            let copies = (self.passes as usize - first) / (runs - run);
            let tiles = Scope { step: self.step, first: first as u32, tiles: copies as u32 };
            let y = {
                let _leave = Leave(SCOPE.replace(Some(tiles)));
                model(input.clone().repeat_dim(0, copies))
            };
            if y.dims()[0] != copies * batch {
                return Err(Error::Output { actual: y.dims().to_vec(), expected: copies * batch });
            }
            take(widened(y), copies);
            first += copies;
        }
        Ok(())
    }
}

/// Sums copies of a batch.
fn total<const D: usize>(y: Tensor<D>, copies: usize) -> Tensor<D> {
    let mut dims = y.dims();
    if dims[0] == 0 {
        return y;
    }
    let elements: usize = dims[1..].iter().product();
    dims[0] /= copies;
    y.reshape([copies, dims[0] * elements]).sum_dim(0).reshape(dims)
}

/// Mean over copies, and the sum of squared deviations from it.
fn moments_of<const D: usize>(y: Tensor<D>, copies: usize) -> (Tensor<D>, Tensor<D>) {
    let mean = total(y.clone(), copies) / copies as f64;
    let deviation = y - mean.clone().repeat_dim(0, copies);
    (mean, total(deviation.square(), copies))
}

/// The result of a layer, or the end of a Burn operation, which has none.
#[track_caller]
pub(crate) fn or_panic<const D: usize>(result: Result<Tensor<D>, Error>) -> Tensor<D> {
    expect(result)
}
