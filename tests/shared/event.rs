//! Events.

use std::time::Duration;

use crate::objects::Event;

use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    a_wait_ends_when_another_sets_it_and_not_before,
    a_set_that_a_clear_follows_ends_a_wait,
);

fn a_wait_ends_when_another_sets_it_and_not_before(elsewhere: Elsewhere) {
    fn answer((asked, set): (Event, Event)) {
        asked.wait();
        set.set();
    }
    let (asked, set) = (Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(answer, (asked.clone(), set.clone()));
    assert!(!set.is_set());
    assert!(!set.wait_timeout(Duration::ZERO));
    assert!(!set.wait_timeout(Duration::from_millis(10)));
    asked.set();
    set.wait();
    assert!(set.is_set() && set.wait_timeout(Duration::ZERO));
    set.clear();
    assert!(!set.is_set() && !set.wait_timeout(Duration::ZERO));
    party.join();
}

fn a_set_that_a_clear_follows_ends_a_wait(elsewhere: Elsewhere) {
    fn wait((event, waits): (Event, Event)) {
        waits.set();
        event.wait();
    }
    let (event, waits) = (Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(wait, (event.clone(), waits.clone()));
    waits.wait();
    // Whether it sleeps by now or not: a wait that began before a `set` sees it.
    crate::support::eventually("the other side noticed", || {
        event.set();
        event.clear();
        party.is_over()
    });
    party.join();
}
