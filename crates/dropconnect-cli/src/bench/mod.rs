//! stub
use crate::cli::{BenchOptions, DeviceOptions};
use crate::error::CliError;
/// stub
pub fn run(_: &BenchOptions, _: &DeviceOptions) -> Result<(), CliError> { Ok(()) }
