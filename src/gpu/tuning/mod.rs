//! Which kernel shapes an adapter gets. Every choice here gives the same mask bits.

mod text;

use crate::Error;

/// How many bricks a thread owns, and how threads form a workgroup: each number 1 to 256, but for
/// `k_tile`, which may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Tile {
    /// Bricks of a thread along the rows of its result (4 examples, or 4 outputs, each).
    pub rows: u32,
    /// Bricks of a thread along the columns of its result (4 outputs, or 8 inputs, each).
    pub columns: u32,
    /// Threads of a workgroup along columns and rows.
    pub workgroup: [u32; 2],
    /// Bricks of the reduction axis whose operands a workgroup reads together into its memory, for all of its threads,
    /// at a time; 0: each thread reads its own. Fewer where they do not fit that memory. For the forward pass,
    /// Monte-Carlo passes and the gradients of input and weight; the other passes read as with 0, and so do all where
    /// the compiler takes no such kernels ([`Kernels::has_k_tiles`](crate::gpu::Kernels::has_k_tiles)).
    pub k_tile: u32,
}

impl Tile {
    /// So many bricks a thread, rows by columns, in workgroups of so many threads along columns and rows.
    pub const fn new(rows: u32, columns: u32, workgroup: [u32; 2]) -> Self {
        Self { rows, columns, workgroup, k_tile: 0 }
    }

    /// The same with so many bricks of the reduction axis in workgroup memory at a time; 0: none.
    #[must_use]
    pub const fn with_k_tile(self, k_tile: u32) -> Self {
        Self { k_tile, ..self }
    }

    /// The same tile, halved until it is no larger than a problem of so many bricks: what lies outside the
    /// problem is computed all the same.
    pub(crate) fn within(self, bricks: [u32; 2]) -> Self {
        let fit = |mut tile: u32, bricks: u32| {
            while tile > 1 && tile > bricks {
                tile /= 2;
            }
            tile
        };
        Self { columns: fit(self.columns, bricks[0]), rows: fit(self.rows, bricks[1]), ..self }
    }

    /// The workgroups along columns and rows that cover so many bricks.
    pub(crate) fn workgroups(self, bricks: [u32; 2]) -> [u32; 2] {
        let [x, y] = self.workgroup;
        [bricks[0].div_ceil(self.columns * x), bricks[1].div_ceil(self.rows * y)]
    }

    /// How many of them cover so many bricks, columns and rows.
    pub(crate) fn count(self, bricks: [u32; 2]) -> u64 {
        u64::from(bricks[0].div_ceil(self.columns)) * u64::from(bricks[1].div_ceil(self.rows))
    }
}

/// The mask operation: how a mask bit acts on a product. For finite operands all forms agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MaskOp {
    /// The sum is replaced where the bit is set: one predicated multiply-add on NVIDIA.
    Select,
    /// The weight is kept or made zero by a bitwise and: two integer operations on AMD, none of
    /// which touches the condition register.
    And,
}

/// How Philox's 32 x 32 -> 64 bit product is formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Multiply {
    /// With 64-bit integers, where the device was created with `Features::SHADER_INT64`.
    Wide,
    /// With the exact split into 16-bit halves, everywhere.
    Split,
}

/// The kernel shapes for one adapter.
///
/// ```
/// use dropconnect::gpu::{MaskOp, Tile, Tuning};
///
/// let tuning = Tuning::software().with_forward(Tile::new(2, 1, [8, 4])).with_mask_op(MaskOp::Select);
/// assert_eq!(tuning.to_string().parse::<Tuning>()?, tuning);
/// # Ok::<(), dropconnect::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Tuning {
    /// Rows are examples, columns outputs.
    pub forward: Tile,
    /// Rows are examples, columns inputs.
    pub input_gradient: Tile,
    /// Rows are outputs, columns inputs.
    pub weight_gradient: Tile,
    /// How mask bits are applied.
    pub mask_op: MaskOp,
    /// Whether the planes of a brick and the rows of a tile that is written out are unrolled in the kernel. Loops keep
    /// it small.
    pub unrolled: bool,
    /// Threads that keep the adapter busy. A pass with fewer splits its sums among threads of a workgroup, which
    /// add them up at the end; 0: never.
    pub threads: u32,
    /// Iterations, of all loops together, that an invocation may make in one dispatch, 4,096 or more: a sum that takes
    /// more is cut into several dispatches. Mesa's llvmpipe ends all loops of an invocation after 65,535 iterations,
    /// silently, and on hardware a long loop of few threads keeps a display waiting.
    pub iterations: u32,
    /// Connections that one dispatch may decide, 2^20 or more: larger problems are cut into several. Windows ends a
    /// dispatch after two seconds, and until a dispatch is done a desktop on the same adapter stands still.
    pub connections: u64,
}

/// The same with one choice made otherwise.
impl Tuning {
    /// The tile of the forward pass, which Monte-Carlo passes take too.
    #[must_use]
    pub const fn with_forward(self, tile: Tile) -> Self {
        Self { forward: tile, ..self }
    }

    /// The tile of the input gradient.
    #[must_use]
    pub const fn with_input_gradient(self, tile: Tile) -> Self {
        Self { input_gradient: tile, ..self }
    }

    /// The tile of the weight gradient.
    #[must_use]
    pub const fn with_weight_gradient(self, tile: Tile) -> Self {
        Self { weight_gradient: tile, ..self }
    }

    /// One tile for all three.
    #[must_use]
    pub const fn with_tiles(self, tile: Tile) -> Self {
        self.with_forward(tile).with_input_gradient(tile).with_weight_gradient(tile)
    }

    /// How mask bits are applied.
    #[must_use]
    pub const fn with_mask_op(self, mask_op: MaskOp) -> Self {
        Self { mask_op, ..self }
    }

    /// Unrolled, or with loops.
    #[must_use]
    pub const fn with_unrolled(self, unrolled: bool) -> Self {
        Self { unrolled, ..self }
    }

    /// Threads that keep the adapter busy.
    #[must_use]
    pub const fn with_threads(self, threads: u32) -> Self {
        Self { threads, ..self }
    }

    /// Iterations that an invocation may make in one dispatch.
    #[must_use]
    pub const fn with_iterations(self, iterations: u32) -> Self {
        Self { iterations, ..self }
    }

    /// Connections that one dispatch may decide.
    #[must_use]
    pub const fn with_connections(self, connections: u64) -> Self {
        Self { connections, ..self }
    }
}

/// Vendors, by the numbers that drivers give: PCI's.
const NVIDIA: u32 = 0x10de;
const GOOGLE: u32 = 0x1ae0;

/// For outputs on NVIDIA, without k tiles: a second brick and a warp that is tall read fewest lines for a
/// brick (docs/nvidia.md).
pub(crate) const NO_K_TILE: Tile = Tile::new(1, 2, [2, 16]);

/// Half of what llvmpipe allows: other drivers of its family may count a little otherwise.
const ITERATIONS: u32 = 1 << 15;

impl Tuning {
    /// That no tile and no workgroup is of nothing, or larger than kernels are made for. Names the number.
    pub(crate) fn check_tiles(&self) -> Result<(), Error> {
        macro_rules! named {
            ($($field:literal: $tile:expr),*) => {
                [$(([
                    concat!("tuning.", $field, ".k_tile"),
                    concat!("tuning.", $field, ".rows"),
                    concat!("tuning.", $field, ".columns"),
                    concat!("tuning.", $field, ".workgroup[0]"),
                    concat!("tuning.", $field, ".workgroup[1]"),
                ], $tile)),*]
            };
        }
        let tiles = named! {
            "forward": self.forward,
            "input_gradient": self.input_gradient,
            "weight_gradient": self.weight_gradient
        };
        for (names, tile) in tiles {
            let Tile { rows, columns, workgroup: [x, y], k_tile } = tile;
            let [k_tile_name, names @ ..] = names;
            Error::check_count(k_tile_name, k_tile, 0..=256)?;
            for (argument, value) in names.into_iter().zip([rows, columns, x, y]) {
                Error::check_count(argument, value, 1..=256)?;
            }
        }
        Ok(())
    }

    /// The choice for a class of adapters, by what they are and not by their names, as small as its compiler needs it.
    /// `features` are those that the device has or would have.
    pub fn for_adapter(info: &wgpu::AdapterInfo, features: wgpu::Features) -> Self {
        let fxc = has_fxc(info, features);
        let tuning = match info.device_type {
            wgpu::DeviceType::Cpu => match info.backend {
                wgpu::Backend::Vulkan if info.vendor != GOOGLE => Self::software(),
                // WARP, by FXC.
                wgpu::Backend::Dx12 => Self::software_small(1),
                // SwiftShader, in a browser or not, and Mesa's OpenGL.
                _ => Self::software_small(2),
            },
            // At 20 G connections a second, the least to expect of one, a fifth of a second.
            wgpu::DeviceType::IntegratedGpu => {
                Self { threads: 1 << 13, connections: 1 << 32, ..Self::discrete(info.vendor, !fxc) }
            }
            _ => Self::discrete(info.vendor, !fxc),
        };
        // FXC takes 14 s for the forward kernel at any p where planes and stores are unrolled, 2 s where they are
        // loops.
        if fxc { Self { unrolled: false, ..tuning } } else { tuning }
    }

    /// Software drivers: loads cost more than the products they feed (docs/performance.md), so that wide
    /// tiles win, registers or not; compiling takes long, so that kernels are kept short.
    pub fn software() -> Self {
        let tile = |rows, columns| Tile::new(rows, columns, [16, 1]);
        Self {
            forward: tile(4, 4),
            input_gradient: tile(8, 2),
            weight_gradient: tile(8, 2),
            mask_op: MaskOp::And,
            unrolled: false,
            threads: 0,
            iterations: ITERATIONS,
            connections: 1 << 32,
        }
    }

    /// Software adapters whose compilers take minutes for wide tiles: so many rows of bricks, which compile within
    /// three seconds (docs/performance.md).
    fn software_small(rows: u32) -> Self {
        Self::software().with_tiles(Tile::new(rows, 1, [16, 1]))
    }

    /// Hardware: what fits its registers, in workgroups that share lines of both operands and are small enough
    /// for several threads to share a tile. A large adapter has some hundred multiprocessors, at home with some hundred
    /// threads each. `k_tiles`: whether its compiler takes kernels that tile through workgroup memory.
    fn discrete(vendor: u32, k_tiles: bool) -> Self {
        let tile = Tile::new;
        let unmeasured = Self {
            // Reads most for a brick, hence its second one.
            forward: tile(2, 1, [8, 4]),
            input_gradient: tile(1, 1, [8, 4]),
            weight_gradient: tile(1, 1, [8, 4]),
            mask_op: MaskOp::And,
            unrolled: true,
            threads: 1 << 16,
            iterations: ITERATIONS,
            // At 100 G a second, the least to expect, a third of a second.
            connections: 1 << 35,
        };
        if vendor != NVIDIA {
            return unmeasured;
        }
        // The best over p = 1/2 and 1/5, a large layer and a small one, on an H200 and an H100 (docs/nvidia.md). What
        // a load costs there goes by the lines that it touches, so that a workgroup reads lines together. Where it
        // cannot, few of its threads differ along the rows of what is read along rows.
        let nvidia = Self { mask_op: MaskOp::Select, unrolled: false, ..unmeasured };
        if !k_tiles {
            return Self {
                forward: NO_K_TILE,
                input_gradient: tile(1, 2, [4, 8]),
                weight_gradient: tile(1, 1, [4, 16]),
                ..nvidia
            };
        }
        Self {
            forward: tile(1, 1, [16, 16]).with_k_tile(4),
            input_gradient: tile(1, 1, [8, 16]).with_k_tile(4),
            weight_gradient: tile(1, 1, [8, 16]).with_k_tile(4),
            ..nvidia
        }
    }
}

/// Whether Microsoft's older compiler makes the kernels: 64-bit integers are what DXC has and FXC has not. FXC takes
/// no barrier in a loop around a k loop that may end earlier for some threads (error X4026), which k tiles need.
pub(crate) fn has_fxc(info: &wgpu::AdapterInfo, features: wgpu::Features) -> bool {
    info.backend == wgpu::Backend::Dx12 && !features.contains(wgpu::Features::SHADER_INT64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(device_type: wgpu::DeviceType, backend: wgpu::Backend, vendor: u32) -> wgpu::AdapterInfo {
        wgpu::AdapterInfo { vendor, ..wgpu::AdapterInfo::new(device_type, backend) }
    }

    /// Which compilers there are is told by the backend, the features and the vendor of a software adapter.
    #[test]
    fn slow_compilers_get_little_text() {
        use wgpu::{Backend, DeviceType, Features};
        let of = |device_type, backend, vendor, features| {
            Tuning::for_adapter(&info(device_type, backend, vendor), features)
        };
        let (int64, none) = (Features::SHADER_INT64, Features::empty());
        let bricks = |tuning: Tuning| {
            [tuning.forward, tuning.input_gradient, tuning.weight_gradient]
                .map(|tile| tile.rows * tile.columns)
        };
        assert!(!of(DeviceType::DiscreteGpu, Backend::Dx12, AMD, none).unrolled, "FXC");
        assert!(of(DeviceType::DiscreteGpu, Backend::Dx12, AMD, int64).unrolled, "DXC");
        assert!(of(DeviceType::DiscreteGpu, Backend::Vulkan, AMD, none).unrolled);
        let k_tile = |tuning: Tuning| tuning.forward.k_tile > 0;
        assert!(k_tile(of(DeviceType::DiscreteGpu, Backend::Vulkan, NVIDIA, none)));
        assert!(k_tile(of(DeviceType::DiscreteGpu, Backend::Dx12, NVIDIA, int64)), "DXC");
        assert!(!k_tile(of(DeviceType::DiscreteGpu, Backend::Dx12, NVIDIA, none)), "FXC refuses them");
        const AMD: u32 = 0x1002;
        const MICROSOFT: u32 = 0x1414;
        const MESA: u32 = 0x10005;
        for (backend, vendor, most) in [
            (Backend::Vulkan, GOOGLE, 2),
            (Backend::BrowserWebGpu, 0, 2),
            (Backend::Gl, MESA, 2),
            (Backend::Dx12, MICROSOFT, 1),
        ] {
            let small = of(DeviceType::Cpu, backend, vendor, none);
            assert!(!small.unrolled && bricks(small) == [most; 3], "{small}");
        }
        assert_eq!(of(DeviceType::Cpu, Backend::Vulkan, MESA, int64), Tuning::software());
    }
}
