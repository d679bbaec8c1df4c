//! `dropconnect shader`: texts that are whole, for whom they are asked for, and translations of them.

use dropconnect_testing::full;

use crate::common::{devices, fail, run, succeed};

const PASSES: [&str; 10] = [
    "forward",
    "input-gradient",
    "weight-gradient",
    "both-gradients",
    "bias-gradient",
    "mask",
    "moments",
    "activation",
    "monte-carlo",
    "predictive",
];

#[test]
fn every_pass_is_printed_for_every_class() {
    let classes = ["nvidia", "amd", "integrated", "fxc", "software", "software-small", "warp"];
    for (at, pass) in PASSES.into_iter().enumerate() {
        // Each pass and each class, or all of them.
        let every = if full() { 1 } else { classes.len() };
        for class in classes.iter().skip(if full() { 0 } else { at % classes.len() }).step_by(every) {
            let text = succeed(&["shader", pass, "--class", class, "--p", "0.3", "--bias", "masked"]);
            for kernel in text.split("// Kernel ").filter(|kernel| kernel.len() > 20) {
                let module =
                    naga::front::wgsl::parse_str(kernel.split_once('\n').map_or("", |(_, rest)| rest));
                let module = module.unwrap_or_else(|error| panic!("{pass}, {class}: {error}"));
                assert_eq!(module.entry_points.len(), 1, "{pass}, {class}");
            }
        }
    }
}

/// Each word that is looked for is of one choice, so that a text that ignores the choice has not got it.
#[test]
fn the_text_is_for_whom_it_is_asked_for() {
    let forward = |options: &[&str]| succeed(&[&["shader", "forward"][..], options].concat());
    let nvidia = forward(&["--class", "nvidia"]);
    assert!(nvidia.contains("s = select(s, fma(") && !nvidia.contains("extractBits"), "{nvidia}");
    let amd = forward(&["--class", "amd"]);
    assert!(amd.contains("extractBits") && !amd.contains("s = select(s, fma("), "{amd}");
    let software = forward(&["--class", "software"]);
    assert!(
        software.contains("@workgroup_size(16, 1)") && software.contains("for (var row = 0; row < 4; row++)")
    );
    assert!(
        !nvidia.contains("fn first_planes")
            && forward(&["--class", "nvidia", "--p", "0.3"]).contains("fn first_planes")
    );
    assert!(!nvidia.contains("unpack2x16float"));
    assert!(forward(&["--class", "nvidia", "--element", "f16"]).contains("unpack2x16float"));
    // A row that is no whole number of quads.
    assert!(forward(&["--class", "nvidia", "--shape", "16,16,15"]).contains("w: array<f32>"));
    let tuning = "1x1x8x8,1x1x8x8,1x1x8x8,and,unrolled,0,32768,4294967296";
    let tuned = forward(&["--class", "nvidia", "--tuning", tuning]);
    assert!(tuned.contains("@workgroup_size(8, 8)") && tuned.contains("extractBits"), "{tuned}");
}

#[test]
fn an_adapter_gets_its_own_text() {
    if devices("an_adapter_gets_its_own_text").contains(&"gpu") {
        let output = run(&["shader", "forward", "--shape", "64,64,64"]);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(naga::front::wgsl::parse_str(&text).is_ok(), "{text}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("kernels for: "));
    }
}

#[test]
fn translations_are_those_of_wgpu() {
    for (language, sign) in
        [("msl", "kernel void main_("), ("hlsl", "[numthreads(4, 8, "), ("glsl", "local_size_x = 4")]
    {
        let tuning = "1x1x4x8k2,1x1x4x8k2,1x1x4x8k2,select,loops,0,32768,4294967296";
        let text = succeed(&["shader", "forward", "--class", "nvidia", "--tuning", tuning, "--as", language]);
        assert!(text.contains(sign), "{language}: {text}");
        // The kernels are made without checks.
        assert!(!text.contains("loop_bound") && !text.contains("= (float4["), "{language}: {text}");
    }
    let output = run(&["shader", "forward", "--class", "nvidia", "--as", "spirv"]);
    assert!(output.status.success());
    assert_eq!(output.stdout[..4], 0x0723_0203_u32.to_ne_bytes());
    assert_eq!(output.stdout.len() % 4, 0);
}

#[test]
fn a_call_of_several_kernels_prints_them_all_or_one() {
    // Sums of f16 too long for a dispatch go through scratch memory, and are rounded by a kernel of its own.
    let call = ["shader", "forward", "--class", "software", "--shape", "1,4,1200000", "--element", "f16"];
    let with = |options: &[&str]| succeed(&[&call[..], options].concat());
    let all = with(&[]);
    assert!(all.contains("// Kernel 1 of 2.") && all.contains("// Kernel 2 of 2."), "{all}");
    let (first, second) = (with(&["--kernel", "1"]), with(&["--kernel", "2"]));
    assert!(all.contains(&first) && all.contains(&second) && first != second);
    fail(&[&call[..], &["--as", "spirv"]].concat(), 2, &["2 kernels", "--kernel"]);
    fail(&[&call[..], &["--kernel", "3"]].concat(), 2, &["--kernel 3", "2 kernels"]);
    fail(&[&call[..], &["--kernel", "0"]].concat(), 2, &["--kernel 0", "2 kernels"]);
}

#[test]
fn bad_arguments_are_named_with_their_values() {
    let with = |options: &[&str], parts: &[&str]| fail(&[&["shader"][..], options].concat(), 2, parts);
    with(&["backward"], &["backward", "input-gradient"]);
    with(&["forward", "--class", "nvidia", "--adapter", "x"], &["--class", "--adapter"]);
    with(&["forward", "--class", "nvidia", "--backend", "vulkan"], &["--class", "--backend"]);
    with(&["forward", "--adapter", "no such adapter"], &["no adapter", "--class"]);
    with(&["forward", "--device", "cpu"], &["--device cpu"]);
    with(&["forward", "--class", "nvidia", "--shape", "0,4,4"], &["--shape", "`batch` is 0"]);
    with(
        &["forward", "--class", "nvidia", "--shape", "100000,100000,1"],
        &["--shape", "40000800000", "1073741824"],
    );
    with(&["mask", "--class", "nvidia", "--shape", "4294967295,4294967295,9"], &["--shape", "1073741824"]);
    with(&["forward", "--class", "nvidia", "--p", "1"], &["--p", "below 1"]);
    with(&["activation", "--class", "nvidia", "--activation", "tanh"], &["anh", "closed form"]);
}

/// By how many sums a thread holds, 16 to a brick: wide tiles of what is long in text take their compilers too long.
#[test]
fn tiles_are_as_large_as_their_compiler_can_bear() {
    let bricks = |pass: &str, options: &[&str]| {
        let command = ["shader", pass, "--class", "software", "--p", "0.2"];
        let text = succeed(&[&command[..], options].concat());
        text.matches("    var sum_").count() / 16
    };
    let odd = ["--shape", "127,1023,1021"];
    let odd_f16 = ["--shape", "127,1023,1021", "--element", "f16"];
    assert_eq!(bricks("forward", &[]), 16);
    assert_eq!(bricks("forward", &odd), 8);
    assert_eq!(bricks("forward", &odd_f16), 4);
    assert_eq!(bricks("monte-carlo", &[]), 8);
    assert_eq!(bricks("monte-carlo", &odd), 4);
    // Four examples of one mask are a tile that draws once; three never are.
    let shared = |count| ["--examples-per-mask", count];
    assert_eq!(bricks("forward", &shared("4")), 4);
    assert_eq!(bricks("forward", &shared("3")), 4);
    let text = succeed(&["shader", "forward", "--class", "nvidia", "--examples-per-mask", "4"]);
    assert!(text.contains("let shared_coordinate = ") && !text.contains("shared_word("), "{text}");
}

#[test]
fn compiling_is_timed_on_an_adapter() {
    if devices("compiling_is_timed_on_an_adapter").contains(&"gpu") {
        let text = succeed(&["shader", "forward", "--shape", "4,4,8", "--time"]);
        assert!(text.starts_with("1 kernel, ") && text.ends_with(" s\n"), "{text}");
    }
    fail(&["shader", "forward", "--time", "--class", "nvidia"], 2, &["--time", "--class"]);
    fail(&["shader", "forward", "--time", "--as", "msl"], 2, &["--time", "--as"]);
    fail(&["shader", "forward", "--time", "--device", "cpu"], 2, &["--device cpu"]);
}
