//! pool-thread
