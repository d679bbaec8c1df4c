//! Calls that may have to wait for an adapter, which a page must not do: they are futures, and what blocks is made of
//! those.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use crate::Error;

/// Whether wgpu is the browser's here, whose devices belong to one thread and whose answers come to those who leave it.
pub(crate) const IN_A_BROWSER: bool = cfg!(target_arch = "wasm32");

/// What a call gives, once it is awaited. Nothing is done before that.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;
#[cfg(target_arch = "wasm32")]
pub(crate) type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + 'a>>;

/// What threads may share, where devices can be shared.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) trait Shared: Send + Sync {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + Sync + ?Sized> Shared for T {}
#[cfg(target_arch = "wasm32")]
pub(crate) trait Shared {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> Shared for T {}

/// Runs work to its end on this thread. Outside browsers whatever waits for a device polls it, and comes back with the
/// answer; work of the CPU never waits.
///
/// # Errors
/// [`Error::WouldBlock`] in a browser for work on an adapter, which is not begun then; as the work itself.
pub(crate) fn block_on<T>(
    on_adapter: bool,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    if IN_A_BROWSER && on_adapter {
        return Err(Error::WouldBlock);
    }
    ready(work).unwrap_or(Err(Error::WouldBlock))
}

/// What a future has at once.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
