//! `dropconnect mask`: a mask as a tensor, computed on the device.

use dropconnect::{Mask, Origin, Shape, Sharing};

use crate::cli::{DeviceOptions, MaskCommand};
use crate::device::{self, Selected};
use crate::error::{CliError, reserve, shown};
use crate::output::{progress, remark, say};
use crate::probability::warn_of_rounding;
use crate::target::Target;
use crate::tensors::{Entry, write_header};

/// The mask is computed in pieces of at most this many bytes, so that no limit of memory or device is near.
const PIECE: usize = 32 << 20;
/// No file becomes larger than this.
const LARGEST: u64 = 64 << 30;

/// Runs the command.
pub fn run(command: &MaskCommand, options: &DeviceOptions) -> Result<(), CliError> {
    let (shape, mask) = (command.shape, command.mask.mask()?);
    let entries = entries(&shape, command.bias)?;
    check_origin(&shape, &mask)?;
    let target = Target::new(&command.out)?;
    warn_of_rounding(&mask.probability);
    let device = device::select(options)?;
    // A piece as the library returns it, on its way from an adapter and in a software adapter's own memory.
    reserve("a piece of the mask", &[Some(3 * (PIECE as u64).min(shape.connections()))])?;

    let bar = progress(entries.iter().map(|entry| entry.bytes).sum());
    bar.set_message("bytes of mask");
    let mut kept = [0u64; 2];
    target.write(|file| {
        write_header(file, &entries, &mask_metadata(&mask, command.mask.bits))?;
        for (entry, kept) in entries.iter().zip(&mut kept) {
            // The mask of the bias has one, virtual input.
            let inputs = if entry.shape.len() == 3 { shape.inputs() } else { 1 };
            for (piece, mask) in pieces(&shape, inputs, &mask) {
                let bytes = computed(&device, &piece, &mask, entry.shape.len() == 3)?;
                *kept += bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
                file.write_all(&bytes)?;
                bar.inc(bytes.len() as u64);
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    for (entry, kept) in entries.iter().zip(kept) {
        let share = if entry.bytes == 0 { 0.0 } else { kept as f64 / entry.bytes as f64 };
        let text = format!(
            "{}: u8 {:?}, {kept} of {} kept ({:.3} %, {:.3} % expected)\n",
            entry.name,
            entry.shape,
            entry.bytes,
            100.0 * share,
            100.0 * (1.0 - mask.probability.realised()),
        );
        remark(&text, &[&target])?;
    }
    say(&format!("wrote {}", shown(&command.out)));
    Ok(())
}

fn computed(device: &Selected, shape: &Shape, mask: &Mask, weights: bool) -> Result<Vec<u8>, CliError> {
    let bytes = if weights {
        device.device.mask(shape, mask).wait()
    } else {
        device.device.bias_mask(shape, mask).wait()
    };
    device.checked(bytes.map_err(CliError::from))
}

fn entries(shape: &Shape, bias: bool) -> Result<Vec<Entry>, CliError> {
    let [batch, outputs, inputs] = [shape.batch(), shape.outputs(), shape.inputs()];
    let bytes = shape.connections();
    let bias_bytes = shape.output_len() as u64;
    let total = bytes.checked_add(if bias { bias_bytes } else { 0 });
    if bytes == u64::MAX || total.is_none_or(|total| total > LARGEST) {
        return Err(CliError::Usage(format!(
            "--shape {batch},{outputs},{inputs} has {bytes} connections of a byte each; at most {LARGEST} bytes \
             are written, so write it in pieces with --origin"
        )));
    }
    let mut entries = vec![Entry { name: "mask", dtype: "U8", shape: vec![batch, outputs, inputs], bytes }];
    if bias {
        let shape = vec![batch, outputs];
        entries.push(Entry { name: "bias_mask", dtype: "U8", shape, bytes: bias_bytes });
    }
    Ok(entries)
}

/// A mask that ends outside the coordinates is refused before anything is opened.
fn check_origin(shape: &Shape, mask: &Mask) -> Result<(), CliError> {
    let Origin { example, output, input } = mask.origin;
    let limit = 1 << 32;
    for (axis, origin, size) in
        [("N", example, shape.batch()), ("O", output, shape.outputs()), ("I", input, shape.inputs())]
    {
        if u64::from(origin) + size as u64 > limit {
            return Err(CliError::Usage(format!(
                "--origin {example},{output},{input}: {axis} starts at {origin} and the shape has {size} of them; \
                 they must end by {limit}"
            )));
        }
    }
    Ok(())
}

/// The parts of a shape, in the order of their bytes, with their masks: some examples, or some outputs of one, or
/// some inputs of one output.
fn pieces(shape: &Shape, inputs: usize, mask: &Mask) -> Vec<(Shape, Mask)> {
    let (batch, outputs) = (shape.batch(), shape.outputs());
    let most_rows = PIECE / inputs;
    let [examples, columns, part] = match most_rows {
        0 => [1, 1, PIECE],
        rows if rows < outputs => [1, rows, inputs],
        rows => [rows / outputs, outputs, inputs],
    };
    let mut pieces = Vec::new();
    for n in (0..batch).step_by(examples) {
        for o in (0..outputs).step_by(columns) {
            for i in (0..inputs).step_by(part) {
                let [examples, columns] = [examples.min(batch - n), columns.min(outputs - o)];
                // The mask of the bias is that of a whole row, however long.
                let inputs = if part == inputs { shape.inputs() } else { part.min(inputs - i) };
                // The parts of a valid shape and origin are valid.
                let Ok(piece) = Shape::new(examples, columns, inputs) else { continue };
                let Origin { example, output, input } = mask.origin;
                let [example, output, input] = [example + n as u32, output + o as u32, input + i as u32];
                pieces.push((piece, mask.at(Origin { example, output, input })));
            }
        }
    }
    pieces
}

/// A property for a fuzz target and tests: a mask is refused in words, or its pieces are all of it, in order.
#[cfg(any(test, fuzzing))]
pub fn fuzz(command: &MaskCommand) {
    let Ok(mask) = command.mask.mask() else { return };
    let shape = command.shape;
    let found = check_origin(&shape, &mask).and_then(|()| entries(&shape, command.bias));
    let entries = match found {
        Ok(entries) => entries,
        Err(error) => return dropconnect_testing::fuzz::is_message(&error.to_string()),
    };
    for entry in entries {
        let weights = entry.shape.len() == 3;
        let inputs = if weights { shape.inputs() } else { 1 };
        let mut at = 0;
        for (piece, of_piece) in pieces(&shape, inputs, &mask) {
            let row = if weights { piece.inputs() as u64 } else { 1 };
            let [n, o, i] = [
                (of_piece.origin.example, mask.origin.example),
                (of_piece.origin.output, mask.origin.output),
                (of_piece.origin.input, mask.origin.input),
            ]
            .map(|(piece, whole)| u64::from(piece - whole));
            assert_eq!((n * shape.outputs() as u64 + o) * inputs as u64 + i, at, "{piece} of {shape}");
            let bytes = piece.output_len() as u64 * row;
            assert!(bytes <= PIECE as u64 && check_origin(&piece, &of_piece).is_ok(), "{piece} of {shape}");
            at += bytes;
        }
        assert_eq!(at, entry.bytes, "{shape}");
    }
}

/// All that a mask is a function of, so that it can be drawn again from a file alone; and what became of p, of which
/// `bits` is the resolution that was asked for.
pub fn mask_metadata(mask: &Mask, bits: u32) -> Vec<(&'static str, String)> {
    let Origin { example, output, input } = mask.origin;
    let examples_per_mask = match mask.sharing {
        Sharing::Example => "1".to_owned(),
        Sharing::Group(size) => size.to_string(),
        Sharing::Batch => "batch".to_owned(),
    };
    let mut metadata = vec![
        ("mask_format", "2".to_owned()),
        ("p_drop", mask.probability.requested().to_string()),
        ("p_drop_bits", bits.to_string()),
        ("p_drop_realised", mask.probability.realised().to_string()),
        ("threshold", mask.probability.threshold().to_string()),
        ("threshold_bits", mask.probability.bits().to_string()),
        ("scale", mask.scale().to_string()),
        ("seed", mask.key.seed.to_string()),
        ("layer", mask.key.layer.to_string()),
        ("step", mask.key.step.to_string()),
        ("origin", format!("{example},{output},{input}")),
        ("examples_per_mask", examples_per_mask),
        ("dropconnect", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    metadata.extend(mask.key.pass.map(|pass| ("pass", pass.to_string())));
    metadata
}
