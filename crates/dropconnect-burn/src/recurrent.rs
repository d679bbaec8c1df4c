//! DropConnect for sequences: LSTM and GRU whose recurrent weights keep one mask over all steps of a sequence.
//!
//! Weight-dropped LSTMs (Merity, Keskar and Socher 2017, AWD-LSTM) drop hidden-to-hidden weights, and take one mask for
//! the whole batch. Here every sequence of the batch has a mask of its own by default, and neither is stored.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{GateController, Gru, Initializer, Linear, LinearConfig, Lstm, LstmState};
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{Device, Tensor, s};

use crate::error::expect;
use crate::sampling::{Place, or_panic};
use crate::{Draw, DropConnect, DropConnectConfig, Error, Per};

/// Configuration to create a [`DropConnectLstm`] or a [`DropConnectGru`].
#[derive(Config, Debug)]
pub struct DropConnectRnnConfig {
    /// Which layer of the model this is. Layers with the same seed and number draw the same masks.
    pub layer: u32,
    /// The size of the input features.
    pub d_input: usize,
    /// The size of the hidden state.
    pub d_hidden: usize,
    /// If a bias should be applied.
    #[config(default = true)]
    pub bias: bool,
    /// The probability of dropping a recurrent weight during training, at least 0 and below 1.
    #[config(default = 0.5)]
    pub prob: f64,
    /// The seed of the masks, one for all layers of a model.
    #[config(default = 0)]
    pub seed: u64,
    /// What has a mask of its own: a sequence, or the whole batch as in AWD-LSTM. `Per::Row` is `Per::Sequence` here:
    /// the rows of a recurrent product are the sequences of the batch.
    #[config(default = "Per::Sequence")]
    pub per: Per,
    /// The resolution of the probability, 1 to 16 bits.
    #[config(default = 16)]
    pub bits: u32,
    /// The type of function used to initialize the parameters. The default is that of `LstmConfig` and `GruConfig`.
    #[config(default = "Initializer::XavierNormal{gain:1.0}")]
    pub initializer: Initializer,
}

impl DropConnectRnnConfig {
    /// Initialize a new LSTM.
    ///
    /// # Errors
    /// As [`DropConnectConfig::try_init`].
    pub fn try_init_lstm(&self, device: &Device) -> Result<DropConnectLstm, Error> {
        let (input, recurrent) = self.products::<4>(device)?;
        Ok(DropConnectLstm { input, recurrent, d_hidden: self.d_hidden })
    }

    /// Initialize a new LSTM.
    ///
    /// # Panics
    /// Where [`try_init_lstm`](Self::try_init_lstm) returns an error.
    pub fn init_lstm(&self, device: &Device) -> DropConnectLstm {
        expect(self.try_init_lstm(device))
    }

    /// Initialize a new GRU.
    ///
    /// # Errors
    /// As [`DropConnectConfig::try_init`].
    pub fn try_init_gru(&self, device: &Device) -> Result<DropConnectGru, Error> {
        let (input, recurrent) = self.products::<3>(device)?;
        Ok(DropConnectGru { input, recurrent, d_hidden: self.d_hidden })
    }

    /// Initialize a new GRU.
    ///
    /// # Panics
    /// Where [`try_init_gru`](Self::try_init_gru) returns an error.
    pub fn init_gru(&self, device: &Device) -> DropConnectGru {
        expect(self.try_init_gru(device))
    }

    /// An LSTM with the parameters of Burn's, whatever this configuration says of sizes and bias.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for coupled gates, a clip, a reversed direction, sequences that do not come batch first,
    /// and activations other than sigmoid and tanh; as [`DropConnectConfig::try_init`].
    pub fn try_from_lstm(&self, lstm: Lstm) -> Result<DropConnectLstm, Error> {
        let plain = lstm.batch_first && !lstm.reverse && lstm.clip.is_none();
        let (Some(forget), true) = (lstm.forget_gate, plain) else {
            return Err(Error::Unsupported {
                what: "an LSTM with coupled gates, clip, reverse or time first",
            });
        };
        activations(&lstm.gate_activation, [&lstm.cell_activation, &lstm.hidden_activation])?;
        let gates = [lstm.input_gate, forget, lstm.cell_gate, lstm.output_gate];
        let (input, recurrent) = self.products_of(gates)?;
        Ok(DropConnectLstm { input, recurrent, d_hidden: lstm.d_hidden })
    }

    /// A GRU with the parameters of Burn's, whatever this configuration says of sizes and bias.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a clip, a reset gate before the product, and activations other than sigmoid and
    /// tanh; as [`DropConnectConfig::try_init`].
    pub fn try_from_gru(&self, gru: Gru) -> Result<DropConnectGru, Error> {
        if !gru.reset_after || gru.clip.is_some() {
            return Err(Error::Unsupported { what: "a GRU with clip or a reset gate before the product" });
        }
        activations(&gru.gate_activation, [&gru.hidden_activation; 2])?;
        let (input, recurrent) = self.products_of([gru.update_gate, gru.reset_gate, gru.new_gate])?;
        Ok(DropConnectGru { input, recurrent, d_hidden: gru.d_hidden })
    }

    /// The product with the input, and that with the hidden state, of all gates side by side.
    fn products<const GATES: usize>(&self, device: &Device) -> Result<(Linear, DropConnect), Error> {
        for (argument, size) in [("d_input", self.d_input), ("d_hidden", self.d_hidden)] {
            if size == 0 {
                return Err(Error::ZeroDimension { argument });
            }
        }
        // Before the parameters: this brings the device up.
        self.recurrent(self.d_hidden * GATES).try_init(device)?;
        // Each gate is initialised for itself, as Burn does.
        let gate = || {
            let transform = |d_input| {
                let config = LinearConfig::new(d_input, self.d_hidden).with_bias(self.bias);
                config.with_initializer(self.initializer.clone()).init(device)
            };
            GateController {
                input_transform: transform(self.d_input),
                hidden_transform: transform(self.d_hidden),
            }
        };
        self.products_of([(); GATES].map(|()| gate()))
    }

    fn products_of<const GATES: usize>(
        &self,
        gates: [GateController; GATES],
    ) -> Result<(Linear, DropConnect), Error> {
        let (inputs, hiddens): (Vec<Linear>, Vec<Linear>) =
            gates.into_iter().map(|gate| (gate.input_transform, gate.hidden_transform)).unzip();
        let recurrent = side_by_side(&hiddens);
        let outputs = recurrent.weight.dims()[1];
        Ok((side_by_side(&inputs), self.recurrent(outputs).try_from_linear(recurrent)?))
    }

    fn recurrent(&self, outputs: usize) -> DropConnectConfig {
        DropConnectConfig::new(self.layer, self.d_hidden, outputs)
            .with_bias(self.bias)
            .with_prob(self.prob)
            .with_seed(self.seed)
            .with_bits(self.bits)
            .with_per(self.per)
            .with_initializer(self.initializer.clone())
    }
}

fn activations(
    gate: &burn::nn::activation::Activation,
    others: [&burn::nn::activation::Activation; 2],
) -> Result<(), Error> {
    use burn::nn::activation::Activation::{Sigmoid, Tanh};
    if matches!(gate, Sigmoid(_)) && others.iter().all(|other| matches!(other, Tanh(_))) {
        return Ok(());
    }
    Err(Error::Unsupported { what: "activations other than sigmoid for gates and tanh for states" })
}

/// Several linear layers of one input as one, whose outputs follow each other.
fn side_by_side(layers: &[Linear]) -> Linear {
    let leaf = |layer: &Linear| layer.weight.val().is_require_grad();
    let tracked = layers.iter().any(leaf);
    let weights = layers.iter().map(|layer| layer.weight.val().set_require_grad(false)).collect();
    let weight: Tensor<2> = Tensor::cat(weights, 1);
    let biases: Option<Vec<_>> = layers
        .iter()
        .map(|layer| layer.bias.as_ref().map(|bias| bias.val().set_require_grad(false)))
        .collect();
    let bias = biases.map(|biases| Param::from_tensor(Tensor::cat(biases, 0).set_require_grad(tracked)));
    Linear { weight: Param::from_tensor(weight.set_require_grad(tracked)), bias }
}

/// A long short-term memory that drops recurrent weights in training: every call takes a step, and each sequence has
/// one mask over all its time steps.
///
/// Made by [`DropConnectRnnConfig::init_lstm`]. `g` are the gates input, forget, cell and output, one after the other:
/// `g = W x + b + (M * R) h / (1 - p) + c`. The input product W drops nothing: a
/// [`DropConnect`] in front of it, or Burn's `Dropout`, can.
///
/// Truncated backpropagation calls [`forward`](Self::forward) for each piece with the state of the one before: each
/// piece has masks of its own. [`forward_at`](Self::forward_at) keeps them where that is wanted.
#[derive(Module, Debug)]
pub struct DropConnectLstm {
    /// `[d_input, 4 * d_hidden]`.
    pub input: Linear,
    /// `[d_hidden, 4 * d_hidden]`.
    pub recurrent: DropConnect,
    d_hidden: usize,
}

impl DropConnectLstm {
    /// The hidden state after every time step, and the last state.
    ///
    /// # Shapes
    /// - input: `[batch, time, d_input]`
    /// - output: `[batch, time, d_hidden]`; states `[batch, d_hidden]`, zeros where there is none
    ///
    /// # Panics
    /// As [`DropConnect::forward`].
    pub fn forward(&self, input: Tensor<3>, state: Option<LstmState<2>>) -> (Tensor<3>, LstmState<2>) {
        let place = expect(self.recurrent.place(&input, None, 1));
        self.run(input, state, place)
    }

    /// The same with masks of a given place, and without taking a step.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_at(
        &self,
        input: Tensor<3>,
        state: Option<LstmState<2>>,
        draw: Draw,
    ) -> (Tensor<3>, LstmState<2>) {
        let place = expect(self.recurrent.place(&input, Some(draw), 1));
        self.run(input, state, place)
    }

    /// Changes the probability of dropping: [`DropConnect::set_drop_probability`].
    ///
    /// # Errors
    /// As there.
    pub fn set_drop_probability(&mut self, p: f64) -> Result<(), Error> {
        self.recurrent.set_drop_probability(p)
    }

    fn run(&self, input: Tensor<3>, state: Option<LstmState<2>>, place: Place) -> (Tensor<3>, LstmState<2>) {
        let [batch, time, _] = input.dims();
        let size = self.d_hidden;
        let LstmState { mut cell, mut hidden } =
            state.unwrap_or_else(|| LstmState::initial([batch, size], &input.device()));
        // All time steps in one product; what depends on the state is left for the loop.
        let inputs = self.input.forward(input);
        let mut outputs = Vec::with_capacity(time);
        for t in 0..time {
            // The same place, and so the same mask, at every time step.
            let recurrent = or_panic(self.recurrent.apply(hidden, place));
            let gates = inputs.clone().slice(s![.., t, ..]).squeeze_dim::<2>(1) + recurrent;
            let gate = |at: usize| gates.clone().slice(s![.., at * size..(at + 1) * size]);
            cell = sigmoid(gate(1)) * cell + sigmoid(gate(0)) * tanh(gate(2));
            hidden = sigmoid(gate(3)) * tanh(cell.clone());
            outputs.push(hidden.clone());
        }
        (over_time(outputs, [batch, time, size], &hidden), LstmState::new(cell, hidden))
    }
}

/// A gated recurrent unit that drops recurrent weights in training, one mask for each sequence over all its time steps.
///
/// Made by [`DropConnectRnnConfig::init_gru`]. The reset gate comes after the recurrent product, as in Burn's and
/// PyTorch's default. Gates are update, reset and new, one after the other.
#[derive(Module, Debug)]
pub struct DropConnectGru {
    /// `[d_input, 3 * d_hidden]`.
    pub input: Linear,
    /// `[d_hidden, 3 * d_hidden]`.
    pub recurrent: DropConnect,
    d_hidden: usize,
}

impl DropConnectGru {
    /// The hidden state after every time step.
    ///
    /// # Shapes
    /// - input: `[batch, time, d_input]`
    /// - output: `[batch, time, d_hidden]`; state `[batch, d_hidden]`, zeros where there is none
    ///
    /// # Panics
    /// As [`DropConnect::forward`].
    pub fn forward(&self, input: Tensor<3>, state: Option<Tensor<2>>) -> Tensor<3> {
        let place = expect(self.recurrent.place(&input, None, 1));
        self.run(input, state, place)
    }

    /// The same with masks of a given place, and without taking a step.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_at(&self, input: Tensor<3>, state: Option<Tensor<2>>, draw: Draw) -> Tensor<3> {
        let place = expect(self.recurrent.place(&input, Some(draw), 1));
        self.run(input, state, place)
    }

    /// Changes the probability of dropping: [`DropConnect::set_drop_probability`].
    ///
    /// # Errors
    /// As there.
    pub fn set_drop_probability(&mut self, p: f64) -> Result<(), Error> {
        self.recurrent.set_drop_probability(p)
    }

    fn run(&self, input: Tensor<3>, state: Option<Tensor<2>>, place: Place) -> Tensor<3> {
        let [batch, time, _] = input.dims();
        let size = self.d_hidden;
        let mut hidden = state.unwrap_or_else(|| Tensor::zeros([batch, size], &input.device()));
        let inputs = self.input.forward(input);
        let mut outputs = Vec::with_capacity(time);
        for t in 0..time {
            let recurrent = or_panic(self.recurrent.apply(hidden.clone(), place));
            let input = inputs.clone().slice(s![.., t, ..]).squeeze_dim::<2>(1);
            let gate = |all: &Tensor<2>, at: usize| all.clone().slice(s![.., at * size..(at + 1) * size]);
            let update = sigmoid(gate(&input, 0) + gate(&recurrent, 0));
            let reset = sigmoid(gate(&input, 1) + gate(&recurrent, 1));
            let new = tanh(gate(&input, 2) + reset * gate(&recurrent, 2));
            hidden = new.clone() + update * (hidden - new);
            outputs.push(hidden.clone());
        }
        over_time(outputs, [batch, time, size], &hidden)
    }
}

/// The states of all time steps; none of them is a tensor of no steps.
fn over_time(outputs: Vec<Tensor<2>>, dims: [usize; 3], like: &Tensor<2>) -> Tensor<3> {
    if outputs.is_empty() { Tensor::zeros(dims, &like.device()) } else { Tensor::stack(outputs, 1) }
}
