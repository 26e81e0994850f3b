//! Which pool suits, judged by the measured times alone.

use crate::spread::Spread;

pub(crate) struct Figures<'a> {
    pub(crate) workers: usize,
    pub(crate) cores: usize,
    pub(crate) items: usize,
    /// Share of the serial time in which a core was at work, where it is known.
    pub(crate) busy: Option<f64>,
    pub(crate) serial: &'a Spread,
    pub(crate) threads: &'a Spread,
    pub(crate) processes: &'a Spread,
}

#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) bound: &'static str,
    pub(crate) suits: &'static str,
    pub(crate) why: String,
}

/// Less than a tenth is no reason to choose: two pools of the same kind were seen to differ by half
/// of that, round after round.
const WORTH: f64 = 1.1;

/// Fewer rounds have no spread to speak of, and shorter ones are at the mercy of one interruption.
const ROUNDS: usize = 3;
const SECONDS: f64 = 0.05;

/// From this share on, work is bound by the core, and up to that share by what it waits for.
const BUSY: f64 = 0.8;
const IDLE: f64 = 0.3;

impl Figures<'_> {
    pub(crate) fn verdict(&self) -> Verdict {
        let threads = self.threads.times_faster_than(self.serial);
        let processes = self.processes.times_faster_than(self.serial);
        let best = threads.max(processes);
        let (suits, why) = if best < WORTH {
            ("serial", format!("no pool gains a tenth: {}", self.what_holds_back()))
        } else {
            let (suits, why) = self.which_pool();
            (suits, why + &self.more_workers(best))
        };
        Verdict { bound: self.bound(), suits, why }
    }

    fn which_pool(&self) -> (&'static str, String) {
        let apart = self.threads.times_faster_than(self.processes);
        let percent = |times: f64| format!("{:.0} % faster", (times - 1.0) * 100.0);
        if self.serial.rounds() < ROUNDS || self.threads.median().min(self.processes.median()) < SECONDS {
            let little = format!("too little to tell them apart, which takes {ROUNDS} rounds of {SECONDS} s");
            ("threads or processes", little)
        } else if self.threads.overlaps(self.processes) || apart.max(1.0 / apart) < WORTH {
            let overlap = self.threads.overlaps(self.processes);
            let near = if overlap { "within noise" } else { "less than a tenth apart" };
            let same = format!("{near}; threads are simpler, a process buys isolation and a hard kill");
            ("threads or processes", same)
        } else if apart > 1.0 {
            let price = "values are handed over and not encoded; isolation and a hard kill would cost that";
            ("threads", format!("{}, {price}", percent(apart)))
        } else {
            let gain = "they share no allocator, which may be why; isolation and a hard kill come with them";
            ("processes", format!("{}, {gain}", percent(1.0 / apart)))
        }
    }

    fn bound(&self) -> &'static str {
        match self.busy {
            None => "unknown",
            Some(BUSY..) => "CPU-bound",
            Some(..=IDLE) => "I/O-bound",
            Some(_) => "in between",
        }
    }

    fn what_holds_back(&self) -> &'static str {
        if self.items == 1 {
            "there is one item, and nothing to share out"
        } else if self.workers == 1 {
            "there is one worker"
        } else if self.cores == 1 && self.busy.is_none_or(|busy| busy >= BUSY) {
            "there is one core"
        } else {
            "the items are too small or too few, or the cores are busy with something else"
        }
    }

    /// Waiting is shared out among workers, computing among cores.
    fn more_workers(&self, best: f64) -> String {
        let follows = best >= 0.8 * self.workers as f64 && self.items >= self.workers * 4;
        if self.busy.is_some_and(|busy| busy <= IDLE) && follows {
            format!("; time follows the workers, not the cores: try --workers {}", self.workers * 4)
        } else if self.busy.is_some_and(|busy| busy >= BUSY) && self.workers > self.cores {
            format!("; {} workers share {} cores", self.workers, self.cores)
        } else {
            String::new()
        }
    }
}
