//! Why a target gives no results.

use dropconnect::Error;

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The library refuses the call, or the device failed.
    #[error(transparent)]
    Library(#[from] Error),
    /// Something was written that is no result.
    #[error("byte {byte} of buffer {buffer} was written, which no result holds")]
    Damage {
        /// Buffers are counted in the order of their first tensors.
        buffer: usize,
        /// From its start.
        byte: usize,
    },
}
