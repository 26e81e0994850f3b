//! The contract with the operating system. One folder per system fills it:
//!
//! | module    | verbs |
//! |-----------|-------|
//! | `futex`   | `wait`, `wake`, and both for the low half of a word, `wait_for_any`, `add_and_wake`, `set_and_wake`: sleep on shared memory while it has a value |
//! | `life`    | `begin`, `is_over`, `expected`: a word that tells of a thread's end before its process has ended, and wakes who sleeps on it |
//! | `memory`  | `segment`, `freeze`, `is_fixed`, `is_unwritable`, `mark`, `is_marked`, `open_of`, `read_only`, `allocated`, `give_back`, `reserve_bytes`, `growing`, `sealed` |
//! | `process` | `spawn_self`, `fork`, `fork_sibling`, `signal`, `reap`, `open_handle`: children, held so that ids are never confused; `started`, `exists`: whether somebody still runs |
//! | `image`   | `main_image`, `later_constructors`: where the program's code lies |
//! | `born`    | `settle_in`, `close_all_but`, `close_own`, `deaden`: what a fresh child does before anything else |
//! | `setting` | `apply`: what a child has otherwise than its starter |
//! | `limits`  | `explain`: what this process may have |
//! | `core`    | `current_core`, `leave_core`, `bring`, `roam`: where a thread runs |
//! | `socket`  | `pair`, `send`, `receive`: messages with descriptors; `stream_pair`, `send_some`, `receive_some`: streams of bytes |
//! | `named_socket` | `listen`, `accept`, `connect`: sockets that are found by a name |
//! | `events`  | `Poll`, `Alarm`, `readable`, `readable_of`, `writable`, `is_over`: wait for many handles at once, or for one |
//! | `exit`    | `at_exit`, `heed_interrupts`, `ignore_interrupts`, `random`: the end of this process, and a secret for it |

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::*;

#[cfg(not(target_os = "linux"))]
compile_error!("pool-ipc has no `sys` for this system yet; see the table in pool-ipc/src/sys/mod.rs");
