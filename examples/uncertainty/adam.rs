//! Adam (Kingma and Ba, 2015) on the host, for a layer's weight and bias.

use dropconnect::{DropConnect, Error};

/// The averages of one layer's gradients.
pub struct Adam {
    steps: i32,
    weight: Vec<[f32; 2]>,
    bias: Vec<[f32; 2]>,
}

impl Adam {
    pub fn new(layer: &DropConnect) -> Result<Self, Error> {
        let bias = layer.bias().wait()?.unwrap_or_default();
        Ok(Self {
            steps: 0,
            weight: vec![[0.0; 2]; layer.weight().wait()?.len()],
            bias: vec![[0.0; 2]; bias.len()],
        })
    }

    pub fn step(&mut self, layer: &mut DropConnect, rate: f32) -> Result<(), Error> {
        self.steps += 1;
        let weight =
            moved(self.steps, &mut self.weight, layer.weight().wait()?, &layer.grad_weight().wait()?, rate);
        layer.set_weight(&weight)?;
        if let (Some(bias), Some(grad)) = (layer.bias().wait()?, layer.grad_bias().wait()?) {
            layer.set_bias(&moved(self.steps, &mut self.bias, bias, &grad, rate))?;
        }
        Ok(())
    }
}

fn moved(steps: i32, averages: &mut [[f32; 2]], mut values: Vec<f32>, grad: &[f32], rate: f32) -> Vec<f32> {
    const DECAY: [f32; 2] = [0.9, 0.999];
    for ((value, grad), [mean, square]) in values.iter_mut().zip(grad).zip(averages) {
        *mean += (1.0 - DECAY[0]) * (grad - *mean);
        *square += (1.0 - DECAY[1]) * (grad * grad - *square);
        let unbiased = [*mean / (1.0 - DECAY[0].powi(steps)), *square / (1.0 - DECAY[1].powi(steps))];
        *value -= rate * unbiased[0] / (unbiased[1].sqrt() + 1e-8);
    }
    values
}
