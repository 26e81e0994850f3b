//! What the program wants to hear of its workers.

use std::sync::Arc;

use pool_core::{Exit, Worker};

use crate::hub::News;

type OnStart = Arc<dyn Fn(&Worker) + Send + Sync>;
type OnExit = Arc<dyn Fn(&Worker, Exit) + Send + Sync>;

#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) on_start: Option<OnStart>,
    pub(crate) on_exit: Option<OnExit>,
}

impl Hooks {
    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        self.on_start.is_some() || self.on_exit.is_some()
    }

    /// Has `run` call whoever wants to hear of it, on a thread where callbacks run and their panics are
    /// caught.
    pub(crate) fn call(&self, news: News, run: impl FnOnce(Box<dyn FnOnce() + Send>)) {
        match news {
            News::Started(worker) => {
                if let Some(hook) = self.on_start.clone() {
                    run(Box::new(move || hook(&worker)));
                }
            }
            News::Ended(worker, exit) => {
                if let Some(hook) = self.on_exit.clone() {
                    run(Box::new(move || hook(&worker, exit)));
                }
            }
        }
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks")
            .field("on_start", &self.on_start.is_some())
            .field("on_exit", &self.on_exit.is_some())
            .finish()
    }
}
