//! From the templates in `shaders/` to the WGSL of one variant.
//!
//! The shaders are Jinja templates: lines that start with `//%` are statements, `${...}` is replaced by
//! a value. Inner loops are unrolled here, because naga writes `for` as a plain loop for Metal and
//! HLSL, and because loops over a thread's sums cost two to three times.

use std::sync::LazyLock;

use minijinja::{Environment, context, syntax::SyntaxConfig};

use super::link;
use super::pass::{Integral, Pass, TEMPLATES};
use super::workgroup_tile::WorkgroupTile;
use crate::call::Axis;
use crate::cpu::MILLS;
use crate::gpu::tuning::{MaskOp, Multiply, Tile};
use crate::mask::BIAS_INPUT_BLOCK;
use crate::mask::brick::ROTATIONS;
use crate::mask::philox::{KEY_STEP, MULTIPLIERS, PLANE_ROUNDS, ROUNDS, STATE_PLANES};
use crate::{ElementType, Mask};

/// Bit planes a kernel is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Planes {
    /// No mask: evaluation, or p = 0.
    None,
    /// p = 1/2.
    One,
    /// At a resolution of 2 to 8 bits.
    Few,
    /// Of 9 to 16.
    Many,
}

impl Planes {
    /// Those of a mask. One that drops nothing draws none.
    pub(crate) fn of(mask: Option<&Mask>) -> Self {
        match mask.map_or(0, |mask| mask.probability.bits()) {
            0 => Self::None,
            1 => Self::One,
            2..=STATE_PLANES => Self::Few,
            _ => Self::Many,
        }
    }
}

/// How a kernel deals with examples that share masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shared {
    /// Each example has its own: the brick's four words are four examples.
    Each,
    /// Examples of a tile may have different masks or the same: a word is found for each.
    Rows,
    /// All examples of a tile have one: weights are masked once, and the loop is the dense one.
    Tile,
}

/// Everything that changes the text of a shader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    pub pass: Pass,
    /// How operands are stored.
    pub element: ElementType,
    /// How results are stored: f32 or the same, or 16 bits where operands are f32.
    pub result: ElementType,
    pub planes: Planes,
    /// Every row of every tensor starts on a quad of elements, and no brick is cut along a row.
    pub vector: bool,
    /// All bindings are `read_write`: the result shares its buffer with an operand.
    pub read_write: bool,
    pub tile: Tile,
    /// Threads that share a tile, each with a part of its sums.
    pub split_k: u32,
    pub mask_op: MaskOp,
    pub multiply: Multiply,
    /// The planes of a brick, and the rows of bricks of a tile as it is stored, are loops.
    pub unrolled: bool,
    pub sharing: Shared,
    /// Sums are taken in blocks, see [`Variant::block_steps`] and [`SHORT_TERMS`].
    pub blocked: bool,
}

/// Terms that are added up in one f32 before the sum goes to a total, and the blocks of them in a dispatch at most:
/// n equal terms in one f32 are off by up to n * 2^-24 / 3 of their sum.
pub(crate) const BLOCK_TERMS: u32 = 256;
pub(crate) const MOST_BLOCKS: u32 = 256;
/// Sums of up to so many terms are not taken in blocks: the loop over blocks takes llvmpipe 5 to 9 % longer.
pub(crate) const SHORT_TERMS: u32 = 4096;

/// The templates are part of this crate and every variant is rendered by a test, so that neither parsing
/// nor rendering can fail for a user.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let syntax = SyntaxConfig::builder()
        .variable_delimiters("${", "}")
        .block_delimiters("{%", "%}")
        .line_statement_prefix("//%")
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()
        .expect("the delimiters differ");
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    environment.set_syntax(syntax);
    for &(name, source) in TEMPLATES {
        environment
            .add_template(name, source)
            .unwrap_or_else(|error| panic!("shaders/{name}.wgsl: {error:#}"));
    }
    environment
});

impl Variant {
    /// Quads of sums in a row of a tile: a brick has 4 outputs, where the reduction axis is inputs, or 8 inputs.
    fn row_quads(&self) -> u32 {
        if self.pass.reduction_axis() == Some(Axis::Input) {
            self.tile.columns
        } else {
            2 * self.tile.columns
        }
    }

    /// Steps of a thread that are one block of terms.
    pub(crate) fn block_steps(&self) -> u32 {
        BLOCK_TERMS / self.pass.reduction_axis().map_or(4, Axis::brick)
    }

    /// Quads of workgroup memory through which threads that share a tile add up their sums: two rows at a time.
    fn split_k_quads(&self) -> u32 {
        let [x, y] = self.tile.workgroup;
        2 * self.row_quads() * (self.split_k - 1) * x * y
    }

    /// Quads of workgroup memory: those, or operands, which have done with it when sums come.
    fn shared_quads(&self) -> u32 {
        if let Pass::Predictive { threads } = self.pass {
            // A word for each thread, where they share an example.
            return if threads > 1 { threads.div_ceil(4) } else { 0 };
        }
        self.split_k_quads().max(self.workgroup_tile().map_or(0, |tile| tile.quads()))
    }

    /// Operands in workgroup memory, `tile.k_tile` steps of the k loop at a time.
    pub(crate) fn workgroup_tile(&self) -> Option<WorkgroupTile> {
        (self.tile.k_tile > 0 && self.pass.has_k_tile()).then(|| WorkgroupTile::new(self.pass, self.tile))?
    }

    /// The same in bytes.
    pub(crate) fn shared_bytes(&self) -> u32 {
        self.shared_quads().saturating_mul(size_of::<[f32; 4]>() as u32)
    }

    /// The WGSL of this variant.
    pub(crate) fn source(&self) -> String {
        let values = self.values();
        link::link(&self.pass.parts().iter().map(|part| render(part, &values)).collect::<Vec<_>>())
    }

    /// What the templates know of this variant.
    pub(crate) fn values(&self) -> minijinja::Value {
        let columns = |axis| match axis {
            Axis::Input => ("params.inputs", "params.input_stride"),
            _ => ("params.outputs", "params.output_stride"),
        };
        let operands: Vec<_> = (self.pass.operands().iter().enumerate())
            .map(|(index, &(name, axis))| {
                let (columns, stride) = columns(axis);
                context! { name, base => base(index), columns, stride }
            })
            .collect();
        // Gaussian samples may go on from launch to launch.
        let kept = matches!(self.pass, Pass::Activation(Integral::Sampled(_)));
        let results: Vec<_> = (self.pass.results().iter().enumerate())
            .map(|(index, &(name, rows, axis))| {
                let (columns, stride) = columns(axis);
                let rows = match rows {
                    None => "1",
                    Some(Axis::Output) => "params.outputs",
                    Some(_) => "params.examples",
                };
                let base = base(operands.len() + index);
                context! { name, base, rows, columns, stride, kept }
            })
            .collect();
        let Tile { rows: tile_rows, columns: tile_columns, workgroup: [workgroup_x, workgroup_y], .. } =
            self.tile;
        let monte_carlo = matches!(self.pass, Pass::MonteCarlo { .. });
        // The index of the running moments among the bindings.
        let moments_index = operands.len() + usize::from(monte_carlo);
        let integral = if let Pass::Activation(integral) = self.pass { Some(integral) } else { None };
        // Threads that share a tile, or an example.
        let split_k = if let Pass::Predictive { threads } = self.pass { threads } else { self.split_k };
        context! {
            moments_index,
            keys_base => base(operands.len()),
            operands,
            results,
            // The samples of a Monte-Carlo launch have keys of their own.
            sample_keys => monte_carlo,
            key_step => KEY_STEP,
            plane_rounds => PLANE_ROUNDS,
            activation => integral.map(Integral::function),
            closed => integral.is_some_and(Integral::is_closed),
            mills => MILLS,
            sharing => match self.sharing { Shared::Each => "each", Shared::Rows => "rows", Shared::Tile => "tile" },
            element => self.element.name(),
            result_element => self.result.name(),
            // Whether the products of a step meet bits of a mask.
            masked_products => self.planes != Planes::None && self.sharing != Shared::Tile,
            bias_input_block => BIAS_INPUT_BLOCK,
            planes => match self.planes {
                Planes::None => "none",
                Planes::One => "one",
                Planes::Few => "few",
                Planes::Many => "many",
            },
            // The bits of the threshold that the second state and those after it meet.
            first_bit => if self.planes == Planes::Many { STATE_PLANES } else { 1 },
            last_bit => if self.planes == Planes::Many { "16u" } else { "params.bits" },
            rounds => ROUNDS,
            vector => self.vector,
            access => if self.read_write { "read_write" } else { "read" },
            bias => self.pass.bias() || self.pass == Pass::Mask { of_bias: true },
            mask_op => match self.mask_op { MaskOp::Select => "select", MaskOp::And => "and" },
            unrolled => self.unrolled,
            looped_rows => !self.unrolled && tile_rows > 1,
            multipliers => MULTIPLIERS,
            rotations => ROTATIONS,
            int64 => self.multiply == Multiply::Wide,
            rows => tile_rows,
            columns => tile_columns,
            workgroup_x,
            workgroup_y,
            workgroup => match (self.pass, split_k) {
                // Which share an example.
                (Pass::Predictive { .. }, _) => workgroup_x.to_string(),
                (_, 1) => format!("{workgroup_x}, {workgroup_y}"),
                (_, split_k) => format!("{workgroup_x}, {workgroup_y}, {split_k}"),
            },
            split_k,
            blocked => self.blocked,
            block_steps => self.block_steps(),
            // Each lane of a quad has a sum of its own.
            block_quads => BLOCK_TERMS,
            workgroup_tile => self.workgroup_tile().map(|tile| tile.values()),
            quads => self.row_quads(),
            shared_quads => self.shared_quads(),
            // The halves in which threads that share an example add up.
            steps => (0..split_k.ilog2()).rev().map(|power| 1 << power).collect::<Vec<u32>>(),
            first_quad => if split_k > 1 { "local.x" } else { "0u" },
            // Where a thread starts its k loop.
            first_block => if split_k > 1 { "local.z" } else { "0u" },
            // A literal where there is one row of threads, so that a driver can see rows are uniform.
            local_y => if workgroup_y > 1 { "local.y" } else { "0u" },
        }
    }
}

/// Where the shader finds the start of the tensor of this index among the bindings.
fn base(index: usize) -> String {
    format!("params.base[{}].{}", index / 4, ["x", "y", "z", "w"][index % 4])
}

/// A template with these values.
pub(crate) fn render(part: &str, values: &minijinja::Value) -> String {
    let template = ENVIRONMENT.get_template(part).expect("every part is in TEMPLATES");
    template.render(values).unwrap_or_else(|error| panic!("shaders/{part}.wgsl: {error:#}"))
}
