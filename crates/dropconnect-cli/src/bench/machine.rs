//! What else the machine did while it was measured, as far as it can be seen: Linux tells of its processors, drivers of
//! AMD and NVIDIA of their GPUs. What cannot be seen is not said.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dropconnect::gpu::Gpu;
use serde::Serialize;

use super::json::Report;
use super::statistics::median;

/// More than this of all processors, or of their time withheld by the host of a virtual machine, is said; and a clock,
/// or a time of the same calls, that changes by more.
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
    /// Processors that other processes kept busy, on average over the run; of so many.
    pub others_processors: Option<f64>,
    pub processors: usize,
    /// Fraction of the processors' time that the host of this virtual machine gave to others.
    pub stolen: Option<f64>,
    /// Processor clock before and after, MHz.
    pub clock_mhz: Option<[f64; 2]>,
    /// Of the GPU, before anything of ours ran.
    pub gpu_busy_percent: Option<f64>,
    /// Clock of the GPU before and after, MHz.
    pub gpu_clock_mhz: Option<[f64; 2]>,
    /// The largest change, as a factor above 1, between the first and the last third of one way's samples.
    pub drift: Option<f64>,
    /// What of this makes figures doubtful, in words.
    pub notes: Vec<String>,
}

/// The machine before a run.
pub struct Watch {
    times: Option<[u64; 3]>,
    own: u64,
    clock: Option<f64>,
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
    /// `served` are processes of ours that run already.
    pub fn start(gpu: Option<&Gpu>, served: &[u32]) -> Self {
        let vendor = gpu.map_or(0, |gpu| gpu.info().vendor);
        let name = gpu.map_or_else(String::new, |gpu| gpu.info().name.clone());
        let gpu = gpu_state(vendor, &name);
        Self { times: times(), own: own_ticks(served), clock: clock(), vendor, name, gpu }
    }

    /// What has been since; `served` are processes of ours.
    pub fn stop(&self, served: &[u32], report: &Report) -> Machine {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut machine = Machine { processors, drift: drift(report), ..Machine::default() };
        if let (Some(before), Some(after)) = (self.times, times()) {
            let [busy, stolen, all] = std::array::from_fn(|at| after[at].saturating_sub(before[at]) as f64);
            let own = own_ticks(served).saturating_sub(self.own) as f64;
            if all > 0.0 {
                machine.others_processors = Some((busy - own).max(0.0) / all * processors as f64);
                machine.stolen = Some(stolen / all);
            }
        }
        machine.clock_mhz = self.clock.zip(clock()).map(<[f64; 2]>::from);
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
            notes.push(format!("other processes kept {others:.1} of {processors} processors busy"));
        }
        if let Some(stolen) = self.stolen.filter(|stolen| *stolen > NOTABLE) {
            notes.push(format!(
                "the host of this virtual machine withheld {:.0} % of its time",
                100.0 * stolen
            ));
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

/// The way with the most samples shows it best.
fn drift(report: &Report) -> Option<f64> {
    let series = report.results.iter().flat_map(|entry| &entry.passes).flat_map(|pass| pass.ways());
    let factor = |samples: &[f64]| {
        let third = samples.len() / 3;
        (third > 2).then(|| 1.0 + apart(median(&samples[..third]), median(&samples[samples.len() - third..])))
    };
    series.filter_map(|(_, samples)| factor(&samples.samples_ms)).max_by(f64::total_cmp)
}

/// Busy, stolen and all ticks of all processors.
fn times() -> Option<[u64; 3]> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let fields: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; time of guests is in user.
    let [user, nice, system, idle, waiting, irq, soft, stolen] = *fields.first_chunk()?;
    let busy = user + nice + system + irq + soft;
    Some([busy, stolen, busy + idle + waiting + stolen])
}

/// Ticks of this process and of others of ours, and of those that they have started and seen the end of.
fn own_ticks(served: &[u32]) -> u64 {
    let of = |process: &str| ticks(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?);
    let served = served.iter().filter_map(|process| of(&process.to_string()));
    of("self").unwrap_or(0) + served.sum::<u64>()
}

/// Of a process and its children that have ended.
fn ticks(stat: &str) -> Option<u64> {
    // After the name, which is in brackets and may be anything: state, ten numbers, user and system time, the same of
    // the children.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// MHz of the first processor.
fn clock() -> Option<f64> {
    let khz = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq").ok()?;
    Some(khz.trim().parse::<f64>().ok()? / 1e3)
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
        let quiet =
            Machine { processors: 8, others_processors: Some(0.1), stolen: Some(0.0), ..Machine::default() };
        assert!(quiet.doubts().is_empty());
        let busy = Machine {
            others_processors: Some(1.5),
            stolen: Some(0.2),
            gpu_busy_percent: Some(40.0),
            clock_mhz: Some([3000.0, 2000.0]),
            drift: Some(1.3),
            ..quiet
        };
        let said = busy.doubts().join("; ");
        for part in ["1.5 of 8 processors", "20 %", "40 % busy", "3000 MHz before and 2000", "30 % longer"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    /// A script's program, and an earlier build that was started again.
    #[test]
    fn time_of_children_that_have_ended_is_counted() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 1 2 3 4 100 20 3000 40000 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(43_120));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    /// The run of this test counts as ours: some of it is seen.
    #[test]
    #[cfg(target_os = "linux")]
    fn our_own_time_is_not_others() {
        let (before, start) = (own_ticks(&[]), Instant::now());
        while own_ticks(&[]) < before + 5 {
            assert!(start.elapsed() < Duration::from_secs(60), "no tick of this process in a minute");
        }
        let [busy, stolen, all] = times().unwrap();
        assert!(busy + stolen <= all);
    }
}
