//! Barriers.

use std::time::Duration;

use crate::objects::{Barrier, BrokenBarrier, Event, Semaphore};

use crate::support::eventually;
use crate::{Elsewhere, Party, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    parties_pass_in_step,
    rounds_of_one_barrier_stay_in_step,
    exactly_one_party_gets_0,
    the_action_runs_once_in_a_round_before_anybody_goes_on,
    an_action_that_panics_breaks_the_barrier,
    an_abort_breaks_all_waits,
    a_reset_breaks_the_waits_and_the_barrier_works_again,
    a_broken_barrier_works_again_after_a_reset,
    a_party_that_is_late_breaks_the_barrier_for_all,
    a_party_that_ended_while_waiting_breaks_the_barrier,
    a_thousand_rounds_stay_in_step,
    a_child_sees_the_number_of_parties_and_may_reset,
    a_barrier_of_one_lets_everybody_pass,
);

const PARTIES: u32 = 5;

/// All parties but this one, which is to run `f` as well.
fn others<A: pool::Message + Clone, R: pool::Message>(
    elsewhere: Elsewhere,
    f: fn(A) -> R,
    arg: &A,
    start: impl Fn(Elsewhere, A) -> Party<R>,
) -> Vec<Party<R>> {
    let _ = f;
    (1..PARTIES).map(|_| start(elsewhere, arg.clone())).collect()
}

/// As many rounds; after each all parties have begun it, and none has begun the one after the next.
fn step((barrier, begun, rounds): (Barrier, Semaphore, u64)) -> bool {
    let parties = u64::from(barrier.parties());
    (0..rounds).all(|round| {
        begun.release().unwrap();
        let passed = barrier.wait().is_ok();
        let now = begun.available();
        passed && now >= parties * (round + 1) && now < parties * (round + 2)
    })
}

fn in_step(elsewhere: Elsewhere, rounds: u64) {
    let arg = (Barrier::new(PARTIES).unwrap(), Semaphore::new(0).unwrap(), rounds);
    let parties = others(elsewhere, step, &arg, |elsewhere, arg| elsewhere.start(step, arg));
    assert!(step(arg.clone()));
    assert!(parties.into_iter().all(Party::join));
    assert_eq!((arg.0.waiting(), arg.0.is_broken()), (0, false));
}

fn parties_pass_in_step(elsewhere: Elsewhere) {
    in_step(elsewhere, 1);
}

fn rounds_of_one_barrier_stay_in_step(elsewhere: Elsewhere) {
    in_step(elsewhere, 10);
}

fn a_thousand_rounds_stay_in_step(elsewhere: Elsewhere) {
    in_step(elsewhere, 1000);
}

fn exactly_one_party_gets_0(elsewhere: Elsewhere) {
    fn wait(barrier: Barrier) -> usize {
        barrier.wait().unwrap()
    }
    let barrier = Barrier::new(PARTIES).unwrap();
    let parties = others(elsewhere, wait, &barrier, |elsewhere, arg| elsewhere.start(wait, arg));
    let mut indices = vec![wait(barrier.clone())];
    indices.extend(parties.into_iter().map(Party::join));
    indices.sort_unstable();
    assert_eq!(indices, [0, 1, 2, 3, 4]);
}

fn the_action_runs_once_in_a_round_before_anybody_goes_on(elsewhere: Elsewhere) {
    fn pass((barrier, ran): (Barrier, Semaphore)) -> bool {
        (1..=10).all(|round| {
            let passed = barrier.wait_with(|| ran.release().unwrap()).is_ok();
            // The second wait keeps the next action from running before all have looked.
            passed && ran.available() == round && barrier.wait().is_ok()
        })
    }
    let arg = (Barrier::new(PARTIES).unwrap(), Semaphore::new(0).unwrap());
    let parties = others(elsewhere, pass, &arg, |elsewhere, arg| elsewhere.start(pass, arg));
    assert!(pass(arg.clone()));
    assert!(parties.into_iter().all(Party::join));
    assert_eq!(arg.1.available(), 10);
}

fn fails(barrier: Barrier) -> bool {
    barrier.wait() == Err(BrokenBarrier)
}

/// All other parties, waiting.
fn waiting(elsewhere: Elsewhere, barrier: &Barrier) -> Vec<Party<bool>> {
    let parties = others(elsewhere, fails, barrier, |elsewhere, arg| elsewhere.start(fails, arg));
    eventually("they wait", || barrier.waiting() == PARTIES as usize - 1);
    parties
}

fn an_action_that_panics_breaks_the_barrier(elsewhere: Elsewhere) {
    let barrier = Barrier::new(PARTIES).unwrap();
    let parties = waiting(elsewhere, &barrier);
    let action = || std::panic::resume_unwind(Box::new(()));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| barrier.wait_with(action)));
    assert!(panic.is_err() && barrier.is_broken());
    assert!(parties.into_iter().all(Party::join));
}

fn an_abort_breaks_all_waits(elsewhere: Elsewhere) {
    let barrier = Barrier::new(PARTIES).unwrap();
    let parties = waiting(elsewhere, &barrier);
    assert!(!barrier.is_broken());
    barrier.abort();
    assert!(parties.into_iter().all(Party::join));
    assert!(barrier.is_broken() && barrier.waiting() == 0);
    assert_eq!(barrier.wait(), Err(BrokenBarrier));
}

fn a_reset_breaks_the_waits_and_the_barrier_works_again(elsewhere: Elsewhere) {
    fn pass(barrier: Barrier) -> bool {
        barrier.wait().is_ok()
    }
    let barrier = Barrier::new(PARTIES).unwrap();
    let parties = waiting(elsewhere, &barrier);
    barrier.reset();
    assert!(parties.into_iter().all(Party::join));
    assert!(!barrier.is_broken());
    let parties = others(elsewhere, pass, &barrier, |elsewhere, arg| elsewhere.start(pass, arg));
    assert!(pass(barrier.clone()));
    assert!(parties.into_iter().all(Party::join));
}

fn a_broken_barrier_works_again_after_a_reset(elsewhere: Elsewhere) {
    fn pass(barrier: Barrier) -> bool {
        barrier.wait().is_ok()
    }
    let barrier = Barrier::new(PARTIES).unwrap();
    let parties = waiting(elsewhere, &barrier);
    barrier.abort();
    assert!(parties.into_iter().all(Party::join));
    barrier.reset();
    assert!(!barrier.is_broken());
    let parties = others(elsewhere, pass, &barrier, |elsewhere, arg| elsewhere.start(pass, arg));
    assert!(pass(barrier.clone()));
    assert!(parties.into_iter().all(Party::join));
}

fn a_party_that_is_late_breaks_the_barrier_for_all(elsewhere: Elsewhere) {
    let barrier = Barrier::new(PARTIES + 1).unwrap();
    let parties = waiting(elsewhere, &barrier);
    assert_eq!(barrier.wait_timeout(Duration::from_millis(20)), Err(BrokenBarrier));
    assert!(barrier.is_broken());
    assert!(parties.into_iter().all(Party::join));
}

fn a_party_that_ended_while_waiting_breaks_the_barrier(elsewhere: Elsewhere) {
    if !elsewhere.is_process() {
        // No thread ends while it waits.
        return;
    }
    let barrier = Barrier::new(PARTIES + 1).unwrap();
    let mut parties = waiting(elsewhere, &barrier);
    parties.remove(2).kill();
    assert!(parties.into_iter().all(Party::join));
    assert!(barrier.is_broken());
}

fn a_child_sees_the_number_of_parties_and_may_reset(elsewhere: Elsewhere) {
    fn reset(barrier: Barrier) -> u32 {
        barrier.reset();
        barrier.parties()
    }
    let barrier = Barrier::new(7).unwrap();
    barrier.abort();
    assert_eq!(elsewhere.start(reset, barrier.clone()).join(), 7);
    assert!(!barrier.is_broken());
}

fn a_barrier_of_one_lets_everybody_pass(elsewhere: Elsewhere) {
    fn pass((barrier, passed): (Barrier, Event)) {
        assert_eq!(barrier.wait(), Ok(0));
        assert_eq!(barrier.wait_with_timeout(Duration::ZERO, || passed.set()), Ok(0));
    }
    assert!(Barrier::new(0).is_err() && Barrier::new(u32::MAX).is_err());
    let (barrier, passed) = (Barrier::new(1).unwrap(), Event::new().unwrap());
    elsewhere.start(pass, (barrier.clone(), passed.clone())).join();
    assert!(passed.is_set());
    pass((barrier, passed));
}
