//! An application that used Burn's device before this crate saw it: an error that it can handle, and the way out. A
//! process of its own, since a device is brought up once.

mod common;

use burn::tensor::{Device, Tensor};
use common::{config, values};
use dropconnect_burn::{
    Draw, DropConnectConv2dConfig, Error, attach, convert, try_drop_connect, wgpu_device,
};

#[test]
fn an_application_that_was_there_first_can_handle_it() {
    // As any program does that knows nothing of us.
    let Ok((device, setup)) = Device::wgpu_options().init_with_setup() else {
        assert_ne!(std::env::var("DROPCONNECT_REQUIRE_ADAPTER").as_deref(), Ok("1"), "no adapter");
        eprintln!("NOT RUN: an_application_that_was_there_first_can_handle_it: no adapter");
        return;
    };
    let x = Tensor::<2>::ones([3, 8], &device.clone().autodiff());
    assert_eq!(values(x.clone().sum()), [24.0]);

    assert!(matches!(wgpu_device(), Err(Error::NotAttached { .. })));
    // Layers are made, and infer, on such a device.
    let layer = config(8, 4).try_init(&device.clone().autodiff()).expect("made");
    assert_eq!(layer.clone().into_linear().forward(x.clone()).dims(), [3, 4]);
    let error = layer.try_forward(x.clone()).expect_err("not attached");
    assert!(matches!(error, Error::NotAttached { .. }), "{error}");
    assert!(error.to_string().contains("wgpu_device") && error.to_string().contains("attach"), "{error}");
    let conv = DropConnectConv2dConfig::new(1, [1, 2], [2, 2]).try_init(&device.clone().autodiff()).unwrap();
    let image = x.clone().reshape([1, 1, 3, 8]);
    assert!(matches!(conv.try_forward(image), Err(Error::NotAttached { .. })));
    let mask = layer.settings().mask(Draw::default());
    let weight = Tensor::<2>::ones([8, 4], &device);
    let operation = try_drop_connect(x.clone().inner(), weight, None, mask, false);
    assert!(matches!(operation, Err(Error::NotAttached { .. })));
    // A converted model needs no kernels.
    let linear =
        convert(layer.clone().into_linear(), &dropconnect_burn::ModelConfig::new(), |_| true).unwrap();
    assert_eq!(linear.forward(x.clone()).dims(), [3, 4]);

    attach(&device, &setup).expect("a wgpu device");
    let y = layer.try_forward(x).expect("the same layer, attached");
    assert_eq!((y.dims(), layer.steps.get()), ([3, 4], 1), "the refused call took no step");
    assert!(wgpu_device().is_ok());
}
