//! On what the figures were taken, and what else went on there.

use std::fs;
use std::time::Instant;

use crate::process_tree::ticks_per_second;
use crate::{lines, timing, work};

/// Prints the processor, the kernel, the compiler, the peers, and what else weighs on the numbers.
pub fn print_header() {
    for (what, value) in facts() {
        println!("{what:10} {value}");
    }
}

/// The same, by name.
pub fn facts() -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (clock, item) = (timing::clock_cost(), work::calibrate());
    vec![
        ("processor", format!("{}, {cores} cores", processor())),
        ("kernel", first_line("/proc/sys/kernel/osrelease")),
        ("huge pages", first_line("/sys/kernel/mm/transparent_hugepage/enabled")),
        ("load", first_line("/proc/loadavg")),
        ("compiler", format!("{}{}", env!("BENCHES_RUSTC"), debug_note())),
        ("peers", env!("BENCHES_PEERS").to_owned()),
        (
            "clock",
            format!(
                "{} a reading, taken off; \"about 1 µs\" takes {}",
                lines::time(clock),
                lines::time(item)
            ),
        ),
    ]
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name"));
    let name = model.and_then(|line| line.split_once(": "));
    name.map_or(std::env::consts::ARCH, |(_, name)| name).to_owned()
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn debug_note() -> &'static str {
    if cfg!(debug_assertions) {
        " WITHOUT OPTIMISATION: these numbers mean nothing, use --release"
    } else {
        ""
    }
}

/// A moment from which the work of others is counted.
pub struct Busy {
    at: Instant,
    all: f64,
    own: f64,
}

impl Busy {
    /// Now.
    pub fn now() -> Busy {
        Busy {
            at: Instant::now(),
            all: busy_cores(),
            own: used_by(libc::RUSAGE_SELF) + used_by(libc::RUSAGE_CHILDREN),
        }
    }

    /// The share of all cores that was not idle and not used by this process or by the children it
    /// has reaped since. What a hypervisor takes away counts as used by others. `None` if the time
    /// was too short for the kernel's ticks to tell.
    pub fn elsewhere_since(&self) -> Option<f64> {
        let now = Busy::now();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let available = (now.at - self.at).as_secs_f64() * cores as f64;
        let others = (now.all - self.all) - (now.own - self.own);
        (available > 0.5).then(|| (others / available).clamp(0.0, 1.0))
    }
}

/// The seconds all cores together were not idle, from the first line of proc_stat(5):
/// `cpu user nice system idle iowait irq softirq steal ..`.
fn busy_cores() -> f64 {
    let line = first_line("/proc/stat");
    let fields = line.split_whitespace().skip(1).take(8).enumerate();
    let busy = fields.filter(|(i, _)| ![3, 4].contains(i));
    let ticks: u64 = busy.filter_map(|(_, field)| field.parse::<u64>().ok()).sum();
    ticks as f64 / ticks_per_second()
}

/// The seconds of processor time of this process, or of its children that were reaped.
fn used_by(whom: libc::c_int) -> f64 {
    // SAFETY: an all-zero value is a valid one, and the kernel fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(whom, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
