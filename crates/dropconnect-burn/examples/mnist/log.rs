//! What a run writes: a JSON log, the curve, and a checkpoint to go on from.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize};

use crate::model::Network;
use crate::plot;

/// One epoch of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Epoch {
    pub epoch: usize,
    pub learning_rate: f64,
    pub train_loss: f64,
    pub test_loss: f64,
    /// Percent.
    pub test_error: f64,
    pub train_seconds: f64,
    pub test_seconds: f64,
}

/// The whole log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Log {
    /// The options that decide the result. A run goes on only with the same.
    pub settings: serde_json::Value,
    pub adapter: String,
    pub epochs: Vec<Epoch>,
    /// Seconds that the DropConnect kernels alone take for one epoch of these shapes, where measured.
    pub kernel_seconds_per_epoch: Option<f64>,
}

/// The files of a run.
pub struct Files(PathBuf);

impl Files {
    pub fn new(dir: &Path) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(Self(dir.to_owned()))
    }

    /// Those of a run that has been.
    pub fn existing(dir: &Path) -> Result<Self, Box<dyn Error>> {
        let files = Self(dir.to_owned());
        let log = files.path("log.json");
        if log.is_file() { Ok(files) } else { Err(format!("{}: no such file", log.display()).into()) }
    }

    pub fn load_model(&self, model: Network) -> Result<Network, Box<dyn Error>> {
        Ok(model.try_load_record(ModuleRecord::load(self.path("model.bpk"))?)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write_log(&self, log: &Log, title: &str) -> Result<(), Box<dyn Error>> {
        fs::write(self.path("log.json"), serde_json::to_string_pretty(log)?)?;
        fs::write(self.path("curve.svg"), plot::svg(title, &log.epochs))?;
        Ok(())
    }

    pub fn read_log(&self) -> Result<Log, Box<dyn Error>> {
        let path = self.path("log.json");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    pub fn save(&self, model: &Network, optimizer: &ModuleOptimizer) -> Result<(), Box<dyn Error>> {
        model.clone().into_record().save(self.path("model.bpk"))?;
        optimizer.save(self.path("optimizer.bpk"))?;
        Ok(())
    }

    pub fn load(
        &self,
        model: Network,
        optimizer: ModuleOptimizer,
    ) -> Result<(Network, ModuleOptimizer), Box<dyn Error>> {
        Ok((self.load_model(model)?, optimizer.load(self.path("optimizer.bpk"))?))
    }
}
