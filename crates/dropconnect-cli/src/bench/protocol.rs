//! What a benchmark and a program that takes part in its rounds say to each other, an earlier build or one of others:
//! a line of JSON each, the benchmark first.
//! `docs/bench-json.md` describes it for programs that are no build of this one.

use dropconnect::{ElementType, Shape};
use dropconnect_testing::Pass;
use serde::{Deserialize, Serialize};

use super::environment::Environment;
use super::stopwatch::Timer;

/// A change of what is said is another one; a field that may be left out is none.
pub const PROTOCOL: u32 = 1;

/// What the benchmark asks.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The first: the version of the protocol. Answered by [`Reply::Hello`].
    Hello(u32),
    /// Answered by [`Reply::Ready`], [`Reply::Unable`] or [`Reply::Fault`].
    Prepare(Task),
    /// So many calls of what was prepared, after one that is not timed if `lead`. Answered by
    /// [`Reply::Milliseconds`] or [`Reply::Fault`].
    Sample { calls: u32, lead: bool },
}

/// A pass of one problem, with masks of this p.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Task {
    pub batch: usize,
    pub outputs: usize,
    pub inputs: usize,
    pub element: String,
    pub p: f64,
    pub pass: String,
}

impl Task {
    pub fn new(shape: &Shape, element: ElementType, p: f64, pass: Pass) -> Self {
        let [batch, outputs, inputs] = [shape.batch(), shape.outputs(), shape.inputs()];
        Self { batch, outputs, inputs, element: element.name().to_owned(), p, pass: pass.name().to_owned() }
    }
}

/// What it is answered.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Hello(Greeting),
    /// Checked against float64, with this relative error.
    Ready(f64),
    /// This program has no such pass, element type or problem; why in words.
    Unable(String),
    /// Of all the calls.
    Milliseconds(f64),
    /// Something failed; the program ends.
    Fault(String),
}

/// Who answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Greeting {
    pub protocol: u32,
    /// What its samples are shown under, where it is a rival of its own. Builds from before `--beside` have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub version: String,
    pub adapter: String,
    pub kernels: String,
    pub timer: String,
}

impl Greeting {
    pub fn new(name: Option<String>, environment: &Environment, timer: Timer) -> Self {
        Self {
            protocol: PROTOCOL,
            name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            adapter: environment.adapter.clone(),
            kernels: environment.kernels.clone(),
            timer: timer.describe().to_owned(),
        }
    }
}
