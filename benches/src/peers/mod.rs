//! What others reach with the same work: the ground other process pools stand on, and the thread
//! pools in use; and CPython's `multiprocessing`.

pub mod cpython;
pub mod ipc_channel;
pub mod procspawn;
pub mod rayon;
pub mod rusty_pool;
pub mod threadpool;
