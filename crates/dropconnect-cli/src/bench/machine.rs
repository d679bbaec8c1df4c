//! What else the machine did while it was measured, as far as it can be seen: drivers of AMD and NVIDIA tell of their
//! GPUs. What cannot be seen is not said.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dropconnect::gpu::Gpu;
use serde::Serialize;
use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::statistics::median;

/// More than this of all processors is said; and a clock, or a time of the same calls, that changes by more.
const NOTABLE: f64 = 0.05;
/// Per cent of a GPU in use before we have begun.
const GPU_NOTABLE: f64 = 5.0;
const AMD: u32 = 0x1002;
const NVIDIA: u32 = 0x10de;
/// A tool that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// As it is written to `--json`; nothing where it is not to be seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    /// Processors that other processes, or the host of this virtual machine, kept busy on average over the run; of so
    /// many.
    pub others_processors: Option<f64>,
    pub processors: usize,
    /// Processor clock before and after, MHz.
    pub clock_mhz: Option<[f64; 2]>,
    /// Of the GPU, before anything of ours ran.
    pub gpu_busy_percent: Option<f64>,
    /// Clock of the GPU before and after, MHz.
    pub gpu_clock_mhz: Option<[f64; 2]>,
    /// The largest change, as a factor above 1, between the first and the last third of one implementation's samples.
    pub drift: Option<f64>,
    /// What of this makes figures doubtful, in words.
    pub notes: Vec<String>,
}

/// The machine before a run.
pub struct Watch {
    system: System,
    start: Instant,
    own: Duration,
    vendor: u32,
    name: String,
    gpu: GpuState,
}

#[derive(Clone, Copy, Default)]
struct GpuState {
    busy_percent: Option<f64>,
    clock_mhz: Option<f64>,
}

impl Watch {
    pub fn start(gpu: Option<&Gpu>) -> Self {
        let vendor = gpu.map_or(0, |gpu| gpu.info().vendor);
        let name = gpu.map_or_else(String::new, |gpu| gpu.info().name.clone());
        let gpu = gpu_state(vendor, &name);
        let mut system = System::new();
        system.refresh_cpu_all();
        Self { system, start: Instant::now(), own: own_time(), vendor, name, gpu }
    }

    /// What has been since, `samples` among it: those of each implementation, in the order they were taken.
    pub fn stop<'s>(mut self, samples: impl Iterator<Item = &'s [f64]>) -> Machine {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut machine = Machine { processors, drift: drift(samples), ..Machine::default() };
        let (before, passed) = (clock(&self.system), self.start.elapsed());
        self.system.refresh_cpu_all();
        if passed >= MINIMUM_CPU_UPDATE_INTERVAL {
            let busy = f64::from(self.system.global_cpu_usage()) / 100.0 * self.system.cpus().len() as f64;
            let own = own_time().saturating_sub(self.own).as_secs_f64() / passed.as_secs_f64();
            machine.others_processors = Some((busy - own).max(0.0));
        }
        machine.clock_mhz = before.zip(clock(&self.system)).map(<[f64; 2]>::from);
        machine.gpu_busy_percent = self.gpu.busy_percent;
        machine.gpu_clock_mhz =
            self.gpu.clock_mhz.zip(gpu_state(self.vendor, &self.name).clock_mhz).map(<[f64; 2]>::from);
        machine.notes = machine.doubts();
        machine
    }
}

impl Machine {
    fn doubts(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let processors = self.processors;
        if let Some(others) = self.others_processors.filter(|others| *others > NOTABLE * processors as f64) {
            notes.push(format!("others kept {others:.1} of {processors} processors busy"));
        }
        if let Some(busy) = self.gpu_busy_percent.filter(|busy| *busy > GPU_NOTABLE) {
            notes.push(format!("the GPU was {busy:.0} % busy before anything of ours ran"));
        }
        if let Some([before, after]) =
            self.clock_mhz.filter(|[before, after]| apart(*before, *after) > NOTABLE)
        {
            notes.push(format!("the processor's clock was {before:.0} MHz before and {after:.0} MHz after"));
        }
        if let Some(drift) = self.drift.filter(|drift| *drift > 1.0 + NOTABLE) {
            let percent = 100.0 * (drift - 1.0);
            notes
                .push(format!("the same calls took up to {percent:.0} % longer at one end of a measurement"));
        }
        notes
    }
}

/// By which fraction one is more than the other.
fn apart(a: f64, b: f64) -> f64 {
    a.max(b) / a.min(b) - 1.0
}

/// The implementation with the most samples shows it best.
fn drift<'s>(samples: impl Iterator<Item = &'s [f64]>) -> Option<f64> {
    let factor = |samples: &[f64]| {
        let third = samples.len() / 3;
        (third > 2).then(|| 1.0 + apart(median(&samples[..third]), median(&samples[samples.len() - third..])))
    };
    samples.filter_map(factor).max_by(f64::total_cmp)
}

/// The processes of ours, and how long those have computed that are gone.
static OURS: Mutex<(Vec<Pid>, Duration)> = Mutex::new((Vec::new(), Duration::ZERO));

/// A process of ours has started.
pub fn started(process: u32) {
    OURS.lock().unwrap_or_else(PoisonError::into_inner).0.push(Pid::from_u32(process));
}

/// It is about to end.
pub fn ends(process: u32) {
    let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    ours.0.retain(|pid| pid.as_u32() != process);
    ours.1 += computed(&[Pid::from_u32(process)]);
}

/// How long this process and others of ours have computed.
fn own_time() -> Duration {
    let ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    ours.1 + computed(&[&ours.0[..], &[Pid::from_u32(std::process::id())]].concat())
}

fn computed(processes: &[Pid]) -> Duration {
    let mut system = System::new();
    let time = ProcessRefreshKind::nothing().with_cpu();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(processes), true, time);
    let times = processes.iter().filter_map(|&process| system.process(process));
    times.map(|process| Duration::from_millis(process.accumulated_cpu_time())).sum()
}

/// MHz of the first processor.
fn clock(system: &System) -> Option<f64> {
    system.cpus().first().map(|cpu| cpu.frequency() as f64).filter(|&clock| clock > 0.0)
}

fn gpu_state(vendor: u32, name: &str) -> GpuState {
    match vendor {
        AMD => GpuState { busy_percent: amd_busy(), clock_mhz: None },
        NVIDIA => nvidia(name).unwrap_or_default(),
        _ => GpuState::default(),
    }
}

/// Of the only GPU that tells; of several, nobody knows which is ours.
fn amd_busy() -> Option<f64> {
    let cards = fs::read_dir("/sys/class/drm").ok()?;
    let busy = |card: fs::DirEntry| fs::read_to_string(card.path().join("device/gpu_busy_percent")).ok();
    let mut busy: Vec<_> = cards.filter_map(Result::ok).filter_map(busy).collect();
    let only = busy.pop().filter(|_| busy.is_empty())?;
    only.trim().parse().ok()
}

/// Of the only GPU of this name, by the tool that comes with the driver.
fn nvidia(name: &str) -> Option<GpuState> {
    let mut child = Command::new("nvidia-smi")
        .args(["--query-gpu=name,utilization.gpu,clocks.sm", "--format=csv,noheader,nounits"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let start = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if start.elapsed() > PATIENCE {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().ok()?;
    named(&String::from_utf8_lossy(&output.stdout), name)
}

/// The line of the only GPU of a name.
fn named(lines: &str, name: &str) -> Option<GpuState> {
    let mut found = lines.lines().filter_map(|line| {
        let [of, busy, clock] = line.split(", ").collect::<Vec<_>>()[..] else { return None };
        (of == name).then(|| GpuState { busy_percent: busy.parse().ok(), clock_mhz: clock.parse().ok() })
    });
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_gpu_of_a_name_is_found() {
        let lines = "NVIDIA A, 7, 1980\nNVIDIA B, 0, 210\nNVIDIA B, 3, 345\nNVIDIA C, [N/A], 100\n";
        let a = named(lines, "NVIDIA A").unwrap();
        assert_eq!((a.busy_percent, a.clock_mhz), (Some(7.0), Some(1980.0)));
        assert!(named(lines, "NVIDIA B").is_none() && named(lines, "NVIDIA").is_none());
        let c = named(lines, "NVIDIA C").unwrap();
        assert_eq!((c.busy_percent, c.clock_mhz), (None, Some(100.0)));
    }

    #[test]
    fn what_makes_figures_doubtful_is_said() {
        let quiet = Machine { processors: 8, others_processors: Some(0.1), ..Machine::default() };
        assert!(quiet.doubts().is_empty());
        let busy = Machine {
            others_processors: Some(1.5),
            gpu_busy_percent: Some(40.0),
            clock_mhz: Some([3000.0, 2000.0]),
            drift: Some(1.3),
            ..quiet
        };
        let said = busy.doubts().join("; ");
        for part in ["1.5 of 8 processors", "40 % busy", "3000 MHz before and 2000", "30 % longer"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    /// The run of this test counts as ours, and so does a program that has ended.
    #[test]
    fn our_own_time_is_not_others() {
        let watch = Watch::start(None);
        let spin = |time: Duration| {
            let start = Instant::now();
            while start.elapsed() < time {
                std::hint::spin_loop();
            }
        };
        spin(2 * MINIMUM_CPU_UPDATE_INTERVAL);
        let grown = own_time() - watch.own;
        assert!(grown >= MINIMUM_CPU_UPDATE_INTERVAL / 2, "{grown:?}");
        assert!(!watch.system.cpus().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn time_of_processes_that_have_ended_is_counted() {
        let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let (before, start) = (own_time(), Instant::now());
        started(busy.id());
        while own_time() < before + Duration::from_millis(100) {
            assert!(start.elapsed() < Duration::from_secs(60), "no time of a busy process in a minute");
        }
        ends(busy.id());
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(own_time() >= before + Duration::from_millis(100));
    }
}
