//! The CPU backend alone: its masks with every instruction set, threads, and bad calls. Its passes are tested where the
//! adapter's are, in `passes.rs`.

use std::num::NonZeroU32;

use crate::common::{
    Case, Data, MADE, Operands, Placement, Target, devices, few, mask, origin, predict, run_on,
};
use dropconnect::{
    Bias, Device, DropConnect, ElementType, Error, Init, Shape, Sharing, Write, cpu, reference,
};

/// Each of 1, 3, 4, 5, 7, 8, 9, 31, 33 and 100 in each place, and sizes that span several units of work.
const SHAPES: [[usize; 3]; 14] = [
    [1, 1, 1],
    [3, 4, 5],
    [4, 4, 8],
    [5, 7, 9],
    [7, 8, 31],
    [8, 9, 33],
    [9, 31, 100],
    [31, 33, 7],
    [33, 100, 3],
    [100, 5, 4],
    [1, 3, 100],
    [100, 1, 33],
    [33, 31, 129],
    [5, 37, 600],
];

#[test]
fn masks_are_the_masks_of_the_format_bit_for_bit() {
    for dims in SHAPES {
        let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
        for p in [0.0, 0.5, 0.25, 0.2, 0.9, 0.001] {
            for at in [
                origin(0, 0, 0),
                origin(3, 2, 5),
                origin(1, 7, 9),
                // The last coordinates there are.
                origin(u32::MAX - dims[0] as u32 + 1, u32::MAX - dims[1] as u32 + 1, 0),
                origin(0, 0, u32::MAX - dims[2] as u32 + 1),
            ] {
                let mask = mask(p).at(at);
                let want = reference::mask::mask(&shape, &mask).unwrap();
                let want_bias = reference::mask::bias_mask(&shape, &mask).unwrap();
                for target in Target::cpus() {
                    let written = |bias| target.mask(shape, &mask, bias, Placement::PooledOdd).unwrap();
                    let what = format!("{} {shape} p {p} {at:?}", target.name());
                    assert!(written(false).into_iter().eq(want.iter().map(|&bit| u8::from(bit))), "{what}");
                    let bias = written(true).into_iter();
                    assert!(bias.eq(want_bias.iter().map(|&bit| u8::from(bit))), "{what}: bias");
                }
            }
        }
    }
}

/// Or the tests above would say nothing of them.
#[test]
fn the_instruction_sets_are_those_of_the_target() {
    let names: Vec<_> = cpu::Backend::available().iter().map(|backend| backend.name()).collect();
    assert_eq!(names[0], "portable");
    let little = cfg!(target_endian = "little");
    assert_eq!(
        names.contains(&"neon"),
        little && cfg!(all(target_arch = "aarch64", target_feature = "neon"))
    );
    assert_eq!(names.contains(&"simd128"), cfg!(all(target_family = "wasm", target_feature = "simd128")));
    let x86 = names.iter().any(|name| name.starts_with("avx"));
    assert!(!x86 || cfg!(target_arch = "x86_64"), "{names:?}");
}

#[test]
fn results_do_not_depend_on_threads_or_luck() {
    let group = |size| Sharing::Group(NonZeroU32::new(size).unwrap());
    let rows = [
        ([70, 130, 300], Sharing::Example),
        ([600, 40, 300], group(70)),
        ([600, 40, 300], group(3)),
        ([600, 40, 300], Sharing::Batch),
    ];
    for (dims, sharing) in few(2, rows) {
        let shape = crate::common::shape(dims);
        let data = Data::ramps(&shape);
        let call = Case::new(shape, Some(mask(0.2).at(origin(1, 1, 1)).shared(sharing)));
        for target in Target::cpus() {
            let first = run_on(&target, &call, &data);
            for threads in few(2, [3, 1, 2, 8]) {
                let pool = match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
                    Ok(pool) => pool,
                    // There are no threads to compare with.
                    Err(_) if cfg!(target_family = "wasm") => continue,
                    Err(error) => panic!("{error}"),
                };
                for _ in 0..3 {
                    let again = pool.install(|| run_on(&target, &call, &data));
                    assert!(again == first, "{} {sharing:?} with {threads} threads", target.name());
                }
            }
        }
    }
}

#[test]
fn bad_calls_are_refused_by_name_and_write_nothing() {
    let shape = Shape::new(2, 3, 4).unwrap();
    let (x, w, b, g) = ([1.0; 8], [1.0; 12], [1.0; 3], [1.0; 6]);
    let mut out = [5.0; 12];
    let (bias, write) = (Bias::Plain(&b[..]), Write::Overwrite);
    let all = Operands { shape, x: &x[..], weight: &w[..], bias, grad_output: &g[..], write };
    let short = [
        ("x", Operands { x: &x[1..], ..all }),
        ("weight", Operands { weight: &w[1..], ..all }),
        ("bias", Operands { bias: Bias::Plain(&b[1..]), ..all }),
        ("grad_output", Operands { grad_output: &g[1..], ..all }),
    ];
    let named = |result: Result<(), Error>| match result {
        Err(Error::Length { argument, .. }) => argument,
        other => panic!("{other:?}"),
    };
    for (name, few) in short {
        if name != "grad_output" {
            assert_eq!(named(cpu::run(few.forward(None, &mut out[..6]))), name);
        }
        if ["grad_output", "weight"].contains(&name) {
            assert_eq!(named(cpu::run(few.input_gradient(None, &mut out[..8]))), name);
        }
        if ["grad_output", "x"].contains(&name) {
            assert_eq!(named(cpu::run(few.weight_gradient(None, &mut out[..]))), name);
        }
        if name == "grad_output" {
            assert_eq!(named(cpu::run(few.bias_gradient(None, &mut out[..3]))), name);
        }
    }
    assert_eq!(named(cpu::run(all.forward(None, &mut out[..7]))), "y");
    assert_eq!(named(cpu::run(all.input_gradient(None, &mut out[..]))), "grad_input");
    assert_eq!(named(cpu::run(all.weight_gradient(None, &mut out[1..]))), "grad_weight");
    assert_eq!(named(cpu::run(all.bias_gradient(None, &mut out[..]))), "grad_bias");
    assert_eq!(named(cpu::mask(&shape, &mask(0.5), &mut [5; 23])), "out");
    assert_eq!(named(cpu::bias_mask(&shape, &mask(0.5), &mut [5; 5])), "out");
    let far = mask(0.0).at(origin(0, u32::MAX - 1, 0));
    let refused = cpu::run(all.weight_gradient(Some(&far), &mut out[..]));
    assert!(matches!(refused, Err(Error::Origin { axis: "output", .. })));
    assert_eq!(out, [5.0; 12]);
    // A mask of 2^96 bytes exists nowhere; asking for it is an error like any other.
    match Shape::new(u32::MAX as usize, u32::MAX as usize, u32::MAX as usize) {
        Ok(huge) => assert_eq!(named(cpu::mask(&huge, &mask(0.5), &mut [])), "out"),
        // Not even X has a size that 32 bits can tell.
        Err(error) => assert!(usize::BITS < 64 && matches!(error, Error::TooLarge { .. })),
    }
}

/// What fuzz targets found: memory was asked for ahead of checks, and the error was of that.
#[test]
fn wrong_arguments_are_no_want_of_memory() {
    // 2^63 elements: more than any memory, or on hosts of 32 bits than can be counted.
    let Ok(large) = Shape::new(1 << 31, (1 << 31) + 1, 2) else { return };
    let last = mask(0.5).at(origin(u32::MAX, 0, 0));
    for wrong in [Device::Cpu.mask(&large, &last).wait(), Device::Cpu.bias_mask(&large, &last).wait()] {
        assert!(matches!(wrong, Err(Error::Origin { axis: "example", .. })), "{wrong:?}");
    }
    let (mask, none, wide) = (mask(0.5), &[0f32; 0][..], &[0f64; 0][..]);
    let operands = Operands::of(large, Bias::None, [none; 4]);
    let wrong = predict(operands.monte_carlo(&mask, 1, MADE));
    assert!(matches!(wrong, Err(Error::Length { argument: "x", .. })), "{wrong:?}");
    let operands = Operands::of(large, Bias::None, [wide; 4]);
    let wrong = reference::monte_carlo(&operands.monte_carlo(&mask, u32::MAX, MADE));
    assert!(matches!(wrong, Err(Error::Length { argument: "x", .. })), "{wrong:?}");
    // A layer of one input, whose outputs for so many examples nobody holds.
    let outputs = 1 << 20;
    let layer = DropConnect::new(&Device::Cpu, mask.key, 1, outputs).origin(last.origin);
    let layer =
        layer.init(Init::Values { weight: vec![0.0; outputs], bias: vec![0.0; outputs] }).build().unwrap();
    let x = vec![0.0; 1 << 20];
    for wrong in [
        layer.forward(&x).wait(),
        layer.pass_outputs(&x, 1 << 30).wait(),
        layer.monte_carlo(&x, 2).wait().map(|_| Vec::new()),
    ] {
        assert!(matches!(wrong, Err(Error::Origin { axis: "example", .. })), "{:?}", wrong.map(|y| y.len()));
    }
}

#[test]
fn no_passes_are_refused() {
    let shape = Shape::new(2, 3, 4).unwrap();
    let data = Data::ramps(&shape);
    let (mask, operands) = (mask(0.5), data.operands(&shape, Bias::Plain(())));
    for device in devices("no_passes_are_refused: on the adapter") {
        let outputs = device.pass_outputs(ElementType::F32, operands.monte_carlo(&mask, 0, MADE)).wait();
        assert!(matches!(outputs, Err(Error::Count { argument: "passes", value: 0, .. })), "{outputs:?}");
    }
}

/// What passes need besides the stack is on the heap: a host's threads may have little.
#[test]
#[cfg(not(target_family = "wasm"))]
fn passes_need_little_stack() {
    const STACK: usize = 16 << 10;
    let shape = crate::common::shape([70, 70, 300]);
    let data = &Data::ramps(&shape);
    // Optimised for size or not at all, a frame is several times as large.
    let build = if cfg!(debug_assertions) { 8 } else { 1 };
    for sharing in [Sharing::Example, Sharing::Group(NonZeroU32::new(9).unwrap()), Sharing::Batch] {
        let call = Case::new(shape, Some(mask(0.2).shared(sharing)));
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(build * STACK);
            pool.build()
                .unwrap()
                .install(|| Target::cpus().for_each(|target| drop(run_on(&target, &call, data))));
        }
    }
}
