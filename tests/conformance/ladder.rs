//! A pool's ladder, Running → Closing → Terminating → Closed: what each call answers in each state. The
//! table is in `docs/process-pool.md`; each row is a function here, each column a state.

use pool::{AsyncResult, ErrorKind, Pool, Result};

use crate::support::{Backend, Gate, Marks, Scratch, crew, eventually, on_every_backend};

fn square(x: u64) -> u64 {
    x * x
}

fn hold((begun, gate): (Marks, Gate)) {
    begun.add();
    gate.wait();
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// Closed, with a task that has not ended.
    Closing,
    /// Terminated, with a task that has not ended where it cannot be killed.
    Terminating,
    /// Closed, and all workers gone.
    ClosedThenGone,
    /// Terminated, and all workers gone.
    TerminatedThenGone,
}

const STATES: [State; 5] =
    [State::Running, State::Closing, State::Terminating, State::ClosedThenGone, State::TerminatedThenGone];

impl State {
    /// What a call for work answers.
    fn refusal(self) -> Option<ErrorKind> {
        match self {
            State::Running => None,
            State::Closing | State::ClosedThenGone => Some(ErrorKind::Closed),
            State::Terminating | State::TerminatedThenGone => Some(ErrorKind::Terminated),
        }
    }
}

/// A pool of two in a state, one of whose workers may be busy.
struct Staged<B: Backend> {
    pool: B::Pool,
    gate: Gate,
    /// What the busy worker has in hand.
    held: Option<AsyncResult<()>>,
    _scratch: Scratch,
}

fn stage<B: Backend>(state: State) -> Staged<B> {
    let scratch = Scratch::new();
    let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
    let pool = B::pool(2);
    let mut held = None;
    if matches!(state, State::Closing | State::Terminating) {
        held = Some(pool.apply_async(hold, (begun.clone(), gate.clone())));
        begun.wait_for(1);
    }
    match state {
        State::Running => {}
        State::Closing | State::ClosedThenGone => pool.close(),
        State::Terminating | State::TerminatedThenGone => pool.terminate(),
    }
    if matches!(state, State::ClosedThenGone | State::TerminatedThenGone) {
        pool.join().unwrap();
    }
    Staged { pool, gate, held, _scratch: scratch }
}

/// Does the same in every state.
fn in_every_state<B: Backend>(body: impl Fn(&B::Pool, State)) {
    for state in STATES {
        let staged = stage::<B>(state);
        body(&staged.pool, state);
        staged.gate.open();
    }
}

#[track_caller]
fn is_taken<R>(state: State, what: &str, outcome: Result<R>) {
    let kind = outcome.err().map(|error| error.kind());
    assert_eq!(kind, state.refusal(), "{what} of a pool that is {state:?}");
}

fn work_is_taken_while_running_and_refused_after<B: Backend>() {
    in_every_state::<B>(|pool, state| {
        is_taken(state, "apply", pool.apply(square, 3));
        is_taken(state, "apply_async", pool.apply_async(square, 3).get());
        is_taken(state, "map", pool.map(square, 0..10));
        is_taken(state, "map_async", pool.map_async(square, 0..10).get());
        is_taken(state, "starmap", pool.starmap(|a: u64, b: u64| a + b, [(1, 2)]));
        is_taken(state, "starmap_async", pool.starmap_async(|a: u64, b: u64| a + b, [(1, 2)]).get());
        is_taken(state, "imap", pool.imap(square, 0..10).collect::<Result<Vec<_>>>());
        is_taken(state, "imap_unordered", pool.imap_unordered(square, 0..10).collect::<Result<Vec<_>>>());
    });
}

fn work_over_nothing_is_answered_as_any_other<B: Backend>() {
    in_every_state::<B>(|pool, state| {
        is_taken(state, "map", pool.map(square, 0..0));
        is_taken(state, "map of an unknown number", pool.map(square, (0..9).filter(|x| *x > 10)));
        is_taken(state, "map_async", pool.map_async(square, []).get());
        is_taken(state, "starmap", pool.starmap(|a: u64, b: u64| a + b, []));
        is_taken(state, "imap", pool.imap(square, []).collect::<Result<Vec<_>>>());
        is_taken(state, "imap_unordered", pool.imap_unordered(square, []).collect::<Result<Vec<_>>>());
    });
}

/// An iterator over nothing says so once, and ends.
fn an_iterator_over_nothing_of_a_closed_pool_ends<B: Backend>() {
    let staged = stage::<B>(State::ClosedThenGone);
    let mut results = staged.pool.imap(square, []);
    assert_eq!(results.next().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert!(results.next().is_none() && results.next().is_none());
}

fn resize_is_done_while_running_and_refused_after<B: Backend>() {
    in_every_state::<B>(|pool, state| {
        is_taken(state, "resize", pool.resize(3));
        assert_eq!(pool.workers(), if state == State::Running { 3 } else { 2 }, "{state:?}");
        let error = pool.resize(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "in whatever state");
    });
}

fn join_is_refused_while_running_and_waits_after<B: Backend>() {
    for state in STATES {
        let staged = stage::<B>(state);
        if state == State::Running {
            assert_eq!(staged.pool.join().unwrap_err().kind(), ErrorKind::StillOpen);
            continue;
        }
        std::thread::scope(|scope| {
            let joined = scope.spawn(|| staged.pool.join());
            staged.gate.open();
            joined.join().unwrap().unwrap();
        });
        staged.pool.join().unwrap();
    }
}

fn close_never_goes_back<B: Backend>() {
    for state in STATES {
        let Staged { pool, gate, held, _scratch, .. } = stage::<B>(state);
        pool.close();
        let expected = state.refusal().unwrap_or(ErrorKind::Closed);
        assert_eq!(pool.apply(square, 1).unwrap_err().kind(), expected, "closed when {state:?}");
        gate.open();
        pool.join().unwrap();
        if let (State::Closing, Some(held)) = (state, held) {
            held.get().expect("what was taken is done");
        }
    }
}

fn terminate_ends_what_is_in_hand_from_any_state<B: Backend>() {
    for state in STATES {
        let Staged { pool, gate, held, _scratch, .. } = stage::<B>(state);
        let queued: Vec<_> = match state {
            State::Running => (0..20).map(|x| pool.apply_async(square, x)).collect(),
            _ => Vec::new(),
        };
        pool.terminate();
        // What was closed and has ended stays what it was.
        let expected = match state {
            State::Running | State::Closing => vec![ErrorKind::Terminated],
            State::ClosedThenGone => vec![ErrorKind::Closed, ErrorKind::Terminated],
            _ => vec![ErrorKind::Terminated],
        };
        let kind = pool.apply(square, 1).unwrap_err().kind();
        assert!(expected.contains(&kind), "terminated when {state:?}: {kind:?}");
        if B::IS_PROCESS {
            // Its worker is killed: nobody needs to open the gate.
            assert!(held.iter().all(|held| held.wait_timeout(std::time::Duration::from_secs(60))));
        }
        gate.open();
        pool.join().unwrap();
        for handle in queued {
            assert!(handle.ready());
        }
        assert!(held.iter().all(AsyncResult::ready));
    }
}

fn drop_ends_everything_from_any_state<B: Backend>() {
    for state in STATES {
        let Staged { pool, gate, held, _scratch, .. } = stage::<B>(state);
        if !B::IS_PROCESS {
            gate.open();
        }
        drop(pool);
        assert!(held.iter().all(AsyncResult::ready), "a drop when {state:?}");
    }
}

fn a_handle_ends_as_its_pools_state_says<B: Backend>() {
    for state in STATES {
        let Staged { pool, gate, held, _scratch, .. } = stage::<B>(state);
        let Some(held) = held else { continue };
        if state == State::Closing {
            assert!(!held.ready(), "it waits");
        }
        gate.open();
        match held.get() {
            Ok(()) => assert!(state == State::Closing || !B::IS_PROCESS),
            Err(error) => assert_eq!((state, error.kind()), (State::Terminating, ErrorKind::Terminated)),
        }
        pool.join().unwrap();
    }
}

fn a_larger_pool_has_more_workers_at_once<B: Backend>() {
    let pool = B::pool(1);
    crew(&pool, 1);
    pool.resize(3).unwrap();
    assert_eq!(pool.workers(), 3);
    crew(&pool, 3);
    // A size that it has already is fine.
    pool.resize(3).unwrap();
    crew(&pool, 3);
}

fn a_smaller_pool_runs_no_more_at_once_than_it_says<B: Backend>() {
    let pool = B::pool(3);
    crew(&pool, 3);
    pool.resize(1).unwrap();
    assert_eq!(pool.workers(), 1);
    // Alone in there, each of them: two at once would see each other.
    fn alone(door: Marks) -> bool {
        let before = door.count();
        door.add();
        std::thread::yield_now();
        door.count() == before + 1
    }
    let scratch = Scratch::new();
    // Those that are too many may still be on their way out for a moment, but take nothing more.
    let alone = pool.chunk_size(1).map(alone, vec![scratch.marks("door"); 200]).unwrap();
    assert!(alone.into_iter().all(|alone| alone));
    pool.resize(2).unwrap();
    crew(&pool, 2);
}

fn busy_workers_finish_their_task_before_they_leave<B: Backend>() {
    let pool = B::pool(3);
    let scratch = Scratch::new();
    let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
    let held: Vec<_> = (0..3).map(|_| pool.apply_async(hold, (begun.clone(), gate.clone()))).collect();
    begun.wait_for(3);
    let queued = pool.map_async(square, 0..100);
    pool.resize(1).unwrap();
    gate.open();
    held.into_iter().for_each(|handle| handle.get().unwrap());
    assert_eq!(queued.get().unwrap().len(), 100);
    pool.close();
    pool.join().unwrap();
}

fn resizing_over_and_over_loses_nothing<B: Backend>() {
    let pool = B::pool(2);
    std::thread::scope(|scope| {
        let resizing = scope.spawn(|| {
            for size in [1, 4, 2, 3, 1, 2].into_iter().cycle().take(24) {
                pool.resize(size).unwrap();
                assert_eq!(pool.apply(square, 5).unwrap(), 25);
            }
        });
        while !resizing.is_finished() {
            let expected: Vec<u64> = (0..50).map(square).collect();
            assert_eq!(pool.chunk_size(1).map(square, 0..50).unwrap(), expected);
        }
        resizing.join().unwrap();
    });
    crew(&pool, 2);
    pool.close();
    pool.join().unwrap();
    eventually("join had seen them out", || pool.join().is_ok());
}

on_every_backend!(
    work_is_taken_while_running_and_refused_after,
    work_over_nothing_is_answered_as_any_other,
    an_iterator_over_nothing_of_a_closed_pool_ends,
    resize_is_done_while_running_and_refused_after,
    join_is_refused_while_running_and_waits_after,
    close_never_goes_back,
    terminate_ends_what_is_in_hand_from_any_state,
    drop_ends_everything_from_any_state,
    a_handle_ends_as_its_pools_state_says,
    a_larger_pool_has_more_workers_at_once,
    a_smaller_pool_runs_no_more_at_once_than_it_says,
    busy_workers_finish_their_task_before_they_leave,
    resizing_over_and_over_loses_nothing,
);
