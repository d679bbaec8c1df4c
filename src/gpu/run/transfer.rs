//! Copies to and from the host, and waiting: what [`Gpu`] does beyond its kernels.

use std::cell::Cell;
use std::ops::Range;
use std::sync::PoisonError;

use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};

use super::allocate;
use super::context::Gpu;
use super::recording::Recording;
#[cfg(not(target_arch = "wasm32"))]
use crate::work::ready;
use crate::{Error, host};

/// What mapping memory comes to; `None` where the device has dropped the request.
type Mapped = Option<Result<(), wgpu::BufferAsyncError>>;

const TENSOR: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).union(wgpu::BufferUsages::COPY_DST);

impl Gpu {
    /// A buffer of at least `size` bytes, for tensors: zeroed, and copyable both ways.
    ///
    /// # Errors
    /// [`Error::BufferSize`] past the device's limit; [`Error::OutOfMemory`]; [`Error::DeviceLost`].
    pub fn buffer(&self, size: u64) -> Result<wgpu::Buffer, Error> {
        let buffer = self.tensor(size)?;
        self.check_alive()?;
        Ok(buffer)
    }

    /// The same for tensors of the library's own, whose results are read back: see [`allocate`].
    pub(crate) fn tensor(&self, size: u64) -> Result<wgpu::Buffer, Error> {
        allocate::zeroed(self.device(), "dropconnect.tensor", size, TENSOR).map_err(|e| self.explain(e))
    }

    pub(crate) fn check_alive(&self) -> Result<(), Error> {
        allocate::check_alive(self.device()).map_err(|error| self.explain(error))
    }

    /// A buffer that holds `bytes`, padded with zeros to whole words.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn upload(&self, bytes: &[u8]) -> Result<wgpu::Buffer, Error> {
        let buffer = self.tensor_of(bytes)?;
        self.check_alive()?;
        Ok(buffer)
    }

    /// The same for tensors of the library's own.
    pub(crate) fn tensor_of(&self, bytes: &[u8]) -> Result<wgpu::Buffer, Error> {
        let buffer = self.tensor(bytes.len() as u64)?;
        if !bytes.is_empty() {
            self.write(&buffer, bytes)?;
        }
        Ok(buffer)
    }

    /// Writes the start of a buffer, all of it or, where there is an error, nothing. The last word is padded
    /// with zeros.
    pub(crate) fn write(&self, buffer: &wgpu::Buffer, bytes: &[u8]) -> Result<(), Error> {
        // Not `Queue::write_buffer`: where its staging memory does not fit, wgpu gives the device up.
        let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        allocate::initialised(self.device(), "dropconnect.upload", bytes, usage)
            .and_then(|staging| {
                self.encode("dropconnect.upload", |encoder| {
                    encoder.copy_buffer_to_buffer(&staging, 0, buffer, 0, staging.size());
                    Ok(())
                })
            })
            .map_err(|error| self.explain(error))
    }

    /// Records and submits one call.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; [`Error::OutOfMemory`]; [`Error::DeviceFault`], also for a call of another device.
    pub fn submit(&self, recording: &Recording) -> Result<(), Error> {
        if recording.device.as_ref().is_some_and(|device| device != self.device()) {
            let reason = "it was prepared on another device".to_owned();
            return Err(Error::DeviceFault { what: "a recording", reason });
        }
        recording.submit(self.queue()).map_err(|error| self.explain(error))
    }

    /// Records commands and submits them, or says why not.
    pub(crate) fn encode(
        &self,
        label: &'static str,
        record: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<(), Error>,
    ) -> Result<(), Error> {
        allocate::submit(self.device(), self.queue(), label, record)
            .map(drop)
            .map_err(|error| self.explain(error))
    }

    /// Waits until everything submitted so far is done. Outside browsers that is when it is polled first: nothing else
    /// there would tell a waker.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; in a browser, also the faults of calls before it.
    pub async fn wait_async(&self) -> Result<(), Error> {
        #[cfg(not(target_arch = "wasm32"))]
        let waited = self.in_turn(|| {
            let submit = || self.queue().submit([]);
            let index = allocate::guarded(self.device(), "a submission", 0, submit)?;
            allocate::wait(self.device(), index)
        });
        #[cfg(target_arch = "wasm32")]
        let waited = {
            let index = self.queue().submit([]);
            let done = allocate::done(self.device(), self.queue(), index).await;
            done.and_then(|()| self.check_faults())
        };
        waited.map_err(|error| self.explain(error))
    }

    /// Waits until everything submitted so far is done.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn wait(&self) -> Result<(), Error> {
        pollster::block_on(self.wait_async())
    }

    /// Reads a range of a buffer back, after all work submitted so far. Outside browsers it waits when it is polled
    /// first, see [`wait_async`](Self::wait_async).
    ///
    /// # Errors
    /// [`Error::Range`], [`Error::OutOfBounds`] and [`Error::Usage`] for a range that is none, passes the buffer's
    /// last whole word, or is in a buffer without `COPY_SRC`; [`Error::DeviceLost`]; [`Error::OutOfMemory`] and
    /// [`Error::BufferSize`] for the staging buffer; [`Error::HostMemory`]; in a browser, also the faults of calls
    /// before it.
    pub async fn read_async(&self, buffer: &wgpu::Buffer, bytes: Range<u64>) -> Result<Vec<u8>, Error> {
        let Some(words) = words(buffer, &bytes)? else { return Ok(Vec::new()) };
        let length = usize::try_from(bytes.end - bytes.start).unwrap_or(usize::MAX);
        let mut values = host::zeros(length)?;
        let download = Download::new(self, words.end - words.start)?;
        self.encode("dropconnect.readback", |encoder| {
            download.record(encoder, buffer, words.start);
            Ok(())
        })?;
        let skip = (bytes.start - words.start) as usize;
        download.finish(self, |view| values.copy_from_slice(&view[skip..][..length])).await?;
        Ok(values)
    }

    /// Reads a range of a buffer back, after all work submitted so far.
    ///
    /// # Errors
    /// As [`read_async`](Self::read_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn read(&self, buffer: &wgpu::Buffer, bytes: Range<u64>) -> Result<Vec<u8>, Error> {
        pollster::block_on(self.read_async(buffer, bytes))
    }

    /// Runs what polls the device or looks at mapped memory, one thread at a time. When a thread polls a device that
    /// was destroyed, wgpu frees the memory that others look at.
    pub(super) fn in_turn<R>(&self, run: impl FnOnce() -> R) -> R {
        thread_local! {
            /// A callback of the host's, which a poll has called, may come here again.
            static INSIDE: Cell<bool> = const { Cell::new(false) };
        }
        /// Panics leave nothing behind.
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                INSIDE.set(false);
            }
        }
        if INSIDE.get() {
            return run();
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        INSIDE.set(true);
        let _leave = Leave;
        run()
    }
}

/// The whole words that hold a range of a buffer; `None` where it is empty.
fn words(buffer: &wgpu::Buffer, bytes: &Range<u64>) -> Result<Option<Range<u64>>, Error> {
    let (argument, buffer_size, Range { start, end }) = ("bytes", buffer.size(), bytes.clone());
    if start > end {
        return Err(Error::Range { argument, start, end });
    }
    let last = end.checked_next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT).unwrap_or(u64::MAX);
    if end > buffer_size || start < end && last > buffer_size {
        return Err(Error::OutOfBounds { argument, offset: start, end: last, buffer_size });
    }
    if start == end {
        return Ok(None);
    }
    let needed = wgpu::BufferUsages::COPY_SRC;
    if !buffer.usage().contains(needed) {
        return Err(Error::Usage { argument: "buffer", usage: buffer.usage(), needed });
    }
    Ok(Some(start - start % wgpu::COPY_BUFFER_ALIGNMENT..last))
}

/// Memory for a result on its way to the host. It is made before the work that it waits for, so that memory which ends
/// ends before anything is done.
#[derive(Debug)]
pub(crate) struct Download(wgpu::Buffer);

impl Download {
    /// For so many bytes, whole words.
    pub(crate) fn new(gpu: &Gpu, size: u64) -> Result<Self, Error> {
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let staging = allocate::zeroed(gpu.device(), "dropconnect.readback", size, usage);
        Ok(Self(staging.map_err(|error| gpu.explain(error))?))
    }

    /// Copies them out of a buffer.
    pub(crate) fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffer: &wgpu::Buffer,
        offset: wgpu::BufferAddress,
    ) {
        encoder.copy_buffer_to_buffer(buffer, offset, &self.0, 0, self.0.size());
    }

    /// Waits for them, once that is submitted.
    pub(crate) async fn finish(&self, gpu: &Gpu, read: impl FnOnce(&[u8])) -> Result<(), Error> {
        #[cfg(not(target_arch = "wasm32"))]
        let finished = gpu.in_turn(|| {
            let answer = self.map(gpu)?;
            loop {
                /// Another thread, of the host, may have polled and not come to call back yet.
                const PATIENCE: std::time::Duration = std::time::Duration::from_millis(1);
                allocate::poll(gpu.device(), wgpu::PollType::wait_indefinitely())?;
                match ready(answer.receive()) {
                    Some(mapped) => break self.copy_out(gpu, mapped, read),
                    None => std::thread::sleep(PATIENCE),
                }
            }
        });
        #[cfg(target_arch = "wasm32")]
        let finished = {
            let mapped = self.map(gpu)?.receive().await;
            gpu.check_faults().and_then(|()| self.copy_out(gpu, mapped, read))
        };
        finished.map_err(|error| gpu.explain(error))
    }

    /// Asks for them.
    fn map(&self, gpu: &Gpu) -> Result<OneshotReceiver<Result<(), wgpu::BufferAsyncError>>, Error> {
        let (sender, receiver) = oneshot_channel();
        allocate::guarded(gpu.device(), "mapping a result", self.0.size(), || {
            self.0.slice(..).map_async(wgpu::MapMode::Read, move |result| {
                // Nobody listens any more where waiting has failed.
                let _ = sender.send(result);
            });
        })?;
        Ok(receiver)
    }

    fn copy_out(&self, gpu: &Gpu, mapped: Mapped, read: impl FnOnce(&[u8])) -> Result<(), Error> {
        let failed = |reason: String| Error::Readback { reason };
        let mapped = match mapped {
            Some(result) => result.map_err(|error| failed(error.to_string())),
            None => Err(failed("the device dropped the request".to_owned())),
        };
        let view = mapped
            .and_then(|()| self.0.slice(..).get_mapped_range().map_err(|error| failed(error.to_string())));
        let failure = match view {
            Err(error) => error,
            Ok(view) => {
                read(&view);
                // If the memory is there still, it was there all the time.
                match self.0.slice(..).get_mapped_range() {
                    Ok(_) => return Ok(()),
                    Err(error) => failed(error.to_string()),
                }
            }
        };
        allocate::check_alive(gpu.device()).and(Err(failure))
    }
}
