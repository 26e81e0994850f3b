//! Many objects, made, passed to the other side, looked at there and dropped.

use pool::{Message, Pool, ProcessPool, StartMethod, TaskFn, ThreadPool};

use crate::Elsewhere;
use crate::support::{children_of, eventually, is_spare};

/// How many: `POOL_CHURN`, a few by default.
fn count() -> u32 {
    std::env::var("POOL_CHURN").map_or(300, |text| text.parse().expect("POOL_CHURN"))
}

/// How many processes are killed at a random moment: `POOL_KILLS`, a few by default.
pub(crate) fn kills() -> u32 {
    std::env::var("POOL_KILLS").map_or(10, |text| text.parse().expect("POOL_KILLS"))
}

/// How many at a time.
const BATCH: u32 = 50;
/// What the first so many leave is no more than the others may: so a leak of one in two is seen.
const SETTLING: u32 = 100;

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
            let pool = builder.build().expect("a pool");
            if method == StartMethod::ForkServer {
                pool.apply(|()| (), ()).expect("a worker");
                // With it come the other things that the pool makes ahead for its next worker.
                eventually("a spare", || children_of(std::process::id()).into_iter().any(is_spare));
            }
            run(&pool, make, look);
        }
    }
}

fn run<O, F>(pool: &impl Pool, make: impl Fn(u32) -> O, look: F)
where
    O: Message + Clone,
    F: TaskFn<(O, u32), Output = bool> + Copy,
{
    let rest = || (held(), pool.apply(|()| held(), ()).expect("a count"));
    let mut before = rest();
    for first in (0..count()).step_by(BATCH as usize) {
        let objects: Vec<(O, u32)> = (first..first + BATCH).map(|nth| (make(nth), nth)).collect();
        let looked = pool.map(look, objects.clone()).expect("every object arrives");
        assert!(looked.iter().all(|whole| *whole));
        drop(objects);
        // What has no more to do leaves a moment later.
        let no_more = |now: (usize, usize), before: (usize, usize)| now.0 <= before.0 && now.1 <= before.1;
        if first < SETTLING {
            // The first ones come with what is made once.
            let most =
                |now: (usize, usize), before: (usize, usize)| (now.0.max(before.0), now.1.max(before.1));
            let now = rest();
            before = (most(now.0, before.0), most(now.1, before.1));
            continue;
        }
        eventually("both sides have no more than before", || {
            let now = rest();
            no_more(now.0, before.0) && no_more(now.1, before.1)
        });
    }
}

/// A value as the bytes that cross, where nothing goes along with them.
pub(crate) fn encoded<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    pool::codec::encode(value, &mut bytes).expect("a value");
    bytes
}
