//! A thread that watches descriptors for whoever does not wait himself. It is there while there is
//! something to watch, and sleeps in one place for all of it.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};

use pool_ipc::own;
use pool_ipc::watch::Watch;

use crate::own::lock;

/// Something to watch: what it is as a descriptor says when there is something to do.
pub(crate) trait Kept: AsFd + Send + Sync {
    /// Does it; `true`: there will be nothing more.
    fn is_done(&self) -> bool;
}

pub(crate) struct Keeper {
    name: &'static str,
    /// `None`: there is no thread.
    at_work: Mutex<Option<AtWork>>,
}

struct AtWork {
    watch: Arc<Watch>,
    kept: HashMap<u64, Arc<dyn Kept>>,
    next: u64,
}

impl Keeper {
    pub(crate) const fn new(name: &'static str) -> Keeper {
        Keeper { name, at_work: Mutex::new(None) }
    }

    /// Has the thread watch `thing` until it is done.
    pub(crate) fn keep(&'static self, thing: Arc<dyn Kept>) -> io::Result<()> {
        let mut at_work = lock(&self.at_work);
        let work = match &mut *at_work {
            Some(work) => work,
            none => {
                let watch = Arc::new(Watch::new()?);
                let watched = watch.clone();
                // It takes the lock before it looks at what there is to do.
                own::thread(self.name.to_owned(), move || self.work(&watched))?;
                none.insert(AtWork { watch, kept: HashMap::new(), next: 0 })
            }
        };
        let token = work.next;
        work.next += 1;
        work.kept.insert(token, thing.clone());
        let added = work.watch.add((*thing).as_fd(), token);
        if added.is_err() {
            work.kept.remove(&token);
            work.watch.knock();
        }
        added
    }

    fn work(&self, watch: &Watch) {
        let mut ready = Vec::new();
        loop {
            watch.wait(None, &mut ready);
            for token in &ready {
                let thing = lock(&self.at_work).as_ref().and_then(|work| work.kept.get(token).cloned());
                if let Some(thing) = thing.filter(|thing| thing.is_done()) {
                    watch.remove((*thing).as_fd());
                    if let Some(work) = &mut *lock(&self.at_work) {
                        work.kept.remove(token);
                    }
                }
            }
            let mut at_work = lock(&self.at_work);
            if at_work.as_ref().is_none_or(|work| work.kept.is_empty()) {
                *at_work = None;
                return;
            }
        }
    }
}
