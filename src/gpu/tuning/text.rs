//! A tuning as one line of text, to be stored and read back.

use std::fmt;
use std::str::FromStr;

use super::{MaskOp, Tile, Tuning};
use crate::Error;

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x, y] = self.workgroup;
        write!(f, "{}x{}x{x}x{y}", self.rows, self.columns)?;
        if self.k_tile > 0 { write!(f, "k{}", self.k_tile) } else { Ok(()) }
    }
}

/// One line without spaces, for a host to store: tiles as `ROWSxCOLUMNSxXxY`, with `kBRICKS` after it for a tile of so
/// many bricks in workgroup memory, how bits are applied, whether kernels are `unrolled` or `loops`, the threads that
/// keep the adapter busy, and the iterations and connections that one dispatch holds.
impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask_op = match self.mask_op {
            MaskOp::Select => "select",
            MaskOp::And => "and",
        };
        let unrolled = if self.unrolled { "unrolled" } else { "loops" };
        let &Self { forward, input_gradient, weight_gradient, threads, iterations, connections, .. } = self;
        write!(f, "{forward},{input_gradient},{weight_gradient},")?;
        write!(f, "{mask_op},{unrolled},{threads},{iterations},{connections}")
    }
}

impl FromStr for Tile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = || Error::Tuning { text: text.to_owned() };
        let (tile, k_tile) = match text.split_once('k') {
            // A tile of none is written without.
            Some((tile, k_tile)) => {
                (tile, k_tile.parse().ok().filter(|&bricks| bricks > 0).ok_or_else(fault)?)
            }
            None => (text, 0),
        };
        let numbers: Option<Vec<u32>> = tile.split('x').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[rows, columns, x, y]) => Ok(Self { rows, columns, workgroup: [x, y], k_tile }),
            _ => Err(fault()),
        }
    }
}

impl FromStr for Tuning {
    type Err = Error;

    /// What `Display` writes. Sizes are checked by [`Kernels::new`](crate::gpu::Kernels::new).
    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = || Error::Tuning { text: text.to_owned() };
        let parts: Vec<&str> = text.split(',').collect();
        let [tiles @ .., mask_op, unrolled, threads, iterations, connections] = &parts[..] else {
            return Err(fault());
        };
        let [forward, input_gradient, weight_gradient] = tiles else { return Err(fault()) };
        // Not the error of the part: what was given is the whole line.
        let tile = |text: &str| text.parse().map_err(|_| fault());
        Ok(Self {
            forward: tile(forward)?,
            input_gradient: tile(input_gradient)?,
            weight_gradient: tile(weight_gradient)?,
            mask_op: match *mask_op {
                "select" => MaskOp::Select,
                "and" => MaskOp::And,
                _ => return Err(fault()),
            },
            unrolled: match *unrolled {
                "loops" => false,
                "unrolled" => true,
                _ => return Err(fault()),
            },
            threads: threads.parse().map_err(|_| fault())?,
            iterations: iterations.parse().map_err(|_| fault())?,
            connections: connections.parse().map_err(|_| fault())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::gpu::{MaskOp, Tile, Tuning};

    #[test]
    fn tunings_survive_as_text() {
        let software = Tuning::software();
        let other = Tuning {
            forward: Tile::new(1, 2, [32, 4]).with_k_tile(8),
            mask_op: MaskOp::Select,
            unrolled: true,
            threads: 1 << 16,
            ..software
        };
        for tuning in [software, other] {
            assert_eq!(tuning.to_string().parse::<Tuning>().unwrap(), tuning);
        }
        assert_eq!(other.to_string(), "1x2x32x4k8,8x2x16x1,8x2x16x1,select,unrolled,65536,32768,4294967296");
        for text in [
            "",
            "1x1x8x8",
            "1x1x8,1x1x8x8,1x1x8x8,and,loops,0,4096,1048576",
            "1x1x8x8,1x1x8x8,and,loops,0,4096,1048576",
            // As versions wrote it that drew one mask for both gradients.
            "1x1x8x8,1x1x8x8,1x1x8x8,separate,and,loops,0,4096,1048576",
            "1x1x8x8k,1x1x8x8,1x1x8x8,and,loops,0,4096,1048576",
            "1x1x8x8k0,1x1x8x8,1x1x8x8,and,loops,0,4096,1048576",
            "1x1x8x8k4k4,1x1x8x8,1x1x8x8,and,loops,0,4096,1048576",
            "1x1x8k4x8,1x1x8x8,1x1x8x8,and,loops,0,4096,1048576",
            "1x1x8x8,1x1x8x8,1x1x8x8,or,loops,0,4096,1048576",
            "1x1x8x8,1x1x8x8,1x1x8x8,and,loops,0,4096",
            "1x1x8x8,1x1x8x8,1x1x8x8,and,loops,4096,1048576",
            "1x1x8x8,1x1x8x8,1x1x8x8,and,loops,-1,4096,1048576",
        ] {
            let error = text.parse::<Tuning>().unwrap_err().to_string();
            assert!(error.contains("tuning"), "{text}: {error}");
            let (_, example) =
                error.split_once("must be like ").expect("the fault shows what would be right");
            example.parse::<Tuning>().expect("what it shows is right");
        }
    }
}
