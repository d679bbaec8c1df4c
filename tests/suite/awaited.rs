//! The calls of a layer and of a device as futures.

use crate::common::{Data, devices, shape};
use dropconnect::gpu::{AdapterChoice, Gpu, KernelOptions};
use dropconnect::{DropConnect, ElementType, Error, MaskKey, Write};

/// What an executor with several threads asks of a future.
fn spawnable<T>(work: impl Future<Output = T> + Send) -> T {
    pollster::block_on(work)
}

#[test]
fn futures_move_between_threads_and_give_what_the_blocking_calls_give() {
    for device in devices("futures_move_between_threads_and_give_what_the_blocking_calls_give") {
        let build = || DropConnect::new(&device, MaskKey::new(1, 0), 19, 7).build().unwrap();
        let (mut blocking, mut awaited) = (build(), build());
        let data = Data::random(&shape([6, 7, 19]), ElementType::F32, 1);
        let y = blocking.forward(&data.x).wait().unwrap();
        assert_eq!(spawnable(awaited.forward(&data.x)).unwrap(), y);
        let dx = blocking.backward(&data.x, &y, Write::Overwrite).wait().unwrap();
        assert_eq!(spawnable(awaited.backward(&data.x, &y, Write::Overwrite)).unwrap(), dx);
        assert_eq!(spawnable(awaited.grad_weight()).unwrap(), blocking.grad_weight().wait().unwrap());
        assert_eq!(
            spawnable(awaited.monte_carlo(&data.x, 3)).unwrap(),
            blocking.monte_carlo(&data.x, 3).wait().unwrap()
        );
    }
}

#[test]
fn a_future_does_nothing_before_it_is_awaited() {
    for device in devices("a_future_does_nothing_before_it_is_awaited") {
        let mut layer = DropConnect::new(&device, MaskKey::new(1, 0), 19, 7).build().unwrap();
        let data = Data::random(&shape([6, 7, 19]), ElementType::F32, 1);
        drop(layer.backward(&data.x, &data.grad_output, Write::Accumulate));
        assert!(layer.grad_weight().wait().unwrap().iter().all(|&value| value == 0.0));
    }
}

#[test]
fn arguments_are_refused_as_by_the_blocking_calls() {
    for device in devices("arguments_are_refused_as_by_the_blocking_calls") {
        let layer = DropConnect::new(&device, MaskKey::new(1, 0), 19, 7).build().unwrap();
        let refused = pollster::block_on(layer.forward(&[0.0; 20])).unwrap_err();
        assert!(matches!(refused, Error::Length { argument: "x", .. }), "{refused}");
    }
    let nowhere = AdapterChoice { name: Some("no such adapter".to_owned()), ..AdapterChoice::default() };
    let refused = spawnable(Gpu::open_async(&nowhere, &KernelOptions::default())).unwrap_err();
    assert!(matches!(refused, Error::NoAdapter { .. }), "{refused}");
}
