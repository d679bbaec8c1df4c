//! From the templates in `shaders/` to the WGSL of one variant.
//!
//! The shaders are Jinja templates: lines that start with `//%` are statements, `${...}` is replaced by
//! a value. Inner loops are unrolled here, in text, because naga writes `for` as a plain loop for Metal and
//! HLSL, and because rolled loops over a thread's sums cost two to three times.

use std::sync::LazyLock;

use minijinja::{Environment, context, syntax::SyntaxConfig};

use super::tuning::{Apply, Multiply, Tile};
use crate::ElementType;
use crate::mask::Rounds;
use crate::mask::brick::TAIL_ROTATION;
use crate::mask::philox::MULTIPLIERS;

/// The kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
    BiasGradient,
    Mask,
}

impl Pass {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::InputGradient => "input_gradient",
            Self::WeightGradient => "weight_gradient",
            Self::BiasGradient => "bias_gradient",
            Self::Mask => "mask",
        }
    }

    /// The operands' names in the shader, in the order of their bindings, and whether their rows have as
    /// many columns as the layer has inputs (else as it has outputs).
    fn operands(self, bias: bool) -> &'static [(&'static str, bool)] {
        match self {
            Self::Forward if bias => &[("x", true), ("w", true), ("bias", false)],
            Self::Forward => &[("x", true), ("w", true)],
            Self::InputGradient => &[("g", false), ("w", true)],
            Self::WeightGradient => &[("g", false), ("x", true)],
            Self::BiasGradient => &[("g", false)],
            Self::Mask => &[],
        }
    }

    /// Operands this pass binds.
    pub(crate) fn operand_count(self, bias: bool) -> usize {
        self.operands(bias).len()
    }
}

/// Bit planes a kernel is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Planes {
    /// No mask: evaluation, or p = 0.
    None,
    /// p = 1/2.
    One,
    /// Any p.
    Many,
}

/// Everything that changes the text of a shader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    pub pass: Pass,
    pub element: ElementType,
    pub planes: Planes,
    pub rounds: Rounds,
    /// Every row of every tensor starts on a quad of elements, and no brick is cut along a row.
    pub vector: bool,
    /// All bindings are `read_write`: the result shares its buffer with an operand.
    pub read_write: bool,
    /// The forward pass adds a bias; the mask kernel writes the bias's mask.
    pub bias: bool,
    pub tile: Tile,
    pub apply: Apply,
    pub multiply: Multiply,
    /// The planes of a brick are a loop.
    pub rolled: bool,
}

const TEMPLATES: [(&str, &str); 10] = [
    ("params", include_str!("../../shaders/params.wgsl")),
    ("philox", include_str!("../../shaders/philox.wgsl")),
    ("brick", include_str!("../../shaders/brick.wgsl")),
    ("elements", include_str!("../../shaders/elements.wgsl")),
    ("apply", include_str!("../../shaders/apply.wgsl")),
    ("forward", include_str!("../../shaders/forward.wgsl")),
    ("input_gradient", include_str!("../../shaders/input_gradient.wgsl")),
    ("weight_gradient", include_str!("../../shaders/weight_gradient.wgsl")),
    ("bias_gradient", include_str!("../../shaders/bias_gradient.wgsl")),
    ("mask", include_str!("../../shaders/mask.wgsl")),
];

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
    for (name, source) in TEMPLATES {
        environment
            .add_template(name, source)
            .unwrap_or_else(|error| panic!("shaders/{name}.wgsl: {error:#}"));
    }
    environment
});

impl Variant {
    /// The templates this kernel is put together from.
    fn parts(&self) -> &'static [&'static str] {
        match self.pass {
            Pass::Forward => &["params", "philox", "brick", "elements", "apply", "forward"],
            Pass::InputGradient => &["params", "philox", "brick", "elements", "apply", "input_gradient"],
            Pass::WeightGradient => &["params", "philox", "brick", "elements", "apply", "weight_gradient"],
            Pass::BiasGradient => &["params", "philox", "brick", "elements", "bias_gradient"],
            Pass::Mask => &["params", "philox", "brick", "mask"],
        }
    }

    /// The WGSL of this variant.
    pub(crate) fn source(&self) -> String {
        let (inputs, outputs) =
            (("params.inputs", "params.input_stride"), ("params.outputs", "params.output_stride"));
        let operands: Vec<_> = self
            .pass
            .operands(self.bias)
            .iter()
            .enumerate()
            .map(|(base, &(name, by_input))| {
                let (columns, stride) = if by_input { inputs } else { outputs };
                context! { name, base, columns, stride }
            })
            .collect();
        let (rows, (columns, stride)) = match self.pass {
            Pass::Forward => ("params.samples", outputs),
            Pass::InputGradient => ("params.samples", inputs),
            Pass::WeightGradient => ("params.outputs", inputs),
            // One row of outputs; the mask kernel has a result of its own.
            Pass::BiasGradient | Pass::Mask => ("1", outputs),
        };
        let Tile { rows: tile_rows, columns: tile_columns, workgroup: [workgroup_x, workgroup_y] } =
            self.tile;
        let values = context! {
            operands,
            result => context! { rows, columns, stride },
            element => self.element.name(),
            planes => match self.planes { Planes::None => "none", Planes::One => "one", Planes::Many => "many" },
            rounds => self.rounds.count(),
            vector => self.vector,
            access => if self.read_write { "read_write" } else { "read" },
            bias => self.bias,
            apply => match self.apply { Apply::Select => "select", Apply::And => "and" },
            rolled => self.rolled,
            multipliers => MULTIPLIERS,
            tail_rotation => TAIL_ROTATION,
            int64 => self.multiply == Multiply::Wide,
            rows => tile_rows,
            columns => tile_columns,
            workgroup_x,
            workgroup_y,
            // A literal where there is one row of threads, so that a driver can see rows are uniform.
            local_y => if workgroup_y > 1 { "local.y" } else { "0u" },
        };
        render(self.parts(), &values)
    }
}

/// Some templates with these values, one after the other.
pub(super) fn render(parts: &[&str], values: &minijinja::Value) -> String {
    let mut source = String::new();
    for part in parts {
        let template = ENVIRONMENT.get_template(part).expect("every part is in TEMPLATES");
        source += &template.render(values).unwrap_or_else(|error| panic!("shaders/{part}.wgsl: {error:#}"));
        source.push('\n');
    }
    source
}
