//! The wgpu handles behind Burn's devices, and the kernels made for each.
//!
//! Burn hands out a tensor's buffer but neither the device nor the queue it belongs to, so those have to be
//! noted when the device is brought up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::DispatchDevice;
use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
use burn_cubecl::CubeDevice;
use cubecl_wgpu::{
    AutoGraphicsApi, RuntimeOptions, WgpuDevice, WgpuDeviceKind, WgpuInitError, try_init_setup,
};
use dropconnect::gpu::{KernelOptions, Kernels};
use dropconnect::wgpu;

use crate::Error;

/// What recording on a Burn device takes.
pub(crate) struct Handles {
    pub kernels: Kernels,
    pub queue: wgpu::Queue,
}

/// Devices come and go rarely and are few: one lock serves.
static ATTACHED: Mutex<Option<HashMap<WgpuDevice, Arc<Handles>>>> = Mutex::new(None);
/// One thread at a time brings up devices, so that no other finds one that runs but is not attached yet.
static BRINGING_UP: Mutex<()> = Mutex::new(());

/// Burn's default wgpu device, brought up with its handles known to this crate.
///
/// Call it once, before any tensor: the device of a running Burn cannot be asked for its handles. Making a
/// [`DropConnect`](crate::DropConnect) layer on a wgpu device that Burn has not used yet has the same effect.
/// Later calls return the same device.
///
/// # Errors
/// [`Error::Device`] without an adapter; [`Error::NotAttached`] where Burn runs on the device already.
pub fn wgpu_device() -> Result<Device, Error> {
    let device = WgpuDevice::default();
    bring_up(&device)?;
    Ok(Device::from(CubeDevice::Wgpu(device)))
}

/// Gives this crate the wgpu handles of a Burn device: those that
/// [`WgpuOptions::init_with_setup`](burn::tensor::wgpu::WgpuOptions::init_with_setup) returned with it, or
/// those of the application's own device that were given to Burn.
///
/// # Errors
/// [`Error::NotWgpu`] for a device of another backend; [`Error::Kernel`] for a wgpu device with less than
/// the kernels need.
pub fn attach(device: &Device, setup: &WgpuSetup) -> Result<(), Error> {
    match wgpu_of(device) {
        Some(device) => register(&device, setup).map(drop),
        None => Err(Error::NotWgpu { device: format!("{device:?}") }),
    }
}

/// Brings up and attaches a wgpu device that Burn has not used yet. Any other device is left as it is: it is
/// attached already, needs no attaching, or is refused with [`Error::NotAttached`] when it is used.
pub(crate) fn prepare(device: &Device) -> Result<(), Error> {
    match wgpu_of(device).as_ref().map(bring_up) {
        None | Some(Ok(_) | Err(Error::NotAttached { .. })) => Ok(()),
        Some(Err(error)) => Err(error),
    }
}

/// Whether the kernels can run on this device.
pub(crate) fn ready(device: &Device) -> Result<(), Error> {
    wgpu_of(device).map_or(Ok(()), |device| handles(&device).map(drop))
}

/// The handles of the device of a tensor.
pub(crate) fn handles(device: &WgpuDevice) -> Result<Arc<Handles>, Error> {
    known(device).ok_or_else(|| Error::NotAttached { device: format!("{device:?}") })
}

fn known(device: &WgpuDevice) -> Option<Arc<Handles>> {
    let attached = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
    attached.as_ref()?.get(device).cloned()
}

fn bring_up(device: &WgpuDevice) -> Result<Arc<Handles>, Error> {
    let _guard = BRINGING_UP.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handles) = known(device) {
        return Ok(handles);
    }
    // The application's own: nothing but `attach` tells what is behind it.
    if let WgpuDeviceKind::Existing(_) = device.kind {
        return handles(device);
    }
    match try_init_setup::<AutoGraphicsApi>(device, RuntimeOptions::try_default()?) {
        Ok(setup) => register(device, &setup),
        Err(WgpuInitError::Registration { .. }) => handles(device),
        Err(error) => Err(error.into()),
    }
}

fn register(device: &WgpuDevice, setup: &WgpuSetup) -> Result<Arc<Handles>, Error> {
    let kernels = Kernels::new(&setup.device, &KernelOptions::default())?;
    let handles = Arc::new(Handles { kernels, queue: setup.queue.clone() });
    let mut attached = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
    attached.get_or_insert_default().insert(device.clone(), handles.clone());
    Ok(handles)
}

/// Whether two devices are one, but for what Burn decorates them with.
pub(crate) fn same(one: &Device, other: &Device) -> bool {
    one.as_dispatch().clone().inner() == other.as_dispatch().clone().inner()
}

fn wgpu_of(device: &Device) -> Option<WgpuDevice> {
    match device.as_dispatch().clone().inner() {
        DispatchDevice::Cube(CubeDevice::Wgpu(device)) => Some(device),
        #[allow(unreachable_patterns, reason = "the other backends depend on the features of the build")]
        _ => None,
    }
}
