//! Longer texts, from the folder `docs` of the repository. Their programs are tested.

// It names what there is with all features.
#[cfg_attr(
    all(feature = "thread", feature = "process", feature = "log", feature = "futures", feature = "manager"),
    doc = include_str!("../docs/from-python.md")
)]
pub mod from_python {}

#[cfg_attr(feature = "process", doc = include_str!("../docs/life-of-a-task.md"))]
pub mod life_of_a_task {}

#[cfg_attr(feature = "process", doc = include_str!("../docs/first-steps.md"))]
pub mod first_steps {}
