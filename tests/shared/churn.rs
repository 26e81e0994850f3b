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
                eventually("the pool has all that it makes ahead of need", watches_its_spare);
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
    let mut before = None;
    for first in (0..count()).step_by(BATCH as usize) {
        let objects: Vec<(O, u32)> = (first..first + BATCH).map(|nth| (make(nth), nth)).collect();
        let looked = pool.map(look, objects.clone()).expect("every object arrives");
        assert!(looked.iter().all(|whole| *whole));
        drop(objects);
        // The first ones come with what is made once; and what has no more to do leaves a moment later.
        let before = *before.get_or_insert_with(rest);
        eventually("both sides have no more than before", || {
            let now = rest();
            let no_more =
                |now: (usize, usize), before: (usize, usize)| now.0 <= before.0 && now.1 <= before.1;
            no_more(now.0, before.0) && no_more(now.1, before.1)
        });
    }
}

/// Whether this process has two descriptors of the fork server's spare child. The second is that of the pool that watches
/// it, and the last of what that makes for its next worker.
fn watches_its_spare() -> bool {
    let mut children = children_of(std::process::id()).into_iter();
    let Some(spare) = children.find(|child| is_spare(*child)) else { return false };
    let entry = format!("Pid:\t{spare}");
    let descriptors = std::fs::read_dir("/proc/self/fdinfo").expect("the descriptors").flatten();
    let texts = descriptors.filter_map(|descriptor| std::fs::read_to_string(descriptor.path()).ok());
    texts.filter(|text| text.lines().any(|line| line == entry)).count() == 2
}

/// A value as the bytes that cross, where nothing goes along with them.
pub(crate) fn encoded<T: serde::Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    pool::codec::encode(value, &mut bytes).expect("a value");
    bytes
}
