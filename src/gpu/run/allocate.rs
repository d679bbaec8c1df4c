//! Calls of wgpu whose faults come back as [`Error`]s, on a device that may be a host's own.
//!
//! By default wgpu reports a fault to the device's handler of uncaptured errors, which panics. Error scopes keep it
//! from there; they are stacks of the calling thread. Of a *lost* device wgpu says nothing at all: it hands out
//! objects that look like any other, and whose use is a fault. A lost device stays lost, so one question
//! ([`check_alive`]) answers for all that was made before it, and it is asked before a host gets any of that. Objects
//! that do not leave the library go unasked: reading a result back tells. The device's callback for its loss is its
//! owner's, and is left alone.
//!
//! In a browser nothing is known before the page has given up its thread. There faults go to the handler, and
//! [`Gpu`](crate::gpu::Gpu) has one of its own, of which the next result that is read tells.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::Error;
use crate::work::{IN_A_BROWSER, ready};

/// Runs calls on a device, and returns a fault that they raised. `what` is made or done, of so many bytes or 0.
pub(crate) fn guarded<T>(
    device: &wgpu::Device,
    what: &'static str,
    bytes: u64,
    run: impl FnOnce() -> T,
) -> Result<T, Error> {
    let (result, fault) = scoped(device, run);
    let Some(fault) = fault else { return Ok(result) };
    let fault = self::fault(what, bytes, &fault);
    if let Error::DeviceFault { .. } = fault {
        // What a lost device made is no valid object: the loss is the reason then.
        check_alive(device)?;
    }
    Err(fault)
}

/// A fault that wgpu has told of, as an error. `what` was to be made or done, of so many bytes or 0.
pub(crate) fn fault(what: &'static str, bytes: u64, fault: &wgpu::Error) -> Error {
    match fault {
        wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory { what, size: bytes },
        fault => Error::DeviceFault { what, reason: one_line(&fault.to_string()) },
    }
}

/// Runs calls on a device, and catches the fault that explains the others.
fn scoped<T>(device: &wgpu::Device, run: impl FnOnce() -> T) -> (T, Option<wgpu::Error>) {
    use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
    if IN_A_BROWSER {
        return (run(), None);
    }
    // A stack, popped from its end: where memory has ended, what was not made is used nevertheless.
    let scopes = [Validation, Internal, OutOfMemory].map(|filter| device.push_error_scope(filter));
    let result = run();
    let mut fault = None;
    for scope in scopes.into_iter().rev() {
        let caught = ready(scope.pop()).flatten();
        fault = fault.or(caught);
    }
    (result, fault)
}

pub(crate) fn one_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// That the device is gone, where nobody says why.
pub(crate) fn lost() -> Error {
    Error::DeviceLost { reason: "it was destroyed, or its driver gave it up".to_owned() }
}

/// Refuses a device that is lost. Whatever it made before this succeeds was sound: a lost device stays lost.
///
/// wgpu asks whether a device is lost before it looks at what is to be made. So a buffer without usages is refused by a
/// device that lives, and a lost one says nothing. Nothing is made in either case. A browser tells of the loss with the
/// next result.
pub(crate) fn check_alive(device: &wgpu::Device) -> Result<(), Error> {
    if IN_A_BROWSER {
        return Ok(());
    }
    let descriptor = wgpu::BufferDescriptor {
        label: Some("dropconnect.alive"),
        size: wgpu::COPY_BUFFER_ALIGNMENT,
        usage: wgpu::BufferUsages::empty(),
        mapped_at_creation: false,
    };
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    drop(device.create_buffer(&descriptor));
    let refused = ready(scope.pop()).flatten().is_some();
    if refused { Ok(()) } else { Err(lost()) }
}

/// The size of a buffer for so many bytes: whole words, and no more than the device makes.
pub(crate) fn buffer_size(device: &wgpu::Device, bytes: u64) -> Result<u64, Error> {
    let limit = device.limits().max_buffer_size;
    let word = wgpu::COPY_BUFFER_ALIGNMENT;
    let size = bytes.max(word).checked_next_multiple_of(word).unwrap_or(u64::MAX);
    if size <= limit && size.is_multiple_of(word) { Ok(size) } else { Err(Error::BufferSize { size, limit }) }
}

/// A zeroed buffer of at least so many bytes. On a lost device it is none, which [`check_alive`] says.
pub(crate) fn zeroed(
    device: &wgpu::Device,
    label: &'static str,
    bytes: u64,
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer, Error> {
    let size = buffer_size(device, bytes)?;
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
    guarded(device, "a buffer", size, || device.create_buffer(&descriptor))
}

/// A buffer that holds `contents`, for which no queue is needed.
///
/// For parameters: without `MAP_WRITE` among the usages wgpu goes through memory of its own, and gives the whole
/// device up where there is none left.
pub(crate) fn initialised(
    device: &wgpu::Device,
    label: &'static str,
    contents: &[u8],
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer, Error> {
    mapped(device, label, contents.len() as u64, usage, |mut view| {
        view.slice(..contents.len()).copy_from_slice(contents);
    })
}

/// A buffer of at least so many bytes that is written while it is mapped.
fn mapped(
    device: &wgpu::Device,
    label: &'static str,
    bytes: u64,
    usage: wgpu::BufferUsages,
    write: impl FnOnce(wgpu::BufferViewMut),
) -> Result<wgpu::Buffer, Error> {
    let size = buffer_size(device, bytes)?;
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: true };
    let buffer = guarded(device, "a buffer", size, || {
        let buffer = device.create_buffer(&descriptor);
        let view = buffer.get_mapped_range_mut(..).ok()?;
        write(view);
        buffer.unmap();
        Some(buffer)
    })?;
    buffer.ok_or_else(lost)
}

/// Records commands and submits them. A lost device takes them and runs nothing, which [`check_alive`] says.
pub(crate) fn submit(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    label: &'static str,
    record: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<(), Error>,
) -> Result<wgpu::SubmissionIndex, Error> {
    guarded(device, label, 0, || {
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some(label) };
        let mut encoder = device.create_command_encoder(&descriptor);
        record(&mut encoder)?;
        Ok(queue.submit([encoder.finish()]))
    })?
}

/// Polls the device: fires callbacks, and waits, without end, where that is asked for.
pub(crate) fn poll(device: &wgpu::Device, what: wgpu::PollType) -> Result<(), Error> {
    // Where the driver gives up a device that is waited for, wgpu panics, with its locks released.
    match catch_unwind(AssertUnwindSafe(|| device.poll(what))) {
        Ok(Ok(_)) => Ok(()),
        // A lost device has taken no such submission.
        Ok(Err(_)) => Err(lost()),
        // A callback of the host's may panic, too, which is the host's to see.
        Err(panic) => check_alive(device).and_then(|()| resume_unwind(panic)),
    }
}

/// Waits for a submission: outside browsers when it is polled first.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn done(
    device: &wgpu::Device,
    _: &wgpu::Queue,
    index: wgpu::SubmissionIndex,
) -> Result<(), Error> {
    wait(device, index)
}

/// Waits for a submission on this thread.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn wait(device: &wgpu::Device, index: wgpu::SubmissionIndex) -> Result<(), Error> {
    poll(device, wgpu::PollType::Wait { submission_index: Some(index), timeout: None })
}

/// Waits for a submission. A browser tells of all that there are.
#[cfg(target_arch = "wasm32")]
pub(crate) async fn done(
    _: &wgpu::Device,
    queue: &wgpu::Queue,
    _: wgpu::SubmissionIndex,
) -> Result<(), Error> {
    let (sender, receiver) = futures_intrusive::channel::shared::oneshot_channel();
    queue.on_submitted_work_done(move || {
        // Nobody listens any more where the wait was given up.
        let _ = sender.send(());
    });
    receiver.receive().await;
    Ok(())
}
