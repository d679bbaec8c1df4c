//! What `dropconnect verify` is on processors that the binary is not built for, in short: `instruction_sets [BITS]`
//! compares that many mask bits of every instruction set of this processor with plain code, and all passes with
//! float64.

use std::process::ExitCode;
use std::time::Instant;

use dropconnect::{Bias, ElementType};
use dropconnect_testing::{
    Case, Data, Failure, LAYER, Target, bound, mask, mask_bits, relative_error, shape,
};

fn main() -> ExitCode {
    let given = std::env::args().nth(1).unwrap_or_else(|| "1000000000".to_owned());
    let Ok(least) = given.parse() else {
        eprintln!("`{given}` is no number of bits");
        return ExitCode::from(2);
    };
    let mut code = ExitCode::SUCCESS;
    for target in Target::cpus() {
        let (name, start) = (target.name(), Instant::now());
        let bits = mask_bits(target, least, |_| {});
        let seconds = start.elapsed().as_secs_f64();
        let (found, worst) = match bits.and_then(|bits| Ok((bits, worst_error(target)?))) {
            Ok(found) => found,
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::from(2);
            }
        };
        println!(
            "{name}: {} mask bits, {} differ from the plain code, digest {:016x}, {seconds:.1} s; worst of {} passes \
             against float64: {worst:.1e}",
            found.bits,
            found.differing,
            found.digest,
            LAYER.len()
        );
        if found.differing > 0 || worst > bound(ElementType::F32) {
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// The worst relative error of any result of any pass, over whole bricks and cut ones.
fn worst_error(target: Target) -> Result<f64, Failure> {
    let mut worst = 0.0f64;
    for dims in [[33, 31, 45], [16, 24, 40], [8, 128, 512]] {
        for p in [0.0, 0.5, 0.2, 0.9] {
            let shape = shape(dims);
            let (data, mask) = (Data::random(&shape, ElementType::F32, 1), mask(p));
            let call = Case { bias: Bias::Masked(()), ..Case::new(shape, Some(mask)) };
            for pass in LAYER {
                let got = target.run(&[pass], &call, &data)?.results;
                for (got, want) in got.iter().zip(call.expected(pass, &data)?) {
                    worst = worst.max(relative_error(got, &want));
                }
            }
        }
    }
    Ok(worst)
}
