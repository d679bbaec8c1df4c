//! Keys in device memory, from which a recording takes them: the masks of several steps in one submission.

use std::mem::offset_of;

use super::allocate::initialised;
use super::params::{Params, RoundKeys, round_keys};
use super::recording::{Draws, Recording};
use crate::{Error, MaskKey};

/// The keys of steps or passes in device memory, made once and used by any number of recordings: see
/// [`Recording::encode_key`].
#[derive(Clone, Debug)]
pub struct MaskKeys {
    buffer: wgpu::Buffer,
    count: u32,
}

impl MaskKeys {
    /// The words of a key as the kernels read them: [`mask_block`](Self::mask_block).
    pub const BLOCK_WORDS: usize = size_of::<RoundKeys>() / size_of::<u32>();
    /// Their bytes.
    pub const BLOCK_BYTES: u64 = size_of::<RoundKeys>() as u64;
    /// Each key has two blocks, of masks and of Gaussian samples.
    const STRIDE: u64 = 2 * Self::BLOCK_BYTES;

    /// Puts keys into memory of a device, 544 bytes each. Needs no queue.
    ///
    /// # Errors
    /// [`Error::Count`] for no key or 2^32; [`Error::BufferSize`]; [`Error::OutOfMemory`]; [`Error::DeviceLost`].
    pub fn new(device: &wgpu::Device, keys: &[MaskKey]) -> Result<Self, Error> {
        let count = u32::try_from(keys.len()).unwrap_or(0);
        Error::check_count("keys", count, 1..=u32::MAX)?;
        let blocks: Vec<[u32; Self::BLOCK_WORDS]> =
            keys.iter().flat_map(|&key| [Self::mask_block(key), Self::gaussian_block(key)]).collect();
        let usage = wgpu::BufferUsages::COPY_SRC;
        let buffer = initialised(device, "dropconnect.keys", bytemuck::cast_slice(&blocks), usage)?;
        Ok(Self { buffer, count })
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// The words of a key as the kernels that draw masks read them, for buffers that a host fills itself: two for
    /// each of 34 rounds, `key + r * (0x9E3779B9, 0xBB67AE85)` for round r from 0 on, modulo 2^32, where `key` is
    /// [`MaskKey::words`]. All rounds are there, however many a mask takes.
    pub fn mask_block(key: MaskKey) -> [u32; Self::BLOCK_WORDS] {
        bytemuck::cast(round_keys(key.words()))
    }

    /// The same for the Gaussian samples of [`Kernels::activate`](super::Kernels::activate), from
    /// [`MaskKey::gaussian_words`].
    pub fn gaussian_block(key: MaskKey) -> [u32; Self::BLOCK_WORDS] {
        bytemuck::cast(round_keys(key.gaussian_words()))
    }
}

/// Several steps, micro-batches or passes in one submission. [`Recording::set_key`] writes ahead of a whole
/// submission; these copy between the compute passes of an encoder, and what is recorded after one draws by its key.
/// It remains the recording's key until another one is set.
impl Recording {
    /// Records that the recording draws by one of these keys from here on.
    ///
    /// ```no_run
    /// use dropconnect::MaskKey;
    /// use dropconnect::gpu::{MaskKeys, Recording};
    /// # fn example(device: &wgpu::Device, queue: &wgpu::Queue, forward: &Recording, both_gradients: &Recording)
    /// # -> Result<(), dropconnect::Error> {
    /// let steps: Vec<_> = (0..100).map(|step| MaskKey::new(42, 0).at_step(step)).collect();
    /// let keys = MaskKeys::new(device, &steps)?;
    /// let mut encoder = device.create_command_encoder(&Default::default());
    /// for step in 0..keys.len() {
    ///     for recording in [forward, both_gradients] {
    ///         recording.encode_key(&mut encoder, &keys, step)?;
    ///         recording.encode(&mut encoder);
    ///     }
    /// }
    /// queue.submit([encoder.finish()]);
    /// # Ok(()) }
    /// # use dropconnect::wgpu;
    /// ```
    ///
    /// # Errors
    /// [`Error::Count`] for an index past the last key; [`Error::PassKeys`] for a recording of
    /// [`Kernels::monte_carlo`](super::Kernels::monte_carlo). Nothing is recorded then.
    pub fn encode_key(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        keys: &MaskKeys,
        index: u32,
    ) -> Result<(), Error> {
        Error::check_count("index", index, 0..=keys.count - 1)?;
        let gaussian = self.dispatches.iter().any(|dispatch| matches!(dispatch.draws, Draws::Gaussian));
        let of_masks = u64::from(index) * MaskKeys::STRIDE;
        let offset = if gaussian { of_masks + MaskKeys::BLOCK_BYTES } else { of_masks };
        self.encode_key_from(encoder, &keys.buffer, offset)
    }

    /// Records that the recording draws from here on by the key that a buffer of the host's holds *when this is
    /// executed*: by a step counter that lives on the device, say, so that one command buffer serves every step.
    ///
    /// From `offset` on the buffer has to hold the [`MaskKeys::BLOCK_BYTES`] bytes of a
    /// [`mask_block`](MaskKeys::mask_block), or for [`Kernels::activate`](super::Kernels::activate) of a
    /// [`gaussian_block`](MaskKeys::gaussian_block), as little-endian words. A kernel of the host's that makes one of
    /// a counter finds the key's words by one call of Philox, which `docs/mask-format.md` describes ("Key"), and then
    /// adds the constants of each round.
    ///
    /// # Errors
    /// [`Error::Usage`] for a buffer without `COPY_SRC`; [`Error::Misaligned`]; [`Error::OutOfBounds`];
    /// [`Error::PassKeys`] as in [`encode_key`](Self::encode_key). Nothing is recorded then.
    pub fn encode_key_from(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffer: &wgpu::Buffer,
        offset: u64,
    ) -> Result<(), Error> {
        let argument = "key";
        let (bytes, needed) = (MaskKeys::BLOCK_BYTES, wgpu::BufferUsages::COPY_SRC);
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
        let place = offset_of!(Params, round_keys) as u64;
        for dispatch in self.dispatches.iter().filter(|dispatch| !matches!(dispatch.draws, Draws::Nothing)) {
            encoder.copy_buffer_to_buffer(buffer, offset, &dispatch.params, place, bytes);
        }
        Ok(())
    }
}
