//! Arguments from the page, and answers to it.

use dropconnect::{DropProbability, Error, Mask, MaskKey, Shape};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsError, JsValue};

/// A layer as the page describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Layer {
    pub batch: usize,
    pub outputs: usize,
    pub inputs: usize,
    /// The probability of dropping.
    pub p: f64,
    /// All 64 bits, which a number of JavaScript does not hold.
    #[serde(deserialize_with = "decimal")]
    pub seed: u64,
    #[serde(deserialize_with = "decimal")]
    pub step: u64,
}

impl Layer {
    pub fn shape(&self) -> Result<Shape, Error> {
        Shape::new(self.batch, self.outputs, self.inputs)
    }

    pub fn mask(&self) -> Result<Mask, Error> {
        let key = MaskKey::new(self.seed, 0).at_step(self.step);
        Ok(Mask::new(key, DropProbability::new(self.p)?))
    }
}

fn decimal<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    let (digits, radix) = text.strip_prefix("0x").map_or((&*text, 10), |digits| (digits, 16));
    u64::from_str_radix(digits, radix).map_err(|_| {
        serde::de::Error::custom(format!("`{text}` is no whole number from 0 to 2^64 - 1, decimal or 0x.."))
    })
}

/// An argument.
pub fn read<T: DeserializeOwned>(value: JsValue) -> Result<T, JsError> {
    serde_wasm_bindgen::from_value(value).map_err(|error| JsError::new(&error.to_string()))
}

/// An answer.
pub fn js<T: Serialize>(value: &T) -> Result<JsValue, JsError> {
    serde_wasm_bindgen::to_value(value).map_err(|error| JsError::new(&error.to_string()))
}
