//! Mask bits of every instruction set of this processor against the plain code: `mask_bits [BITS]`. For processors that
//! the binary is not built for; there it is `dropconnect verify --masks BITS`.

use std::process::ExitCode;
use std::time::Instant;

use dropconnect_testing::{Target, mask_bits};

fn main() -> ExitCode {
    let given = std::env::args().nth(1).unwrap_or_else(|| "1000000000".to_owned());
    let Ok(least) = given.parse() else {
        eprintln!("`{given}` is no number of bits");
        return ExitCode::from(2);
    };
    let mut code = ExitCode::SUCCESS;
    for target in Target::cpus() {
        let start = Instant::now();
        match mask_bits(target, least, |_| {}) {
            Ok(found) => {
                let (name, seconds) = (target.name(), start.elapsed().as_secs_f64());
                println!(
                    "{name}: {} mask bits, {} differ from the plain code, digest {:016x}, {seconds:.1} s",
                    found.bits, found.differing, found.digest
                );
                if found.differing > 0 {
                    code = ExitCode::FAILURE;
                }
            }
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(2);
            }
        }
    }
    code
}
