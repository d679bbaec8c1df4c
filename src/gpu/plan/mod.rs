//! Which dispatches a call takes.

mod bounds;
pub(crate) mod contract;
pub(crate) mod dispatch;
mod iterations;
mod kernel;
pub(crate) mod purpose;
pub(crate) mod rows;
pub(crate) mod tensor;
#[cfg(test)]
mod tests;
