//! Many objects, made, passed to the other side, looked at there and dropped.

use pool::{Message, Pool, ProcessPool, TaskFn, ThreadPool};

use crate::Elsewhere;

/// How many: `POOL_CHURN`, a few by default.
fn count() -> u32 {
    std::env::var("POOL_CHURN").map_or(300, |text| text.parse().expect("POOL_CHURN"))
}

/// How many at a time.
const BATCH: u32 = 50;

/// What a process has of shared objects: descriptors of all kinds, and mappings.
pub(crate) fn held() -> (usize, usize) {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("the descriptors").count();
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the mappings");
    (
        descriptors,
        maps.lines()
            .filter(|line| line.contains("memfd:pool-shared") || line.contains("memfd:pool-frozen"))
            .count(),
    )
}

/// Makes objects, has the other side look at each, and drops them; both sides have in the end what they had in the
/// beginning.
pub(crate) fn churn<O, F>(elsewhere: Elsewhere, make: impl Fn(u32) -> O, look: F)
where
    O: Message + Clone,
    F: TaskFn<(O, u32), Output = bool> + Copy,
{
    match elsewhere {
        Elsewhere::Thread => run(&ThreadPool::new(1).expect("a pool"), make, look),
        Elsewhere::Process(method) => {
            let builder =
                ProcessPool::builder().workers(1).start_method(method).allow_fork_with_threads(true);
            run(&builder.build().expect("a pool"), make, look);
        }
    }
}

fn run<O, F>(pool: &impl Pool, make: impl Fn(u32) -> O, look: F)
where
    O: Message + Clone,
    F: TaskFn<(O, u32), Output = bool> + Copy,
{
    let rest = || (held(), pool.apply(|()| held(), ()).expect("a count"));
    let mut before = None;
    for first in (0..count()).step_by(BATCH as usize) {
        let objects: Vec<(O, u32)> = (first..first + BATCH).map(|nth| (make(nth), nth)).collect();
        let looked = pool.map(look, objects.clone()).expect("every object arrives");
        assert!(looked.iter().all(|whole| *whole));
        drop(objects);
        // The first ones come with what is made once.
        let now = rest();
        assert_eq!(*before.get_or_insert(now), now, "after {first} objects");
    }
}
