//! `dropconnect adapters`: what wgpu sees and what the kernels would use of it.

use comfy_table::{Table, presets};
use dropconnect::cpu;
use dropconnect::gpu::{AdapterChoice, MaskOp, Tile, Tuning};
use dropconnect::wgpu;
use serde::Serialize;

use crate::cli::{AdaptersOptions, Backend, DeviceOptions};
use crate::error::CliError;
use crate::{device, driver, output};

#[derive(Serialize)]
struct Row {
    /// By `--device auto`.
    chosen: bool,
    /// By `--device gpu`.
    chosen_as_gpu: bool,
    name: String,
    kind: String,
    backend: String,
    driver: String,
    philox_multiply: &'static str,
    timestamps: bool,
    mask_op: &'static str,
    tiles: Tiles,
    /// Threads below which sums are split; 0: never.
    split_below_threads: u32,
    binding_bytes: u64,
    buffer_bytes: u64,
}

/// Rows x columns of bricks a thread owns, and the workgroup.
#[derive(Serialize)]
struct Tiles {
    forward: String,
    input_gradient: String,
    weight_gradient: String,
}

#[derive(Serialize)]
struct Report {
    adapters: Vec<Row>,
    cpu_backend: Cpu,
}

#[derive(Serialize)]
struct Cpu {
    chosen: bool,
    instructions: &'static str,
    threads: usize,
}

/// Runs the command.
pub fn run(command: &AdaptersOptions, options: &DeviceOptions) -> Result<(), CliError> {
    let wanted = device::choice(options)?;
    // OpenGL is for those who ask for it; here it is shown.
    let shown = AdapterChoice {
        backends: if options.backend.is_some() { wanted.backends } else { wgpu::Backends::all() },
        ..wanted.clone()
    };
    let as_gpu = wanted.adapters().first().map(wgpu::Adapter::get_info);
    let software = |info: &wgpu::AdapterInfo| info.device_type == wgpu::DeviceType::Cpu;
    let asked_for = device::about_an_adapter(options).is_some();
    let chosen = as_gpu.as_ref().filter(|info| asked_for || !software(info));
    let adapters: Vec<_> =
        shown.adapters().iter().map(|adapter| row(adapter, [chosen, as_gpu.as_ref()])).collect();
    if adapters.is_empty() && (options.adapter.is_some() || options.backend.is_some()) {
        return Err(CliError::Usage(format!(
            "no adapter matches{}{}; `dropconnect adapters` lists those there are{}",
            options.adapter.as_ref().map_or(String::new(), |name| format!(" --adapter {name}")),
            options.backend.map_or(String::new(), |backend| format!(" --backend {}", backend_name(backend))),
            driver::variables()
        )));
    }
    let cpu_backend = Cpu {
        chosen: chosen.is_none(),
        instructions: cpu::Backend::detect().name(),
        threads: rayon::current_num_threads(),
    };
    let report = Report { adapters, cpu_backend };
    if command.json {
        return output::print_json(&report);
    }
    output::print(&text(&report))
}

fn backend_name(backend: Backend) -> &'static str {
    match backend {
        Backend::Vulkan => "vulkan",
        Backend::Metal => "metal",
        Backend::Dx12 => "dx12",
        Backend::Gl => "gl",
    }
}

/// `chosen`: by `--device auto` and by `--device gpu`.
fn row(adapter: &wgpu::Adapter, chosen: [Option<&wgpu::AdapterInfo>; 2]) -> Row {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let tuning = Tuning::for_adapter(&info, features);
    let [chosen, chosen_as_gpu] = chosen.map(|chosen| chosen == Some(&info));
    Row {
        chosen,
        chosen_as_gpu,
        kind: kind(&info).to_owned(),
        backend: info.backend.to_string(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        philox_multiply: if features.contains(wgpu::Features::SHADER_INT64) {
            "wide (64-bit integers)"
        } else {
            "split (16-bit halves)"
        },
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        mask_op: match tuning.mask_op {
            MaskOp::Select => "select",
            MaskOp::And => "and",
        },
        tiles: Tiles {
            forward: tile(tuning.forward),
            input_gradient: tile(tuning.input_gradient),
            weight_gradient: tile(tuning.weight_gradient),
        },
        split_below_threads: tuning.threads,
        binding_bytes: limits.max_storage_buffer_binding_size,
        buffer_bytes: limits.max_buffer_size,
        name: info.name,
    }
}

/// What kind of adapter, in words.
pub fn kind(info: &wgpu::AdapterInfo) -> &'static str {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    }
}

/// Bricks a thread owns, rows by columns, and the workgroup.
pub fn tile(tile: Tile) -> String {
    let [x, y] = tile.workgroup;
    let k_tile = if tile.k_tile > 0 { format!(", k tile {}", tile.k_tile) } else { String::new() };
    format!("{}x{} in {x}x{y}{k_tile}", tile.rows, tile.columns)
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for row in &report.adapters {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        let mut line = |what: &str, value: String| {
            table.add_row([format!("   {what}"), value]);
        };
        line("type", format!("{}, {}", row.kind, row.backend));
        line("driver", row.driver.clone());
        line("Philox multiply", row.philox_multiply.to_owned());
        line("timestamps", if row.timestamps { "yes" } else { "no" }.to_owned());
        line("mask operation", row.mask_op.to_owned());
        line("bricks per thread, group", format!("forward {}", row.tiles.forward));
        line("", format!("input gradient {}", row.tiles.input_gradient));
        line("", format!("weight gradient {}", row.tiles.weight_gradient));
        line(
            "sums split",
            match row.split_below_threads {
                0 => "never".to_owned(),
                threads => format!("below {threads} threads"),
            },
        );
        line("largest binding, buffer", format!("{}, {}", size(row.binding_bytes), size(row.buffer_bytes)));
        text += &format!("{} {}\n{}\n\n", mark(row.chosen, row.chosen_as_gpu), row.name, table.trim_fmt());
    }
    if report.adapters.is_empty() {
        text += &format!("wgpu sees no adapter{}\n\n", driver::missing());
    }
    let cpu = &report.cpu_backend;
    text += &format!(
        "{} CPU backend\n   {} instructions, {} threads\n\n* is what --device auto takes, + what --device gpu would\n",
        mark(cpu.chosen, false),
        cpu.instructions,
        cpu.threads
    );
    text
}

fn mark(chosen: bool, chosen_as_gpu: bool) -> char {
    match (chosen, chosen_as_gpu) {
        (true, _) => '*',
        (false, true) => '+',
        (false, false) => '-',
    }
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 100.0 { 0 } else { 1 };
    format!("{value:.digits$} {}", UNITS[unit])
}
