//! Dropping the weights of a model's `Linear` layers as the model stands, its type and its code unchanged.

use burn::module::{Flag, Module, ModuleVisitor, Param, ParamId, Reparameterization, Reparameterizer};
use burn::tensor::{Tensor, TensorData};
use dropconnect::{Mask, Origin, cpu};

use crate::error::expect;
use crate::sampling::{self, Place};
use crate::{Error, MaskSettings, ModelConfig, StepCounter};

/// Lets every `Linear` of a model that the filter accepts drop weights in training, weights kept: with one mask for a
/// whole call, which all examples of the batch share.
///
/// That is weight drop, not the paper's DropConnect, and all that Burn lets through: a module's fields have types, so
/// that a `Linear` stays one, and a `Linear` has one weight for all examples. What it has is a hook between the weight
/// that is stored and the one that is used ([`Reparameterization`]), and that is what this is. For a mask of its own
/// for each example make the field a [`DropConnect`](crate::DropConnect), and load the weights of the old model:
///
/// ```no_run
/// # use burn::module::Module;
/// # fn load<Old: Module, New: Module>(old: Old, new: New) -> New {
/// // The same names and shapes; `allow_partial` is for the step counters, which the old record has not.
/// new.load_record(old.into_record().allow_partial(true))
/// # }
/// ```
///
/// `filter` gets the path of a layer, such as `encoder.2`. Layers are numbered from 0 in the order of the model, those
/// that the filter refuses included, and take probability and seed from `config`. Biases are not dropped.
///
/// # What changes
/// - Training is decided as by Burn's `Dropout`; every use of a weight takes a step. A layer that a model calls twice
///   has two masks, and the gates of Burn's `Lstm`, which are such layers, another at each time step:
///   [`DropConnectLstm`](crate::DropConnectLstm) keeps one for a sequence.
/// - Records hold the step besides, at `weight.weight_drop`: the old record loads with `allow_partial(true)`.
/// - Inside a [`Sampler`](crate::Sampler) each pass has a mask, so that a run holds one: `with_max_examples(1)`.
/// - The mask is made on the host and multiplied in: one element for each weight, where the layers of this crate store
///   none.
/// - `model.valid().materialize()` takes all of it away again; without `valid()` it would keep the weights of one mask.
///
/// # Errors
/// For a probability that the masks do not have.
pub fn convert<M: Module>(
    model: M,
    config: &ModelConfig,
    filter: impl FnMut(&str) -> bool,
) -> Result<M, Error> {
    let mut linears = Linears { path: Vec::new(), seen: 0, found: Vec::new(), filter };
    model.visit(&mut linears);
    let layers = linears
        .found
        .into_iter()
        .map(|(id, layer, [d_input, d_output])| Ok((id, config.layer(layer, d_input, d_output).settings()?)));
    let layers: Vec<(ParamId, MaskSettings)> = layers.collect::<Result<_, Error>>()?;
    Ok(model.apply_reparameterization(Attach { layers }))
}

/// Finds the weights.
struct Linears<F> {
    path: Vec<(String, String)>,
    seen: u32,
    found: Vec<(ParamId, u32, [usize; 2])>,
    filter: F,
}

impl<F: FnMut(&str) -> bool> ModuleVisitor for Linears<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(((name, container), layer)) = self.path.split_last() else { return };
        // A struct of another crate with this name, and with a matrix of this name, counts as one.
        if D != 2 || name != "weight" || container != "Struct:Linear" {
            return;
        }
        let number = self.seen;
        self.seen += 1;
        let path: Vec<&str> = layer.iter().map(|(name, _)| name.as_str()).collect();
        if (self.filter)(&path.join(".")) {
            let shape = param.lazy_shape();
            self.found.push((param.id, number, [shape[0], shape[1]]));
        }
    }
}

struct Attach {
    layers: Vec<(ParamId, MaskSettings)>,
}

impl Reparameterizer for Attach {
    type Reparam = WeightDrop;

    fn reparameterize<const D: usize>(
        &mut self,
        _path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<WeightDrop>) {
        let layer = self.layers.iter().find(|(id, _)| *id == param.id);
        let drop = layer.map(|&(_, settings)| WeightDrop {
            training: Param::from_bool(true),
            steps: StepCounter::new(&param.lazy_device()),
            settings,
        });
        (param, drop)
    }
}

/// What [`convert`] puts between a stored weight and the one that is used. `param.reparameterization::<WeightDrop>()`
/// finds it.
#[derive(Module, Debug)]
pub struct WeightDrop {
    /// Whether to drop weights on an autodiff device. Cleared by `freeze`, as that of Burn's `Dropout`.
    pub training: Param<Flag>,
    /// Which mask the next use draws.
    pub steps: StepCounter,
    #[module(skip)]
    settings: MaskSettings,
}

impl WeightDrop {
    /// What decides the masks. That of a use at some step is the one of the whole batch, whatever `sharing` says here.
    pub fn settings(&self) -> &MaskSettings {
        &self.settings
    }
}

impl Reparameterization for WeightDrop {
    const NAME: &'static str = "weight_drop";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let device = base.device();
        // Burn's own operations do the rest: there is nothing to check.
        let check = || Ok(());
        let trains = self.training.is_enabled();
        let place = sampling::place(&self.settings, trains, &self.steps, &device, None, 1, check);
        let mask = match expect(place) {
            Place::Dense => return base,
            Place::At(draw) => self.settings.keyed(draw),
            Place::Tiles(scope) => {
                let (draw, pass) = expect(scope.only_pass());
                self.settings.keyed(draw).at(Origin { example: pass, ..Origin::default() })
            }
        };
        let shape = base.dims();
        let factors = expect(factors(&mask, shape[0], shape[1]));
        let factors = Tensor::<2>::from_data(factors, (&device, base.dtype()));
        base * factors.transpose().reshape(shape)
    }
}

/// 0 for a weight that the mask drops and the scale for one that it keeps, `[outputs, inputs]`.
fn factors(mask: &Mask, inputs: usize, outputs: usize) -> Result<TensorData, Error> {
    let shape = dropconnect::Shape::new(1, outputs, inputs)?;
    let mut kept = vec![0; outputs * inputs];
    cpu::mask(&shape, mask, &mut kept)?;
    let factors: Vec<f32> = kept.iter().map(|&kept| f32::from(kept) * mask.scale() as f32).collect();
    Ok(TensorData::new(factors, [outputs, inputs]))
}
