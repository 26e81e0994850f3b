//! `docs/from-python.md` has every public name of Python's modules, and none that is not there. Asked is the Python of
//! this machine; where there is none, nothing is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

type Names = BTreeMap<String, BTreeSet<String>>;

/// Prints `HEADING NAME` for each name under each heading that it is given: those in `__all__` of a module, and the
/// public attributes of a class, or of what a function of that name makes.
const SCRIPT: &str = r#"
import importlib, inspect, sys
import multiprocessing, multiprocessing.pool, multiprocessing.managers, multiprocessing.connection
import multiprocessing.dummy, multiprocessing.sharedctypes, multiprocessing.shared_memory, concurrent.futures
made = {"Barrier": (2,)}
for path in sys.argv[1:]:
    try:
        thing = importlib.import_module(path)
        names = thing.__all__
    except ImportError:
        module, name = path.rsplit(".", 1)
        thing = getattr(importlib.import_module(module), name)
        if not inspect.isclass(thing):
            thing = type(thing(*made.get(name, ())))
        names = [name for name in dir(thing) if not name.startswith("_")]
        if path.endswith((".Lock", ".Semaphore", ".Condition", ".Synchronized")):
            # Bound when it is made.
            names += ["acquire", "release"]
        if path == "multiprocessing.Process":
            names.append("pid")
    for name in set(names):
        print(path, name)
"#;

/// The names in the first cells of the tables, by the heading before them.
fn documented() -> Names {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/from-python.md")).unwrap();
    let mut names = Names::new();
    for section in text.split("\n## `").skip(1) {
        let (heading, section) = section.split_once('`').unwrap();
        let of = names.entry(heading.to_owned()).or_default();
        for cell in section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next()) {
            for name in cell.trim_end_matches('`').split("`, `") {
                assert!(of.insert(name.to_owned()), "{heading}.{name} is there twice");
            }
        }
    }
    names
}

fn pythons(headings: &Names) -> Option<Names> {
    let output = Command::new("python3").arg("-c").arg(SCRIPT).args(headings.keys()).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut names = Names::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (heading, name) = line.split_once(' ').unwrap();
        names.entry(heading.to_owned()).or_default().insert(name.to_owned());
    }
    Some(names)
}

#[test]
fn every_public_name_of_python_is_on_the_page() {
    let documented = documented();
    assert!(documented.len() > 20, "{documented:?}");
    let Some(pythons) = pythons(&documented) else { return println!("there is no python3 here") };
    for (heading, names) in &pythons {
        // Versions differ: what another Python has besides is no error.
        let missing: Vec<_> = names.difference(&documented[heading]).collect();
        assert!(missing.is_empty(), "{heading}: {missing:?} are not on the page");
    }
    let all: usize = documented.values().map(BTreeSet::len).sum();
    let unknown: Vec<String> = documented
        .iter()
        .flat_map(|(heading, names)| {
            names.difference(&pythons[heading]).map(move |name| format!("{heading}.{name}"))
        })
        .collect();
    println!("{all} names on the page; not in this Python: {unknown:?}");
    // Those that other versions of Python have.
    assert!(unknown.len() <= 8, "not in this Python: {unknown:?}");
}
