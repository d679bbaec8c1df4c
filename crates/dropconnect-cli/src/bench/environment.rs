//! Where a benchmark ran: device, driver, system, processor.

use dropconnect::{Device, cpu};
use serde::Serialize;
use sysinfo::{CpuRefreshKind, System};

use crate::adapters;

/// Where it ran.
#[derive(Clone, Serialize)]
pub struct Environment {
    /// The adapter, or `CPU backend`.
    pub adapter: String,
    /// What it is: discrete GPU, ..., CPU.
    pub kind: String,
    pub backend: String,
    pub driver: String,
    /// Kernel variant in use.
    pub kernels: String,
    pub os: String,
    pub cpu: String,
}

impl Environment {
    /// The adapter's backend and driver.
    pub fn by(&self) -> Option<String> {
        (self.backend != "none").then(|| format!("{}, {}", self.backend, self.driver))
    }

    /// The adapter with backend and driver, or the CPU backend with its instructions.
    pub fn on(&self) -> String {
        format!("{} ({})", self.adapter, self.by().as_ref().unwrap_or(&self.kernels))
    }

    pub fn of(device: &Device) -> Self {
        let (os, cpu) = (os(), cpu_name());
        let Some(gpu) = device.as_gpu() else {
            return Self {
                adapter: "CPU backend".to_owned(),
                kind: "CPU".to_owned(),
                backend: "none".to_owned(),
                driver: "none".to_owned(),
                kernels: format!(
                    "{} instructions, {} threads",
                    cpu::Backend::detect().name(),
                    rayon::current_num_threads()
                ),
                os,
                cpu,
            };
        };
        let info = gpu.info();
        let (multiply, tuning) = (gpu.kernels().multiply(), gpu.kernels().tuning());
        let tiles = [tuning.forward, tuning.input_gradient, tuning.weight_gradient].map(adapters::tile);
        Self {
            adapter: info.name.clone(),
            kind: adapters::kind(info).to_owned(),
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            kernels: format!("{multiply:?} multiply, {:?} bits, bricks {}", tuning.mask_op, tiles.join("; ")),
            os,
            cpu,
        }
    }
}

/// The system, by its own name where it has one.
fn os() -> String {
    let name = System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_owned());
    format!("{name} ({})", std::env::consts::ARCH)
}

/// The processor, where the system tells.
fn cpu_name() -> String {
    let mut system = System::new();
    system.refresh_cpu_list(CpuRefreshKind::nothing());
    let name = system.cpus().first().map(|cpu| cpu.brand().trim()).filter(|name| !name.is_empty());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {threads} threads", name.unwrap_or("unknown processor"))
}
