//! Calls that may have to wait for an adapter, which a page must not do: each is a future that may also be waited for.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use crate::Error;

/// Whether wgpu is the browser's here, whose devices belong to one thread and whose answers come to those who leave it.
pub(crate) const IN_A_BROWSER: bool = cfg!(target_arch = "wasm32");

/// What a call is while it is awaited.
#[cfg(not(target_arch = "wasm32"))]
type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;
#[cfg(target_arch = "wasm32")]
type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + 'a>>;

/// What moves between threads, where devices do.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) trait Movable: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + ?Sized> Movable for T {}
#[cfg(target_arch = "wasm32")]
pub(crate) trait Movable {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> Movable for T {}

/// A call of a layer or a device that has not been made yet: [`wait`](Self::wait) for it, or `.await` it. Nothing is
/// done before that.
///
/// Outside browsers nothing would wake a task for a device, so that what is awaited there waits when it is polled
/// first.
#[must_use = "nothing is computed before `.wait()` or `.await`"]
pub struct Pending<'a, T> {
    on_adapter: bool,
    work: Work<'a, T>,
}

impl<'a, T> Pending<'a, T> {
    pub(crate) fn new(on_adapter: bool, work: impl Future<Output = Result<T, Error>> + Movable + 'a) -> Self {
        Self { on_adapter, work: Box::pin(work) }
    }

    /// Makes the call on this thread.
    ///
    /// # Errors
    /// Those of the call; [`Error::WouldBlock`] in a browser for one on an adapter, which is not begun then.
    pub fn wait(self) -> Result<T, Error> {
        if IN_A_BROWSER && self.on_adapter {
            return Err(Error::WouldBlock);
        }
        // Work of the CPU never waits, and outside browsers what waits for a device polls it.
        ready(self.work).unwrap_or(Err(Error::WouldBlock))
    }
}

impl<T> Future for Pending<'_, T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.work.as_mut().poll(context)
    }
}

/// What a future has at once.
pub(crate) fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
