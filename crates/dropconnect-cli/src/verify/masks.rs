//! `verify --masks`: mask bits by the billion.

use std::time::Instant;

use dropconnect::cpu::Backend;
use dropconnect_testing::{Target, mask_bits};

use crate::device::Selected;
use crate::error::{CliError, reserve};
use crate::output::{print, progress};

/// A piece with what the harness keeps of it, and what it is compared with.
const MEMORY: u64 = 8 * (64 << 20);

/// Compares so many bits of the device.
pub fn run(device: &Selected, least: u64) -> Result<(), CliError> {
    reserve("a piece of the masks", &[Some(MEMORY)])?;
    let targets = match device.gpu() {
        Some(gpu) => vec![(device.device.to_string(), Target::adapter(gpu))],
        None => Backend::available()
            .into_iter()
            .map(|backend| (format!("CPU, {}", backend.name()), Target::Cpu(backend)))
            .collect(),
    };
    let mut wrong = Vec::new();
    for (name, target) in targets {
        let start = Instant::now();
        let bar = progress(least);
        bar.set_message(format!("mask bits of {name}"));
        let found = mask_bits(target, least, |bits| bar.set_position(bits));
        bar.finish_and_clear();
        let found = device.checked(found.map_err(CliError::from))?;
        print(&format!(
            "{name}: {} mask bits, {} differ from the plain code, digest {:016x}, {:.1} s\n",
            found.bits,
            found.differing,
            found.digest,
            start.elapsed().as_secs_f64()
        ))?;
        if found.differing > 0 {
            wrong.push(format!("{name}: {} of {} mask bits are wrong", found.differing, found.bits));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(CliError::Check(wrong.join("; "))) }
}
