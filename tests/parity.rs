//! `tests/parity.md` is whole and true: every behaviour that CPython's tests of pools, processes, shared objects,
//! managers and executors look at is in it, and every test that it or the table of peers (`docs/hangs.md`) names exists.
//!
//! Whether a named test exists is read from the sources: they are all there, whatever features and system the
//! tests are built for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// CPython's tests, by the section that they are in.
const ROWS: &[(&str, &[&str])] = &[
    (
        "Process",
        &[
            "_TestProcess.test_current",
            "_TestProcess.test_parent_process",
            "_TestProcess.test_process",
            "_TestProcess.test_process_mainthread_native_id",
            "_TestProcess.test_terminate",
            "_TestProcess.test_kill",
            "_TestProcess.test_active_children",
            "_TestProcess.test_recursion",
            "_TestProcess.test_sentinel",
            "_TestProcess.test_close",
            "_TestProcess.test_many_processes",
            "_TestProcess.test_lose_target_ref",
            "_TestProcess.test_child_fd_inflation",
            "_TestProcess.test_error_on_stdio_flush_1",
            "_TestProcess.test_error_on_stdio_flush_2",
            "_TestSubclassingProcess.test_subclassing",
            "_TestSubclassingProcess.test_stderr_flush",
            "_TestSubclassingProcess.test_sys_exit",
            "_TestPollEintr.test_poll_eintr",
            "TestStdinBadfiledescriptor.test_flushing",
        ],
    ),
    (
        "start methods",
        &[
            "_TestProcess.test_forkserver_sigint",
            "_TestProcess.test_forkserver_sigkill",
            "TestNoForkBomb.test_noforkbomb",
            "TestForkAwareThreadLock.test_lock",
            "TestCloseFds.test_closefd",
            "TestStartMethod.test_context",
            "TestStartMethod.test_set_get",
            "TestStartMethod.test_get_all",
            "TestStartMethod.test_mixed_startmethod",
            "MultiProcessingCmdLineMixin.test_basic_script",
        ],
    ),
    (
        "Pool",
        &[
            "_TestPool.test_apply",
            "_TestPool.test_map",
            "_TestPool.test_starmap",
            "_TestPool.test_starmap_async",
            "_TestPool.test_map_async",
            "_TestPool.test_map_unplicklable",
            "_TestPool.test_map_chunksize",
            "_TestPool.test_map_handle_iterable_exception",
            "_TestPool.test_async",
            "_TestPool.test_async_timeout",
            "_TestPool.test_imap",
            "_TestPool.test_imap_handle_iterable_exception",
            "_TestPool.test_imap_unordered_handle_iterable_exception",
            "_TestPool.test_make_pool",
            "_TestPool.test_terminate",
            "_TestPool.test_empty_iterable",
            "_TestPool.test_traceback",
            "_TestPool.test_wrapped_exception",
            "_TestPool.test_release_task_refs",
            "_TestPool.test_resource_warning",
            "_TestPoolWorkerErrors.test_async_error_callback",
            "_TestPoolWorkerErrors.test_unpickleable_result",
            "_TestPoolWorkerLifetime.test_pool_worker_lifetime",
            "_TestPoolWorkerLifetime.test_pool_worker_lifetime_early_close",
            "_TestPoolWorkerLifetime.test_worker_finalization_via_atexit_handler_of_multiprocessing",
            "TestStdinBadfiledescriptor.test_pool_in_process",
            "TestPoolNotLeakOnFailure.test_release_unused_processes",
            "MiscTestCase.test_large_pool",
        ],
    ),
    ("Lock", &["_TestLock.test_lock", "_TestLock.test_lock_context"]),
    ("RLock", &["_TestLock.test_rlock"]),
    ("Semaphore", &["_TestSemaphore.test_semaphore", "_TestSemaphore.test_timeout"]),
    ("BoundedSemaphore", &["_TestSemaphore.test_bounded_semaphore"]),
    (
        "Condition",
        &[
            "_TestCondition.test_notify",
            "_TestCondition.test_notify_all",
            "_TestCondition.test_notify_n",
            "_TestCondition.test_waitfor",
            "_TestCondition.test_waitfor_timeout",
            "_TestCondition.test_wait_result",
        ],
    ),
    ("Event", &["_TestEvent.test_event", "_TestEvent.test_repr"]),
    (
        "Barrier",
        &[
            "_TestBarrier.test_barrier",
            "_TestBarrier.test_barrier_10",
            "_TestBarrier.test_wait_return",
            "_TestBarrier.test_action",
            "_TestBarrier.test_abort",
            "_TestBarrier.test_reset",
            "_TestBarrier.test_abort_and_reset",
            "_TestBarrier.test_timeout",
            "_TestBarrier.test_thousand",
        ],
    ),
    (
        "Value",
        &[
            "_TestValue.test_value",
            "_TestValue.test_rawvalue",
            "_TestSharedCTypes.test_sharedctypes",
            "_TestSharedCTypes.test_synchronize",
            "_TestSharedCTypes.test_copy",
        ],
    ),
    ("Array", &["_TestArray.test_array", "_TestArray.test_array_from_size", "_TestArray.test_rawarray"]),
    ("Heap", &["_TestHeap.test_heap", "_TestHeap.test_free_from_gc"]),
    (
        "SharedMemory",
        &[
            "_TestSharedMemory.test_shared_memory_name_with_embedded_null",
            "_TestSharedMemory.test_shared_memory_basics",
            "_TestSharedMemory.test_invalid_shared_memory_creation",
            "_TestSharedMemory.test_shared_memory_pickle_unpickle",
            "_TestSharedMemory.test_shared_memory_pickle_unpickle_dead_object",
            "_TestSharedMemory.test_shared_memory_across_processes",
        ],
    ),
    (
        "SharedMemoryManager",
        &[
            "_TestSharedMemory.test_shared_memory_SharedMemoryServer_ignores_sigint",
            "_TestSharedMemory.test_shared_memory_SharedMemoryManager_basics",
        ],
    ),
    (
        "Manager containers",
        &[
            "_TestContainers.test_list",
            "_TestContainers.test_list_proxy_in_list",
            "_TestContainers.test_dict_iter",
            "_TestContainers.test_dict_proxy_nested",
            "_TestContainers.test_nested_queue",
            "_TestContainers.test_namespace",
        ],
    ),
    (
        "Manager custom/remote",
        &[
            "_TestMyManager.test_mymanager",
            "_TestMyManager.test_mymanager_context_prestarted",
            "_TestRemoteManager.test_remote",
            "_TestManagerRestart.test_rapid_restart",
            "TestInitializers.test_manager_initializer",
        ],
    ),
    (
        "Manager sync types",
        &[
            "TestSyncManagerTypes.test_event",
            "TestSyncManagerTypes.test_lock",
            "TestSyncManagerTypes.test_semaphore",
            "TestSyncManagerTypes.test_condition",
            "TestSyncManagerTypes.test_barrier",
            "TestSyncManagerTypes.test_queue",
            "TestSyncManagerTypes.test_joinable_queue",
            "TestSyncManagerTypes.test_pool",
            "TestSyncManagerTypes.test_list",
            "TestSyncManagerTypes.test_dict",
            "TestSyncManagerTypes.test_value",
            "TestSyncManagerTypes.test_namespace",
        ],
    ),
    (
        "ShareableList",
        &[
            "_TestSharedMemory.test_shared_memory_ShareableList_basics",
            "_TestSharedMemory.test_shared_memory_ShareableList_pickling_dead_object",
        ],
    ),
    (
        "resource tracker",
        &[
            "_TestSharedMemory.test_shared_memory_cleaned_after_process_termination",
            "_TestSharedMemory.test_shared_memory_untracking",
            "_TestSharedMemory.test_shared_memory_tracking",
            "TestResourceTracker.test_resource_tracker",
            "TestResourceTracker.test_resource_tracker_sigint",
            "TestResourceTracker.test_resource_tracker_reused",
            "TestResourceTracker.test_too_long_name_resource",
            "TestResourceTracker.test_resource_tracker_exit_code",
            "FailingInitializerResourcesTest.test_spawn",
            "FailingInitializerResourcesTest.test_forkserver",
        ],
    ),
    (
        "Queue",
        &[
            "_TestQueue.test_put",
            "_TestQueue.test_get",
            "_TestQueue.test_fork",
            "_TestQueue.test_qsize",
            "_TestQueue.test_timeout",
            "_TestQueue.test_closed_queue_empty_exceptions",
            "_TestQueue.test_closed_queue_put_get_exceptions",
            "TestStdinBadfiledescriptor.test_queue_in_process",
        ],
    ),
    ("JoinableQueue", &["_TestQueue.test_task_done"]),
    (
        "SimpleQueue",
        &[
            "TestSimpleQueue.test_empty_exceptions",
            "TestSimpleQueue.test_empty",
            "TestSimpleQueue.test_closed",
        ],
    ),
    ("Finalize", &["_TestFinalize.test_finalize", "_TestFinalize.test_thread_safety"]),
    ("logging", &["_TestLogging.test_enable_logging", "_TestLogging.test_filename"]),
    (
        "Connection/Pipe",
        &[
            "_TestConnection.test_connection",
            "_TestConnection.test_duplex_false",
            "_TestConnection.test_spawn_close",
            "_TestConnection.test_fd_transfer",
            "_TestConnection.test_large_fd_transfer",
            "_TestConnection.test_missing_fd_transfer",
            "_TestConnection.test_context",
            "_TestPoll.test_empty_string",
            "_TestPoll.test_boundaries",
            "_TestPicklingConnections.test_pickling",
            "_TestPicklingConnections.test_access",
            "TestInvalidHandle.test_invalid_handles",
            "TestIgnoreEINTR.test_ignore",
        ],
    ),
    (
        "Listener/Client",
        &[
            "_TestListener.test_multiple_bind",
            "_TestListener.test_context",
            "_TestListener.test_abstract_socket",
            "_TestListenerClient.test_listener_client",
            "_TestListenerClient.test_issue14725",
            "TestInvalidFamily.test_invalid_family",
            "TestInvalidFamily.test_invalid_family_win32",
            "TestIgnoreEINTR.test_ignore_listener",
        ],
    ),
    (
        "wait()",
        &[
            "TestWait.test_wait",
            "TestWait.test_wait_socket",
            "TestWait.test_wait_slow",
            "TestWait.test_wait_socket_slow",
            "TestWait.test_wait_integer",
            "TestWait.test_neg_timeout",
        ],
    ),
    (
        "authentication",
        &["OtherTest.test_deliver_challenge_auth_failure", "OtherTest.test_answer_challenge_auth_failure"],
    ),
    (
        "executor",
        &[
            "ExecutorTest.test_submit",
            "ExecutorTest.test_submit_keyword",
            "ExecutorTest.test_map",
            "ExecutorTest.test_map_exception",
            "ExecutorTest.test_map_timeout",
            "ExecutorTest.test_shutdown_race_issue12456",
            "ExecutorTest.test_no_stale_references",
            "ExecutorTest.test_free_reference",
            "InitializerMixin.test_initializer",
            "ProcessPoolExecutorTest.test_max_workers_too_large",
            "ProcessPoolExecutorTest.test_traceback",
            "ProcessPoolExecutorTest.test_saturation",
            "ProcessPoolExecutorTest.test_idle_process_reuse_multiple",
            "ProcessPoolExecutorTest.test_max_tasks_per_child",
            "ProcessPoolExecutorTest.test_max_tasks_early_shutdown",
            "ThreadPoolExecutorTest.test_map_submits_without_iteration",
            "ThreadPoolExecutorTest.test_default_workers",
            "ThreadPoolExecutorTest.test_saturation",
            "ThreadPoolExecutorTest.test_idle_thread_reuse",
            "ThreadPoolExecutorTest.test_hang_global_shutdown_lock",
            "ThreadPoolExecutorTest.test_executor_map_current_future_cancel",
        ],
    ),
    (
        "executor shutdown",
        &[
            "ExecutorShutdownTest.test_run_after_shutdown",
            "ExecutorShutdownTest.test_interpreter_shutdown",
            "ExecutorShutdownTest.test_submit_after_interpreter_shutdown",
            "ExecutorShutdownTest.test_hang_issue12364",
            "ExecutorShutdownTest.test_cancel_futures",
            "ExecutorShutdownTest.test_hang_gh83386",
            "ExecutorShutdownTest.test_hang_gh94440",
            "ThreadPoolShutdownTest.test_threads_terminate",
            "ThreadPoolShutdownTest.test_context_manager_shutdown",
            "ThreadPoolShutdownTest.test_del_shutdown",
            "ThreadPoolShutdownTest.test_thread_names_assigned",
            "ThreadPoolShutdownTest.test_thread_names_default",
            "ProcessPoolShutdownTest.test_processes_terminate",
            "ProcessPoolShutdownTest.test_context_manager_shutdown",
        ],
    ),
    (
        "executor crash/deadlock",
        &[
            "ExecutorDeadlockTest.test_error_at_task_pickle",
            "ExecutorDeadlockTest.test_error_at_task_unpickle",
            "ExecutorDeadlockTest.test_crash_at_task_unpickle",
            "ExecutorDeadlockTest.test_crash_during_func_exec_on_worker",
            "ExecutorDeadlockTest.test_exit_during_func_exec_on_worker",
            "ExecutorDeadlockTest.test_error_during_func_exec_on_worker",
            "ExecutorDeadlockTest.test_crash_during_result_pickle_on_worker",
            "ExecutorDeadlockTest.test_exit_during_result_pickle_on_worker",
            "ExecutorDeadlockTest.test_error_during_result_pickle_on_worker",
            "ExecutorDeadlockTest.test_error_during_result_unpickle_in_result_handler",
            "ExecutorDeadlockTest.test_shutdown_deadlock",
            "ExecutorDeadlockTest.test_crash_big_data",
            "ExecutorDeadlockTest.test_gh105829_should_not_deadlock_if_wakeup_pipe_full",
            "FailingInitializerMixin.test_initializer",
            "ProcessPoolExecutorTest.test_killed_child",
        ],
    ),
    (
        "future",
        &[
            "FutureTests.test_done_callback_with_result",
            "FutureTests.test_done_callback_with_exception",
            "FutureTests.test_done_callback_with_cancel",
            "FutureTests.test_done_callback_raises",
            "FutureTests.test_done_callback_already_successful",
            "FutureTests.test_done_callback_already_failed",
            "FutureTests.test_done_callback_already_cancelled",
            "FutureTests.test_done_callback_raises_already_succeeded",
            "FutureTests.test_repr",
            "FutureTests.test_cancel",
            "FutureTests.test_cancelled",
            "FutureTests.test_done",
            "FutureTests.test_result_with_timeout",
            "FutureTests.test_exception_with_timeout",
            "FutureTests.test_exception_with_success",
            "FutureTests.test_multiple_set_result",
        ],
    ),
    (
        "as_completed",
        &[
            "AsCompletedTests.test_future_times_out",
            "AsCompletedTests.test_duplicate_futures",
            "AsCompletedTests.test_free_reference_yielded_future",
            "AsCompletedTests.test_correct_timeout_exception_msg",
        ],
    ),
    (
        "wait",
        &[
            "WaitTests.test_first_completed",
            "WaitTests.test_first_completed_some_already_completed",
            "WaitTests.test_first_exception",
            "WaitTests.test_first_exception_some_already_complete",
            "WaitTests.test_first_exception_one_already_failed",
            "WaitTests.test_all_completed",
            "ThreadPoolWaitTests.test_pending_calls_race",
        ],
    ),
];

/// A row of a table.
struct Row {
    section: String,
    /// What is tested there.
    subject: String,
    /// What is said of it here.
    here: String,
}

impl Row {
    /// The names of tests in it.
    fn tests(&self) -> impl Iterator<Item = &str> {
        self.here.split('`').skip(1).step_by(2).filter(|name| name.contains("::"))
    }
}

/// The tests that the table of peers names.
fn of_the_peers() -> Vec<&'static str> {
    let names = include_str!("../docs/hangs.md").split('`').skip(1).step_by(2);
    names.filter(|name| name.starts_with("hangs::")).collect()
}

fn rows() -> Vec<Row> {
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in include_str!("parity.md").lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.to_owned();
        }
        if let Some(cells) = line.strip_prefix("| `").and_then(|line| line.strip_suffix(" |")) {
            let cells: Vec<&str> = cells.split(" | ").collect();
            let [subject, _, here] = cells[..] else { panic!("three cells are wanted: {line}") };
            let (section, subject) = (section.clone(), subject.trim_end_matches('`').to_owned());
            rows.push(Row { section, subject, here: here.to_owned() });
        }
    }
    rows
}

/// The sources, by the path of their module: `conformance::map`, `pool_process::hub`.
fn sources() -> BTreeMap<String, String> {
    fn collect(folder: &Path, module: &str, sources: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let inner = |name: &str| match module {
                "" => name.to_owned(),
                _ => format!("{module}::{name}"),
            };
            if path.is_dir() {
                collect(&path, &inner(&name), sources);
            } else if let Some(name) = name.strip_suffix(".rs") {
                let module = if ["main", "lib", "mod"].contains(&name) { module.into() } else { inner(name) };
                sources.insert(module, fs::read_to_string(path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = BTreeMap::new();
    collect(&root.join("tests"), "", &mut sources);
    for package in ["pool-core", "pool-thread", "pool-ipc", "pool-process", "pool-shared", "pool-futures"] {
        collect(&root.join(package).join("src"), &package.replace('-', "_"), &mut sources);
    }
    sources
}

/// Whether the source has a test of this name: marked as one, or in a list that a macro makes tests of.
fn has_test(source: &str, test: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let defined = line
            .split_once("fn ")
            .and_then(|(_, rest)| rest.strip_prefix(test))
            .is_some_and(|rest| rest.starts_with(['(', '<']));
        let marked = || lines[..at].iter().rev().take_while(|line| line.starts_with('#'));
        let listed = || lines.iter().any(|line| line.split(',').any(|name| name.trim() == test));
        defined && (marked().any(|line| *line == "#[test]") || listed())
    })
}

/// Whether this is a test: in the longest module of which the name is a part.
fn exists(name: &str, sources: &BTreeMap<String, String>) -> bool {
    let Some((mut module, test)) = name.rsplit_once("::") else { return false };
    let mut within = Vec::new();
    loop {
        if let Some(source) = sources.get(module) {
            let has_module = |name: &&str| source.contains(&format!("mod {name} {{"));
            return within.iter().all(has_module) && has_test(source, test);
        }
        let Some((outer, inner)) = module.rsplit_once("::") else { return false };
        within.push(inner);
        module = outer;
    }
}

#[test]
fn every_behaviour_has_a_row_in_its_section() {
    let rows = rows();
    for (section, tests) in ROWS {
        for test in *tests {
            let found = rows.iter().filter(|row| row.section == *section && row.subject == *test).count();
            assert_eq!(found, 1, "{test} in the section {section}");
        }
    }
}

#[test]
fn every_row_names_a_test_or_says_why_it_has_none() {
    for row in rows() {
        let reason = row.here.strip_prefix("none: ").is_some_and(|reason| reason.len() > 10);
        let tested = row.tests().next().is_some();
        assert!(tested || reason, "{}: {}", row.subject, row.here);
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let sources = sources();
    for row in rows() {
        for name in row.tests() {
            let found = exists(name, &sources) || exists(&format!("conformance::{name}"), &sources);
            assert!(found, "{}: there is no test {name}", row.subject);
        }
    }
    assert_eq!(of_the_peers().len(), 9, "one for each row");
    for name in of_the_peers() {
        assert!(exists(name, &sources), "docs/hangs.md: there is no test {name}");
    }
}

/// The checker sees what is there and what is not.
#[test]
fn a_test_is_found_by_its_path() {
    let sources = sources();
    for name in ["parity::a_test_is_found_by_its_path", "conformance::map::map_over_nothing_gives_nothing"] {
        assert!(exists(name, &sources), "{name}");
    }
    assert!(exists("pool_core::error::tests::is_one_pointer", &sources));
    for name in ["parity::exists", "parity::tests::a_test_is_found_by_its_path", "map::no_such_test"] {
        assert!(!exists(name, &sources), "{name}");
    }
}
