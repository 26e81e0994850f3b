//! Longer texts, from the folder `docs` of the repository. Their programs are tested.

#[doc = include_str!("../docs/from-python.md")]
#[cfg(all(
    feature = "thread",
    feature = "process",
    feature = "log",
    feature = "futures",
    feature = "manager"
))]
pub mod from_python {}

#[doc = include_str!("../docs/life-of-a-task.md")]
#[cfg(feature = "process")]
pub mod life_of_a_task {}

#[doc = include_str!("../docs/first-steps.md")]
#[cfg(feature = "process")]
pub mod first_steps {}
