//! The same call with other keys: made ahead by the host, or read from device memory when it is executed.

use std::mem::offset_of;
use std::sync::{Arc, PoisonError};

use super::allocate::{check_alive, initialised};
use super::recording::{BoundRange, Dispatch, Draws, Recording, pass_keys};
use crate::gpu::shader::params::{Params, RoundKeys, round_keys};
use crate::{Error, MaskKey, host};

/// Calls made ahead for steps that follow one another, in one buffer of at most so many bytes: a buffer for each step
/// would cost a hundred microseconds on some drivers.
const STEPS_AHEAD: usize = 64;
const BYTES_AHEAD: usize = 64 << 10;

/// The masks of other steps. A recording keeps its key: what has been recorded of it, and not been executed yet, draws
/// what it would have drawn anyway, whatever is made of it later.
impl Recording {
    /// The words of a key in a [`key_block`](Self::key_block).
    pub const KEY_WORDS: usize = size_of::<RoundKeys>() / size_of::<u32>();
    /// Their bytes.
    pub const KEY_BYTES: u64 = size_of::<RoundKeys>() as u64;

    /// The same call with another seed, layer, step or Monte-Carlo sample: it draws the masks, or Gaussian samples, of
    /// that key. Nothing is checked or compiled again, and no queue is needed. A recording of
    /// [`MonteCarlo`](crate::call::MonteCarlo) draws all its samples at the key's step.
    ///
    /// Where a step follows the one before, the calls of some more steps are made with it, so that most of them cost a
    /// microsecond. Those do not look whether the device lives: nothing is made on it.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; [`Error::OutOfMemory`]; [`Error::DeviceFault`].
    pub fn at_key(&self, key: MaskKey) -> Result<Self, Error> {
        if self.pass_keys.is_some() {
            return self.at_keys(&[key]).map(|mut calls| calls.swap_remove(0));
        }
        // A panic leaves the calls that are there as they were.
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let before = ahead.last.replace(key).filter(|&before| before.at_step(key.step) == key);
        let index = key.step.checked_sub(ahead.first).and_then(|index| usize::try_from(index).ok());
        let call = match index.filter(|_| before.is_some()).and_then(|index| ahead.calls.get(index)) {
            Some(call) => call.clone(),
            None => {
                let follows = before.is_some_and(|before| before.step.checked_add(1) == Some(key.step));
                let bytes = self.dispatches.len() * self.params_stride();
                let most = if follows { (BYTES_AHEAD / bytes.max(1)).clamp(1, STEPS_AHEAD) } else { 1 };
                let steps = (0..most as u64).map_while(|step| key.step.checked_add(step));
                let keys: Vec<_> = steps.map(|step| key.at_step(step)).collect();
                ahead.calls.clear();
                (ahead.first, ahead.calls) = (key.step, self.at_keys(&keys)?);
                ahead.calls[0].clone()
            }
        };
        Ok(Self { ahead: Arc::clone(&self.ahead), ..call })
    }

    /// The distance between the parameters of dispatches in one buffer.
    fn params_stride(&self) -> usize {
        let alignment = |device: &wgpu::Device| device.limits().min_uniform_buffer_offset_alignment as usize;
        size_of::<Params>().next_multiple_of(self.device.as_ref().map_or(1, alignment))
    }

    /// The same call with each of these keys, in memory that they share: for the steps to come, each of which then
    /// costs the host no more than to record it.
    ///
    /// ```no_run
    /// use dropconnect::MaskKey;
    /// use dropconnect::gpu::Recording;
    /// # fn example(device: &wgpu::Device, queue: &wgpu::Queue, forward: &Recording, both_gradients: &Recording)
    /// # -> Result<(), dropconnect::Error> {
    /// let keys: Vec<_> = (0..100).map(|step| MaskKey::new(42, 0).at_step(step)).collect();
    /// let (forward, both_gradients) = (forward.at_keys(&keys)?, both_gradients.at_keys(&keys)?);
    /// let mut encoder = device.create_command_encoder(&Default::default());
    /// for step in 0..keys.len() {
    ///     forward[step].encode(&mut encoder);
    ///     both_gradients[step].encode(&mut encoder);
    /// }
    /// queue.submit([encoder.finish()]);
    /// # Ok(()) }
    /// # use dropconnect::wgpu;
    /// ```
    ///
    /// # Errors
    /// As [`at_key`](Self::at_key); [`Error::BufferSize`] for more keys than one buffer holds, some millions.
    pub fn at_keys(&self, keys: &[MaskKey]) -> Result<Vec<Self>, Error> {
        let recordings = if self.pass_keys.is_some() {
            host::try_collect(keys.iter().map(|&key| self.with_pass_keys(key)))?
        } else {
            self.with_round_keys(keys, wgpu::BufferUsages::UNIFORM)?
        };
        self.device.as_ref().map_or(Ok(()), check_alive)?;
        Ok(recordings)
    }

    /// With parameters of their own for each key.
    fn with_round_keys(&self, keys: &[MaskKey], usage: wgpu::BufferUsages) -> Result<Vec<Self>, Error> {
        let (Some(device), false) = (&self.device, keys.is_empty()) else {
            return host::collect(keys.iter().map(|_| self.clone()));
        };
        let (limits, stride) = (device.limits(), self.params_stride());
        let size = keys.len().saturating_mul(self.dispatches.len()).saturating_mul(stride);
        // Dynamic offsets have 32 bits.
        let limit = limits.max_buffer_size.min(u32::MAX.into());
        if size as u64 > limit {
            return Err(Error::BufferSize { size: size as u64, limit });
        }
        let mut contents = host::zeros(size)?;
        let mut at_keys = host::empty(keys.len())?;
        let mut offset = 0;
        for &key in keys {
            let mut recording =
                Self { key_on_device: Default::default(), ahead: Default::default(), ..self.clone() };
            for dispatch in &mut recording.dispatches {
                if let Some(keys) = dispatch.draws.round_keys(key) {
                    dispatch.params.round_keys = keys;
                }
                contents[offset..][..size_of::<Params>()]
                    .copy_from_slice(bytemuck::bytes_of(&dispatch.params));
                dispatch.offset = offset as u32;
                offset += stride;
            }
            at_keys.push(recording);
        }
        let uniform = initialised(device, self.label, &contents, usage)?;
        for (index, dispatch) in self.dispatches.iter().enumerate() {
            let bind_group = Dispatch::bind(device, &dispatch.pipeline, &uniform, &dispatch.bindings)?;
            for recording in &mut at_keys {
                let own = &mut recording.dispatches[index];
                (own.uniform, own.bind_group) = (uniform.clone(), bind_group.clone());
            }
        }
        Ok(at_keys)
    }

    /// With the keys of all Monte-Carlo samples in a buffer of its own.
    fn with_pass_keys(&self, key: MaskKey) -> Result<Self, Error> {
        let (Some(device), Some((former, passes))) = (&self.device, &self.pass_keys) else {
            return Ok(self.clone());
        };
        let words = pass_keys(key, *passes);
        let keys = initialised(device, self.label, bytemuck::cast_slice(&words), former.usage())?;
        let mut recording = self.clone();
        for dispatch in &mut recording.dispatches {
            let own = |range: &BoundRange| {
                let buffer = if range.buffer == *former { &keys } else { &range.buffer };
                BoundRange { buffer: buffer.clone(), ..*range }
            };
            dispatch.bindings = dispatch.bindings.iter().map(own).collect();
            dispatch.bind_group =
                Dispatch::bind(device, &dispatch.pipeline, &dispatch.uniform, &dispatch.bindings)?;
        }
        recording.pass_keys = Some((keys, *passes));
        Ok(recording)
    }

    /// The words of a key as the kernels of this call read them, for buffers that a host fills itself: two for each of
    /// 34 rounds, `key + r * (0x9E3779B9, 0xBB67AE85)` for round r from 0 on, modulo 2^32. `key` is
    /// [`MaskKey::words`], or for [`Activate`](crate::call::Activate) [`MaskKey::gaussian_words`]. All
    /// rounds are there, however few a mask takes.
    pub fn key_block(&self, key: MaskKey) -> [u32; Self::KEY_WORDS] {
        let gaussian = self.dispatches.iter().any(|dispatch| dispatch.draws == Draws::Gaussian);
        bytemuck::cast(round_keys(if gaussian { key.gaussian_words() } else { key.words() }))
    }

    /// Records the call so that it draws by the key that a buffer of the host's holds *when this is executed*: by a
    /// step counter that lives on the device, say. The key is copied first, to where only this command reads it.
    ///
    /// From `offset` on the buffer has to hold the [`KEY_BYTES`](Self::KEY_BYTES) bytes of a
    /// [`key_block`](Self::key_block), as little-endian words. A kernel of the host's that makes one of a counter finds
    /// the key's words by one call of Philox, which `docs/mask-format.md` describes ("Key"), and then adds the
    /// constants of each round.
    ///
    /// # Errors
    /// [`Error::Usage`] for a buffer without `COPY_SRC`; [`Error::Misaligned`]; [`Error::OutOfBounds`];
    /// [`Error::PassKeys`] for a recording of [`MonteCarlo`](crate::call::MonteCarlo); the first
    /// time, as [`at_key`](Self::at_key). Nothing is recorded then.
    pub fn encode_with_key_from(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffer: &wgpu::Buffer,
        offset: u64,
    ) -> Result<(), Error> {
        let argument = "key";
        let (bytes, needed) = (Self::KEY_BYTES, wgpu::BufferUsages::COPY_SRC);
        if self.pass_keys.is_some() || self.dispatches.iter().any(|d| matches!(d.draws, Draws::Pass(_))) {
            return Err(Error::PassKeys);
        }
        if !buffer.usage().contains(needed) {
            return Err(Error::Usage { argument, usage: buffer.usage(), needed });
        }
        if !offset.is_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT) {
            return Err(Error::Misaligned { argument, offset });
        }
        let (end, buffer_size) = (offset.saturating_add(bytes), buffer.size());
        if end > buffer_size {
            return Err(Error::OutOfBounds { argument, offset, end, buffer_size });
        }
        let own = self.key_on_device()?;
        for dispatch in own.dispatches.iter().filter(|dispatch| dispatch.draws != Draws::Nothing) {
            let to = u64::from(dispatch.offset) + offset_of!(Params, round_keys) as u64;
            encoder.copy_buffer_to_buffer(buffer, offset, &dispatch.uniform, to, bytes);
        }
        own.encode(encoder);
        Ok(())
    }

    /// The call with parameters that copies write, and that nothing but the commands right after them reads.
    fn key_on_device(&self) -> Result<&Self, Error> {
        if let Some(own) = self.key_on_device.get() {
            return Ok(own);
        }
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        // Any key: every use writes its own.
        let own = self.with_round_keys(&[MaskKey::new(0, 0)], usage)?.swap_remove(0);
        self.device.as_ref().map_or(Ok(()), check_alive)?;
        Ok(self.key_on_device.get_or_init(|| Arc::new(own)))
    }
}
