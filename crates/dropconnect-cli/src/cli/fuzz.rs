//! The command line: a property for a fuzz target and tests.

use clap::Parser;
use dropconnect::{DropProbability, Origin, Shape, Sharing};
use dropconnect_testing::fuzz::is_message;

use super::{Cli, Command, MaskOptions, parse};
use crate::bench::fuzz::plan;

/// An argument a line. They are refused in words, or are options that a command checks; and what each would be as a
/// value of an option is what it says.
pub fn options(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    text.lines().take(64).for_each(values);
    let arguments = std::iter::once("dropconnect").chain(text.lines());
    match Cli::try_parse_from(arguments) {
        Ok(cli) => command(&cli),
        // Of help and versions, too.
        Err(error) => assert!(!error.render().to_string().is_empty()),
    }
}

fn command(cli: &Cli) {
    match &cli.command {
        Some(Command::Bench(options)) => plan(options),
        Some(Command::Mask(command)) => {
            mask(&command.mask);
            crate::mask::fuzz(command);
        }
        Some(Command::Apply(command)) => {
            mask(&command.mask);
            if let Err(error) = command.check() {
                is_message(&error.to_string());
            }
        }
        Some(Command::Shader(command)) => mask(&command.mask),
        _ => {}
    }
}

fn mask(options: &MaskOptions) {
    match options.mask() {
        Ok(mask) => assert_eq!(mask.probability.requested().to_bits(), options.p.to_bits()),
        Err(error) => is_message(&error.to_string()),
    }
}

/// What one text is as the value of each kind of option.
fn values(text: &str) {
    if let Ok(number) = parse::whole::<u64>(text) {
        assert_eq!(parse::whole::<u64>(&number.to_string()), Ok(number));
        assert_eq!(parse::whole::<u64>(&format!("{number:#x}")), Ok(number));
        assert_eq!(parse::whole::<u32>(text).ok(), u32::try_from(number).ok(), "{text:?}");
    }
    let dims = |shape: &Shape| [shape.batch(), shape.outputs(), shape.inputs()];
    if let Ok(shape) = parse::shape(text) {
        let [n, o, i] = dims(&shape);
        assert_eq!(parse::shape(&format!("{n},{o},{i}")), Ok(shape));
        assert_eq!(parse::full_shape(text).ok(), (n > 0).then_some(shape), "{text:?}");
    }
    if let Ok(Origin { example, output, input }) = parse::origin(text) {
        let again = parse::origin(&format!("{example},{output},{input}"));
        assert_eq!(again, Ok(Origin { example, output, input }));
    }
    if let Ok(p) = parse::p(text) {
        assert!((0.0..1.0).contains(&p), "{text:?}");
        // Or is so near to 1 that nothing is kept.
        assert!(DropProbability::new(p).is_ok() || p > 0.9999, "{text:?}");
    }
    match parse::sharing(text) {
        Ok(Sharing::Group(size)) => assert!(size.get() > 1, "{text:?}"),
        Ok(Sharing::Example) => assert_eq!(text.trim_start_matches(['+', '0']), "1"),
        Ok(Sharing::Batch) => assert_eq!(text, "batch"),
        Err(_) => {}
    }
    assert!(parse::seconds(text).map_or(true, |time| time.as_secs_f64() <= 3600.0), "{text:?}");
}
