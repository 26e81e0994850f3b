//! What is done once.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use pool::shared::{Event, Once, Semaphore};

use crate::{Elsewhere, Party, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    one_of_all_does_it_and_the_others_wait_for_that,
    one_that_panics_has_not_done_it,
    one_that_died_has_not_done_it,
);

fn do_it((once, done): (Once, Semaphore)) -> (bool, u64) {
    (once.call_once(|| done.release().unwrap()), done.available())
}

fn one_of_all_does_it_and_the_others_wait_for_that(elsewhere: Elsewhere) {
    let arg = (Once::new().unwrap(), Semaphore::new(0).unwrap());
    assert_eq!(format!("{:?}", arg.0), "Once { is_completed: false }");
    let parties = [(); 4].map(|()| elsewhere.start(do_it, arg.clone()));
    let outcomes = parties.map(Party::join);
    assert_eq!(outcomes.iter().filter(|(ran, _)| *ran).count(), 1);
    assert!(outcomes.iter().all(|(_, done)| *done == 1));
    assert!(arg.0.is_completed());
}

fn one_that_panics_has_not_done_it(elsewhere: Elsewhere) {
    let (once, done) = (Once::new().unwrap(), Semaphore::new(0).unwrap());
    let panics = || once.call_once(|| resume_unwind(Box::new(())));
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert!(!once.is_completed());
    assert_eq!(elsewhere.start(do_it, (once, done)).join(), (true, 1));
}

fn one_that_died_has_not_done_it(elsewhere: Elsewhere) {
    fn begin((once, begun, end): (Once, Event, Event)) {
        once.call_once(|| {
            begun.set();
            end.wait();
        });
    }
    let (once, begun, end) = (Once::new().unwrap(), Event::new().unwrap(), Event::new().unwrap());
    let done = Semaphore::new(0).unwrap();
    let first = elsewhere.start(begin, (once.clone(), begun.clone(), end.clone()));
    begun.wait();
    let second = elsewhere.start(do_it, (once.clone(), done));
    assert!(!once.is_completed());
    if elsewhere.is_process() {
        first.kill();
        assert_eq!(second.join(), (true, 1));
    } else {
        end.set();
        first.join();
        assert_eq!(second.join(), (false, 0));
    }
    assert!(once.is_completed());
}
