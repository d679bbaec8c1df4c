//! How sure is a network? A small regression, trained with a DropConnect layer; what it predicts, and how
//! surely, by matching moments and by drawing masks; a picture of both.
//!
//! `cargo run --release --example uncertainty -- uncertainty.svg`

mod adam;
mod plot;

use std::f32::consts::TAU;

use adam::Adam;
use dropconnect::gpu::AdapterChoice;
use dropconnect::{Device, DropConnect, Error, MaskKey, Moments, Write};

const FEATURES: usize = 100;
const STEPS: u64 = 3000;
const PASSES: u32 = 200;

/// ReLU features of x, then one output whose 100 connections are dropped.
struct Network {
    features: DropConnect,
    head: DropConnect,
}

impl Network {
    fn new(device: &Device) -> Result<Self, Error> {
        // One seed, and a number for each layer. p = 0 is the plain linear layer.
        let [first, second] = [0, 1].map(|layer| MaskKey::new(1, layer));
        let features = DropConnect::new(device, first, 1, FEATURES).drop_probability(0.0).build()?;
        let head = DropConnect::new(device, second, FEATURES, 1).drop_probability(0.2).build()?;
        Ok(Self { features, head })
    }

    fn features(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        Ok(self.features.forward(x).wait()?.into_iter().map(|u| u.max(0.0)).collect())
    }

    /// Gradients of the mean squared error under this step's masks; the error.
    fn backward(&mut self, x: &[f32], target: &[f32]) -> Result<f32, Error> {
        let hidden = self.features(x)?;
        let difference: Vec<f32> =
            self.head.forward(&hidden).wait()?.iter().zip(target).map(|(y, t)| y - t).collect();
        let count = x.len() as f32;
        let grad: Vec<f32> = difference.iter().map(|d| 2.0 * d / count).collect();
        let mut grad_hidden = self.head.backward(&hidden, &grad, Write::Overwrite).wait()?;
        for (grad, value) in grad_hidden.iter_mut().zip(&hidden) {
            if *value == 0.0 {
                *grad = 0.0;
            }
        }
        self.features.backward(x, &grad_hidden, Write::Overwrite).wait()?;
        Ok(difference.iter().map(|d| d * d).sum::<f32>() / count)
    }
}

fn target(x: f32) -> f32 {
    (TAU * x / 2.0).sin() * 0.8
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "uncertainty.svg".to_owned());
    let (device, which) = Device::auto(&AdapterChoice::default());
    println!("computing on {which}");

    // Data in the middle only.
    let x: Vec<f32> = (0..64).map(|k| k as f32 / 63.0 * 1.8 - 0.9).collect();
    let noise = |k: usize| ((k * 7919 % 97) as f32 / 96.0 - 0.5) * 0.12;
    let y: Vec<f32> = x.iter().enumerate().map(|(k, &x)| target(x) + noise(k)).collect();

    let mut network = Network::new(&device)?;
    let mut adam = [Adam::new(&network.features)?, Adam::new(&network.head)?];
    for step in 0..STEPS {
        let error = network.backward(&x, &y)?;
        let rate = 0.01 * (1.0 - step as f32 / STEPS as f32);
        adam[0].step(&mut network.features, rate)?;
        adam[1].step(&mut network.head, rate)?;
        network.head.advance();
        if (step + 1) % 1000 == 0 {
            println!("step {:4}: squared error under masks {error:.4}", step + 1);
        }
    }

    let grid: Vec<f32> = (0..=120).map(|k| k as f32 / 120.0 * 4.0 - 2.0).collect();
    let hidden = network.features(&grid)?;
    let matched = network.head.moments(&hidden).wait()?;
    let drawn = network.head.monte_carlo(&hidden, PASSES).wait()?;
    report(&grid, &matched, &drawn);
    plot::draw(&path, [&x, &y], &grid, target, [&matched, &drawn])?;
    println!("wrote {path}");
    Ok(())
}

/// The deviation where there are data and where there are none, by both methods.
fn report(grid: &[f32], matched: &Moments, drawn: &Moments) {
    println!("\n{:>30} {:>16} {:>16}", "mean standard deviation", "moment matching", "Monte Carlo");
    for (name, from, to) in [("at the data, |x| < 0.9", 0.0, 0.9), ("beyond them", 0.9, f32::INFINITY)] {
        let mean = |moments: &Moments| {
            let chosen = grid.iter().zip(&moments.variance).filter(|(x, _)| (from..to).contains(&x.abs()));
            let deviations: Vec<f32> = chosen.map(|(_, variance)| variance.sqrt()).collect();
            deviations.iter().sum::<f32>() / deviations.len() as f32
        };
        println!("{name:>30} {:>16.3} {:>16.3}", mean(matched), mean(drawn));
    }
    println!();
}
