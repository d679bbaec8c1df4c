//! Values of options out of their texts.

use std::num::NonZeroU32;
use std::time::Duration;

use dropconnect::{Origin, Shape, Sharing};

fn three<T: std::str::FromStr>(text: &str, example: &str) -> Result<[T; 3], String> {
    let parts: Vec<_> = text.split([',', 'x']).collect();
    let [n, o, i] = parts[..] else {
        return Err(format!("{} numbers were given; three are needed, such as {example}", parts.len()));
    };
    let number = |part: &str| {
        part.trim().parse().map_err(|_| {
            format!("`{part}` is not a whole number in range; three are needed, such as {example}")
        })
    };
    Ok([number(n)?, number(o)?, number(i)?])
}

/// A whole number that `T` holds, decimal or hexadecimal.
pub fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
    let number = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'));
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
        let bits = 8 * size_of::<T>();
        format!("a whole number of at least 0 and below 2^{bits} is needed, decimal or hexadecimal (0x2a)")
    })
}

pub fn shape(text: &str) -> Result<Shape, String> {
    let [batch, outputs, inputs] = three::<u64>(text, "128,1024,1024")?;
    // Past usize is past u32, too, and that is what the library's error speaks of.
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    Shape::new(size(batch), size(outputs), size(inputs)).map_err(|error| error.to_string())
}

pub fn full_shape(text: &str) -> Result<Shape, String> {
    let shape = shape(text)?;
    if shape.batch() == 0 {
        return Err("`batch` is 0; there is nothing to time, use at least 1".to_owned());
    }
    Ok(shape)
}

pub fn origin(text: &str) -> Result<Origin, String> {
    let [example, output, input] = three(text, "0,0,0 (each below 2^32)")?;
    Ok(Origin { example, output, input })
}

pub fn p(text: &str) -> Result<f64, String> {
    let p: f64 = text.parse().map_err(|_| "a number of at least 0 and below 1 is needed".to_owned())?;
    if (0.0..1.0).contains(&p) {
        return Ok(p);
    }
    Err(dropconnect::Error::DropProbability { value: p }.to_string())
}

pub fn sharing(text: &str) -> Result<Sharing, String> {
    match text.parse() {
        _ if text == "batch" => Ok(Sharing::Batch),
        Ok(1) => Ok(Sharing::Example),
        Ok(count) => NonZeroU32::new(count).map(Sharing::Group).ok_or(()),
        Err(_) => Err(()),
    }
    .map_err(|()| "a number of examples of at least 1, or `batch`, is needed".to_owned())
}

pub fn seconds(text: &str) -> Result<Duration, String> {
    let most = 3600.0;
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= most => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("a number of seconds above 0 and at most {most} is needed")),
    }
}
