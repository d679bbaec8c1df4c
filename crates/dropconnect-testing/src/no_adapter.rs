//! Stands for `adapter.rs` where there are no adapters: nothing of these types exists, so nothing of this runs.

use dropconnect::call::Call;
use dropconnect::{ElementType, Mask, Shape};

use crate::Pool;
use crate::case::Name;
use crate::failure::Failure;

/// No device.
#[derive(Clone, Copy)]
pub enum Gpu {}

/// No kernels.
#[derive(Clone, Copy)]
pub enum Kernels {}

pub(crate) fn name(kernels: &Kernels) -> String {
    match *kernels {}
}

pub(crate) async fn run(
    (gpu, _): (&Gpu, &Kernels),
    _: &[Vec<Call<'_, (), ()>>],
    _: &[Name],
    _: ElementType,
    _: Pool,
) -> Result<(Pool, Vec<usize>), Failure> {
    match *gpu {}
}

pub(crate) async fn mask(
    (gpu, _): (&Gpu, &Kernels),
    _: Shape,
    _: &Mask,
    _: bool,
    _: Pool,
) -> Result<Pool, Failure> {
    match *gpu {}
}
