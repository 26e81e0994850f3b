//! This process and its children: who they are, and what time they have used.

use std::fs;

/// The pids of this process's living descendants, without itself. Asks only about those, not about
/// every process there is, since the asking is part of what an idle pool is measured by.
pub fn descendants() -> Vec<u32> {
    let mut family = vec![std::process::id()];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(children_of(parent));
        next += 1;
    }
    family.split_off(1)
}

/// The ids of a process's threads.
pub fn threads_of(pid: u32) -> Vec<u32> {
    pids_under(&format!("/proc/{pid}/task"))
}

/// The processor time this process and its living descendants have used, in seconds, as
/// `utime + stime` of proc_pid_stat(5) has it: in ticks, 10 ms on most machines.
pub fn cpu_time_of_tree() -> f64 {
    let ticks: u64 = family().into_iter().filter_map(ticks_of).sum();
    ticks as f64 / ticks_per_second()
}

/// The unit of the times in `/proc`.
pub fn ticks_per_second() -> f64 {
    // SAFETY: the call reads a constant of the system.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) as f64 }
}

/// The same as the scheduler counts it, in seconds, to the nanosecond (`/proc/PID/schedstat`).
/// Threads that have ended are missing; zero where the kernel does not keep it.
pub fn precise_cpu_time_of_tree() -> f64 {
    let on_cpu = |pid, tid| -> Option<u64> {
        let line = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
        line.split(' ').next()?.parse().ok()
    };
    let nanos: u64 = family()
        .into_iter()
        .flat_map(|pid| threads_of(pid).into_iter().map(move |tid| (pid, tid)))
        .filter_map(|(pid, tid)| on_cpu(pid, tid))
        .sum();
    nanos as f64 * 1e-9
}

fn family() -> Vec<u32> {
    let mut family = descendants();
    family.push(std::process::id());
    family
}

fn pids_under(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The kernel lists children by the thread that started them.
fn children_of(pid: u32) -> Vec<u32> {
    let by_thread = |tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/children"));
    let lists = threads_of(pid).into_iter().filter_map(|tid| by_thread(tid).ok());
    let children = lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    children.filter_map(|pid| pid.parse().ok()).collect()
}

fn ticks_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Fields 14 and 15. The second one, the name, may hold blanks and parentheses, so counting
    // starts after its last parenthesis, with the third.
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(14 - 3).map(str::parse::<u64>);
    let (utime, stime) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(utime + stime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_a_descendant_until_it_is_reaped() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(descendants().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!descendants().contains(&child.id()));
    }

    #[test]
    fn work_costs_time() {
        let (before, precise) = (cpu_time_of_tree(), precise_cpu_time_of_tree());
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 100 {
            std::hint::spin_loop();
        }
        assert!(cpu_time_of_tree() > before);
        assert!(precise_cpu_time_of_tree() > precise);
    }
}
