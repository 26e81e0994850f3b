//! The options of a call, and the view of a pool that carries them.

use std::sync::Arc;

use crate::backend::{AnyPool, Backend};
use crate::error::{Error, ErrorKind, Result};
use crate::work::Limits;

/// How a pool's calls are made. `None` and 0 mean the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Options {
    /// Items per task; see [`Pool::chunk_size`](crate::Pool::chunk_size).
    pub chunk_size: Option<usize>,
    /// Items that `imap` may hold; see [`Pool::window`](crate::Pool::window).
    pub window: Option<usize>,
    /// What concerns each task.
    pub limits: Limits,
}

impl Options {
    /// Chunk size of a call that gathers everything. Python's rule: about four chunks per worker, so
    /// that workers which are done early find another chunk; but none larger than a core's cache likes,
    /// so that it is still there when the worker reads it.
    pub(crate) fn map_chunk<A>(&self, items: usize, workers: usize) -> Result<usize> {
        match self.chunk_size {
            Some(0) => Err(zero("chunk_size")),
            Some(size) => Ok(size),
            None => {
                let cached = (CACHED / size_of::<A>().max(1)).max(1);
                Ok(items.div_ceil(workers.max(1) * 4).clamp(1, cached))
            }
        }
    }

    /// Chunk size and window, both in items, of a call that streams. One item per task, as Python;
    /// a window of 64 items per worker, or of 8 chunks, keeps tiny tasks flowing and an endless input small.
    pub(crate) fn stream(&self, workers: usize) -> Result<(usize, usize)> {
        let chunk = match self.chunk_size {
            Some(0) => return Err(zero("chunk_size")),
            other => other.unwrap_or(1),
        };
        let window = match self.window {
            Some(0) => return Err(zero("window")),
            Some(window) => window,
            None => (chunk.saturating_mul(8).max(64)).saturating_mul(workers.max(1)),
        };
        Ok((chunk.min(window), window))
    }
}

/// The most bytes of items that a chunk has by default.
const CACHED: usize = 256 << 10;

fn zero(what: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{what} is 0; it must be at least 1"))
}

/// A pool seen with options: it has the same methods, and each call made through it uses them.
///
/// ```
/// # use pool_core::Pool;
/// # use std::time::Duration;
/// # fn lengths<P: Pool>(pool: &P, lines: Vec<String>) -> pool_core::Result<Vec<usize>> {
/// pool.chunk_size(64).timeout(Duration::from_secs(5)).map(|line: String| line.len(), lines)
/// # }
/// ```
#[derive(Clone)]
pub struct View {
    backend: Arc<dyn Backend>,
    options: Options,
}

impl View {
    /// The pool, or view, with one more option.
    pub(crate) fn of<P: AnyPool + ?Sized>(pool: &P, set: impl FnOnce(&mut Options)) -> View {
        let mut options = pool.options();
        set(&mut options);
        View { backend: pool.backend().clone(), options }
    }
}

impl AnyPool for View {
    fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    fn options(&self) -> Options {
        self.options
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("options", &self.options).finish_non_exhaustive()
    }
}
