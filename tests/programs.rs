//! Programs of users, built as they build them: one that works, and those that must not compile.
//!
//! Each is a program of a small package that depends on this one. That a function captures nothing is
//! checked when it is instantiated, which `cargo check` does not do, so they are built in earnest: all
//! by one call of cargo, which says of each what was wrong with it.

#![cfg(all(feature = "process", feature = "thread"))]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use support::guarded;

/// Whole programs, or what stands in a `main` after a process pool `pool` was made.
const PROGRAMS: [(&str, &str); 9] = [
    ("quickstart", include_str!("../examples/quickstart.rs")),
    ("capture", "let factor = 3u64; let _ = pool.map(move |x: u64| x * factor, 0..10u64);"),
    ("capture_by_reference", "let table = vec![1u64]; let _ = pool.map(|x: usize| table[x], [0usize]);"),
    (
        "capture_in_star",
        "let k = 3u64; let _ = pool.starmap(move |a: u64, b: u64| a * b * k, [(1u64, 2u64)]);",
    ),
    (
        "capture_in_with",
        "let k = 3u64; let _ = pool.map(with(1u64, move |c: &u64, x: u64| c * x * k), 0..10u64);",
    ),
    ("function_pointer", "let f: fn(u64) -> u64 = |x| x; let _ = pool.map(f, 0..10u64);"),
    ("rc_argument", "let _ = pool.apply(|x: std::rc::Rc<u64>| *x, std::rc::Rc::new(1u64));"),
    ("rc_result", "let _ = pool.apply(|x: u64| std::rc::Rc::new(x), 1);"),
    (
        "borrowed_item",
        "let text = String::from(\"a b\"); let _ = pool.map(|x: &str| x.len(), text.split(' '));",
    ),
];

/// What cargo said of each program that it could not build.
struct Built {
    errors: BTreeMap<String, String>,
    folder: PathBuf,
}

static BUILT: LazyLock<Built> = LazyLock::new(build);

fn build() -> Built {
    let root = env!("CARGO_MANIFEST_DIR");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("programs");
    fs::create_dir_all(folder.join("src/bin")).unwrap();
    let write = |path: &str, text: &str| {
        // An unchanged file is left alone, so that cargo has nothing to do the second time.
        let path = folder.join(path);
        if fs::read_to_string(&path).ok().as_deref() != Some(text) {
            fs::write(path, text).unwrap();
        }
    };
    write(
        "Cargo.toml",
        &format!(
            "[package]\nname = \"programs\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
             [dependencies]\npool = {{ path = {root:?} }}\n\n[workspace]\n"
        ),
    );
    write("Cargo.lock", &fs::read_to_string(format!("{root}/Cargo.lock")).unwrap());
    for (name, text) in PROGRAMS {
        let program = match text.contains("fn main") {
            true => text.to_owned(),
            false => format!(
                "#![allow(unused_imports)]\nuse pool::{{Pool, ProcessPool, star, with}};\n\n\
                 fn main() {{\n    let pool = ProcessPool::new(1).unwrap();\n    {text}\n}}\n"
            ),
        };
        write(&format!("src/bin/{name}.rs"), &program);
    }
    let output = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--bins", "--keep-going", "--message-format=json", "--quiet"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output()
        .unwrap();
    let mut errors = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        if message["message"]["level"] == "error" {
            let program = message["target"]["name"].as_str().unwrap().to_owned();
            let text = message["message"]["rendered"].as_str().unwrap();
            errors.entry(program).or_insert_with(String::new).push_str(text);
        }
    }
    assert!(!errors.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Built { errors, folder }
}

#[track_caller]
fn does_not_compile(program: &str, because: &[&str]) {
    let errors = BUILT.errors.get(program).unwrap_or_else(|| panic!("`{program}` compiles"));
    for text in because {
        assert!(errors.contains(text), "no word of {text:?} in:\n{errors}");
    }
}

#[test]
fn the_quick_start_works_in_a_program() {
    assert_eq!(BUILT.errors.get("quickstart"), None);
    let program =
        BUILT.folder.join("target/debug/quickstart").with_extension(std::env::consts::EXE_EXTENSION);
    let output = guarded(|| Command::new(program).output().unwrap());
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("Some(1)\nSome(2)\nNone\n10\n"), "{output:?}");
}

#[test]
fn a_capturing_closure_is_refused_and_told_of_with() {
    for program in ["capture", "capture_by_reference", "capture_in_star", "capture_in_with"] {
        does_not_compile(program, &[]);
    }
    does_not_compile("capture", &["must capture nothing", "`with(context, |context, x| ..)`"]);
    does_not_compile("capture_in_star", &["must capture nothing", "with("]);
    does_not_compile("capture_in_with", &["must capture nothing"]);
}

#[test]
fn a_function_pointer_is_refused() {
    does_not_compile("function_pointer", &["pass a `fn` item rather than a `fn` pointer"]);
}

#[test]
fn an_rc_is_refused() {
    does_not_compile("rc_argument", &["Rc<u64>"]);
    does_not_compile("rc_result", &["Rc<u64>"]);
}

#[test]
fn a_borrowed_item_is_refused() {
    does_not_compile("borrowed_item", &["&str"]);
}
