//! The application's own wgpu device, handed to Burn and to this crate; and a second device beside it.

mod common;

use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
use common::{config, device, ramp, values};
use dropconnect_burn::dropconnect::gpu::AdapterChoice;
use dropconnect_burn::dropconnect::wgpu;
use dropconnect_burn::{Draw, Error, attach};

/// A device such as an engine makes for itself.
fn own_setup() -> WgpuSetup {
    let backends = AdapterChoice::default().backends;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pollster::block_on(instance.enumerate_adapters(backends));
    let adapter = adapters.into_iter().next().expect("an adapter");
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("the application's"),
        required_features: adapter.features() & wgpu::Features::SHADER_INT64,
        required_limits: adapter.limits(),
        ..Default::default()
    };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).expect("a device");
    let backend = adapter.get_info().backend;
    WgpuSetup { instance, adapter, device, queue, backend }
}

#[test]
fn a_device_of_the_application_works_beside_burns() {
    let Some(theirs) = device("a_device_of_the_application_works_beside_burns") else { return };
    let setup = own_setup();
    let own = Device::wgpu_options().setup(setup.clone()).init().expect("Burn takes the device");
    let draw = Draw { step: 3, ..Draw::default() };
    // Before it is attached, the layer says what is missing.
    let unattached = std::panic::catch_unwind(|| {
        let device = own.clone().autodiff();
        let x = ramp([6, 20], 31, 7, &device);
        values(config(20, 10).init(&device).forward_at(x, draw))
    });
    let text = *unattached.expect_err("the handles are not known").downcast::<String>().expect("a text");
    assert!(text.contains("attach"), "{text}");

    attach(&own, &setup).expect("a wgpu device");
    let results = |device: &Device| {
        let device = device.clone().autodiff();
        let mut layer = config(20, 10).init(&device);
        layer.weight = layer.weight.map(|_| ramp([20, 10], 57, 3, &device).require_grad());
        layer.bias = layer.bias.map(|bias| bias.map(|_| ramp([10], 13, 1, &device).require_grad()));
        let x = ramp([6, 20], 31, 7, &device).require_grad();
        let y = layer.forward_at(x.clone(), draw);
        let gradients = (y.clone() * ramp([6, 10], 91, 5, &device)).sum().backward();
        [values(y), values(x.grad(&gradients).unwrap()), values(layer.weight.grad(&gradients).unwrap())]
    };
    assert_eq!(results(&own), results(&theirs), "two devices, one mask");
    // One call has one device.
    let layer = config(20, 10).init(&theirs.clone().autodiff());
    let refused = layer.try_forward(ramp([6, 20], 31, 7, &own.clone().autodiff())).unwrap_err();
    assert!(matches!(refused, Error::MixedDevices { argument: "weight", .. }), "{refused}");
    assert_eq!(layer.steps.get(), 0);
}

#[cfg(feature = "flex")]
#[test]
fn a_device_without_wgpu_is_not_attached() {
    let Some(_) = device("a_device_without_wgpu_is_not_attached") else { return };
    let error = attach(&Device::flex(), &own_setup()).unwrap_err();
    assert!(matches!(error, Error::NotWgpu { .. }), "{error}");
}
