//! The convolution against one in float64, written out, with the masks that the layer says it draws.

use crate::common::{assert_close, device, ramp, relative_error, values};
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use dropconnect_burn::{Draw, DropConnectConv2d, DropConnectConv2dConfig, Error, Sampler};

const DRAW: Draw = Draw { step: 6, pass: None, first_example: 3 };

fn config(channels: [usize; 2], kernel: [usize; 2]) -> DropConnectConv2dConfig {
    DropConnectConv2dConfig::new(4, channels, kernel).with_prob(0.3).with_seed(42)
}

/// Y and the gradients of X, the weight and the bias, in float64.
struct Direct {
    results: [Vec<f64>; 4],
    dims: [usize; 4],
}

/// Loops over every product of the convolution. `pad` is top and left; `size` the size of the output.
fn direct(
    layer: &DropConnectConv2d,
    config: &DropConnectConv2dConfig,
    x: &Tensor<4>,
    upstream: &Tensor<4>,
    pad: [usize; 2],
    draw: Draw,
) -> Direct {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let ([batch, channels, height, width], [_, outputs, rows, columns]) = (x.dims(), upstream.dims());
    let (xs, gs) = (wide(values(x.clone())), wide(values(upstream.clone())));
    let weight = wide(values(layer.weight.val()));
    let bias = wide(values(layer.bias.as_ref().unwrap().val()));
    let mask = layer.mask(draw, rows * columns).unwrap();
    let [kh, kw] = config.kernel_size;
    let group_channels = channels / config.groups;
    let (mut y, mut dx) = (vec![0.0; gs.len()], vec![0.0; xs.len()]);
    let (mut dw, mut db) = (vec![0.0; weight.len()], vec![0.0; outputs]);
    let places = (0..batch).flat_map(|n| (0..rows).flat_map(move |r| (0..columns).map(move |c| (n, r, c))));
    for (row, (n, r, c)) in places.enumerate() {
        for o in 0..outputs {
            let at = ((n * outputs + o) * rows + r) * columns + c;
            let kept = !config.masked_bias || mask.keep_bias(row as u32, o as u32);
            let factor = if config.masked_bias { mask.scale() } else { 1.0 };
            if kept {
                y[at] += factor * bias[o];
                db[o] += factor * gs[at];
            }
            for i in 0..group_channels * kh * kw {
                let (channel, ky, kx) = (i / (kh * kw), i / kw % kh, i % kw);
                let down = r * config.stride[0] + ky * config.dilation[0];
                let across = c * config.stride[1] + kx * config.dilation[1];
                let (Some(down), Some(across)) = (down.checked_sub(pad[0]), across.checked_sub(pad[1]))
                else {
                    continue;
                };
                if down >= height || across >= width || !mask.keep(row as u32, o as u32, i as u32) {
                    continue;
                }
                let channel = o / (outputs / config.groups) * group_channels + channel;
                let from = ((n * channels + channel) * height + down) * width + across;
                let at_weight = o * group_channels * kh * kw + i;
                y[at] += mask.scale() * weight[at_weight] * xs[from];
                dx[from] += mask.scale() * weight[at_weight] * gs[at];
                dw[at_weight] += mask.scale() * xs[from] * gs[at];
            }
        }
    }
    Direct { results: [y, dx, dw, db], dims: [batch, outputs, rows, columns] }
}

fn check(config: &DropConnectConv2dConfig, image: [usize; 2], pad: [usize; 2], device: &Device) {
    let mut layer = config.init(device);
    layer.weight = layer.weight.map(|weight| ramp(weight.dims(), 57, 3, device).require_grad());
    layer.bias = layer.bias.map(|bias| bias.map(|bias| ramp(bias.dims(), 13, 1, device).require_grad()));
    let x = ramp([3, config.channels[0], image[0], image[1]], 31, 7, device).require_grad();
    let y = layer.forward_at(x.clone(), DRAW);
    let upstream = ramp(y.dims(), 91, 5, device);
    let want = direct(&layer, config, &x, &upstream, pad, DRAW);
    assert_eq!(y.dims(), want.dims);
    // The plain convolution has that shape.
    let plain = layer.clone().into_conv2d().forward(x.clone());
    assert_eq!(plain.dims(), y.dims(), "{config}");
    let gradients = (y.clone() * upstream).sum().backward();
    let got = [
        values(y),
        values(x.grad(&gradients).unwrap()),
        values(layer.weight.grad(&gradients).unwrap()),
        values(layer.bias.as_ref().unwrap().grad(&gradients).unwrap()),
    ];
    for (what, (got, want)) in ["y", "dx", "dw", "db"].iter().zip(got.iter().zip(&want.results)) {
        let want: Vec<f32> = want.iter().map(|&value| value as f32).collect();
        assert_close(got, &want, 2e-6, &format!("{what} of {config}"));
    }
    assert!(relative_error(&values(plain), &got[0]) > 0.1, "the comparison sees dropping");
}

#[cfg(feature = "flex")]
#[test]
fn every_convention_of_burns_convolution() {
    let device = Device::flex().autodiff();
    // Odd paddings, strides that leave a rest, holes, channel groups, kernels of a line.
    check(&config([3, 4], [3, 3]), [6, 5], [0, 0], &device);
    let same = config([2, 4], [2, 4]).with_padding(PaddingConfig2d::Same);
    check(&same, [5, 6], [0, 1], &device);
    check(&same.clone().with_stride([2, 3]), [5, 7], [0, 1], &device);
    let explicit = PaddingConfig2d::Explicit(2, 0, 1, 3);
    check(&config([2, 3], [3, 2]).with_padding(explicit).with_stride([3, 2]), [7, 6], [2, 0], &device);
    check(&config([2, 3], [3, 3]).with_dilation([2, 1]), [8, 5], [0, 0], &device);
    check(&config([4, 6], [2, 2]).with_groups(2), [4, 5], [0, 0], &device);
    check(&config([4, 4], [3, 1]).with_groups(4).with_masked_bias(true), [5, 3], [0, 0], &device);
    for sharing in [0, 1, 2] {
        let layer = config([2, 5], [2, 3]).with_masked_bias(true).with_examples_per_mask(sharing);
        check(&layer, [4, 5], [0, 0], &device);
        check(&layer.clone().with_per_position(true), [4, 5], [0, 0], &device);
    }
}

#[test]
fn on_wgpu() {
    let Some(device) = device("on_wgpu") else { return };
    let device = device.autodiff();
    let layer = config([4, 6], [3, 2]).with_groups(2).with_padding(PaddingConfig2d::Same).with_stride([1, 2]);
    check(&layer, [5, 4], [1, 0], &device);
}

#[cfg(feature = "flex")]
#[test]
fn an_image_has_one_kernel_and_a_position_one_where_asked() {
    let device = Device::flex().autodiff();
    // The same under the kernel everywhere: equal outputs are equal masks.
    let x = Tensor::<4>::ones([2, 3, 4, 6], &device);
    for per_position in [false, true] {
        let layer = config([3, 5], [2, 3]).with_per_position(per_position).init(&device);
        let y = layer.forward_at(x.clone(), DRAW).permute([0, 2, 3, 1]);
        let (_, positions) = (y.dims(), 3 * 4);
        let y = values(y);
        let rows: Vec<&[f32]> = y.chunks(5).collect();
        for (a, b) in (0..2 * positions).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let same = !per_position && a / positions == b / positions;
            assert_eq!(rows[a] == rows[b], same, "{per_position}: {a} and {b}");
        }
    }
}

#[cfg(feature = "flex")]
#[test]
fn trains_infers_and_samples_as_the_linear_layer_does() {
    let device = Device::flex().autodiff();
    let layer = config([3, 5], [3, 3]).init(&device);
    let x = ramp([4, 3, 6, 6], 31, 7, &device);
    let plain = values(layer.clone().into_conv2d().forward(x.clone()));
    assert_ne!(values(layer.forward(x.clone())), values(layer.forward(x.clone())), "other masks each time");
    assert_eq!(layer.steps.get(), 2);
    assert_eq!(values(layer.clone().freeze().forward(x.clone())), plain, "frozen");
    let (valid, inner) = (layer.valid(), x.clone().inner());
    assert_eq!(values(valid.forward(inner.clone())), plain, "inference");
    // Shards, and passes in one run.
    let at = |first_example, from: usize, to: usize| {
        values(layer.sample_at(x.clone().slice(from..to), Draw { step: 2, pass: Some(0), first_example }))
    };
    assert_eq!([at(0, 0, 1), at(1, 1, 4)].concat(), at(0, 0, 4));
    let sampler = Sampler::new(3).unwrap().with_step(2);
    let passes = values(sampler.outputs(inner, |x| valid.forward(x)).unwrap());
    assert_eq!(passes, [at(0, 0, 4), at(4, 0, 4), at(8, 0, 4)].concat());
}

#[cfg(feature = "flex")]
#[test]
fn parameters_and_records_are_those_of_burns_layer() {
    let device = Device::flex();
    let conv: Conv2d = Conv2dConfig::new([3, 4], [3, 3]).with_stride([2, 1]).init(&device);
    let x = ramp([2, 3, 7, 6], 31, 7, &device);
    let want = values(conv.forward(x.clone()));
    let ours = config([1, 1], [1, 1]).try_from_conv2d(conv.clone()).unwrap();
    assert_eq!(values(ours.forward(x.clone())), want);
    assert_eq!(values(ours.clone().into_conv2d().forward(x.clone())), want);

    let fresh = || config([3, 4], [3, 3]).with_stride([2, 1]).init(&device);
    let bytes = conv.into_record().into_bytes().unwrap();
    let layer = fresh().load_record(ModuleRecord::from_bytes(bytes).unwrap().allow_partial(true));
    assert_eq!(values(layer.forward(x.clone())), want);
    layer.steps.set(7);
    let bytes = layer.into_record().into_bytes().unwrap();
    let back = Conv2dConfig::new([3, 4], [3, 3]).with_stride([2, 1]).init(&device);
    let record = ModuleRecord::from_bytes(bytes.clone()).unwrap().allow_unused(true);
    assert_eq!(values(back.load_record(record).forward(x)), want);
    assert_eq!(fresh().load_record(ModuleRecord::from_bytes(bytes).unwrap()).steps.get(), 7);
}

#[cfg(feature = "flex")]
#[test]
fn bad_configurations_and_images_are_refused_by_name() {
    let device = Device::flex().autodiff();
    let refused = |config: DropConnectConv2dConfig| config.try_init(&device).unwrap_err().to_string();
    assert!(refused(config([0, 4], [3, 3])).contains("channels"));
    assert!(refused(config([4, 4], [3, 0])).contains("kernel_size"));
    assert!(refused(config([4, 4], [3, 3]).with_stride([0, 1])).contains("stride"));
    assert!(refused(config([4, 4], [3, 3]).with_dilation([1, 0])).contains("dilation"));
    assert!(refused(config([4, 4], [3, 3]).with_groups(0)).contains("groups"));
    assert!(refused(config([4, 6], [3, 3]).with_groups(4)).contains("[4, 6]"));
    assert!(refused(config([4, 4], [3, 3]).with_prob(1.0)).contains("probability"));
    let layer = config([4, 4], [3, 3]).with_dilation([1, 2]).init(&device);
    let error = layer.try_forward(ramp([2, 3, 7, 7], 31, 7, &device)).unwrap_err();
    assert!(matches!(error, Error::Shape { argument: "input", .. }), "{error}");
    let error = layer.try_forward(ramp([2, 4, 7, 4], 31, 7, &device)).unwrap_err();
    assert!(matches!(error, Error::Image { argument: "width", actual: 4, least: 5 }), "{error}");
}
