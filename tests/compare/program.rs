//! The program on small folders: its results, its messages and its exit statuses.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// A run takes well under a second; a busy machine is given time, a hang is not.
const WATCHDOG: Duration = Duration::from_secs(120);

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn compare(path: &Path, options: &[&str]) -> Ended {
    run(program().arg(path).args(options))
}

/// `cargo test` builds the examples too, beside the folder that this test is in; `cargo test --test`
/// builds only the test.
fn program() -> Command {
    let test = std::env::current_exe().expect("this test has a path");
    let target = test.parent().and_then(Path::parent).expect("it is in target/<profile>/deps");
    let path = target.join("examples").join(format!("compare{}", std::env::consts::EXE_SUFFIX));
    let hint = "run `cargo build --example compare` first, or all tests";
    assert!(path.exists(), "{} is missing: {hint}", path.display());
    Command::new(path)
}

/// Runs to the end of both outputs, which is when the program and all of its workers are gone.
fn run(command: &mut Command) -> Ended {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let out = read_to_end(child.stdout.take().expect("piped"));
    let err = read_to_end(child.stderr.take().expect("piped"));
    let out = within(&out, &mut child);
    let err = within(&err, &mut child);
    let code = child.wait().expect("the program can be waited for").code();
    Ended { code, out, err }
}

fn read_to_end(mut from: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        send.send(bytes)
    });
    receive
}

fn within(output: &mpsc::Receiver<Vec<u8>>, child: &mut Child) -> String {
    match output.recv_timeout(WATCHDOG) {
        Ok(bytes) => String::from_utf8(bytes).expect("the output is UTF-8, whatever the file names are"),
        Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the program, or a worker of it, was still there after {WATCHDOG:?}");
        }
    }
}

/// Text, bytes that are no text, an empty file, one longer than a piece, and one in a sub-folder.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let write = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).expect("written");
    write("text.txt", b"one two\nthree four\n");
    write("bytes.bin", b"five\xff\xfe\x00 \xc3\x28six");
    write("empty", b"");
    write("long.txt", &b"0123456 8\n".repeat(60_000));
    fs::create_dir(folder.path().join("sub")).expect("a sub-folder");
    write("sub/more.txt", b"seven");
    folder
}

fn quick_json(path: &Path, more: &[&str]) -> (Value, Ended) {
    let ended =
        compare(path, &[&["--json", "--rounds", "2", "--repeats", "2", "--workers", "2"], more].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let document = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (document, ended)
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("an array: {value}"))
}

fn refused(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(ended.out, "", "a refusal goes to standard error");
    for word in words {
        assert!(ended.err.contains(word), "{word:?} is not in {:?}", ended.err);
    }
}

#[test]
fn json_has_all_workloads_all_ways_and_one_result() {
    let folder = folder();
    let (document, ended) = quick_json(folder.path(), &[]);
    assert_eq!(ended.err, "", "no progress bar where there is no terminal");
    assert_eq!(document["workers"], 2);
    assert_eq!(document["input"]["found"]["files"], 4, "an empty file is no input");
    assert_eq!(document["input"]["taken"]["bytes"], 600_000 + 19 + 13 + 5);
    assert_eq!(document["input"]["taken"]["pieces"], 3 + 3, "600 000 bytes are three pieces");

    let workloads = array(&document["workloads"]);
    assert_eq!(workloads.iter().map(|one| &one["workload"]).collect::<Vec<_>>(), ["cpu", "io", "mixed"]);
    for workload in workloads {
        let ways = array(&workload["ways"]);
        assert_eq!(
            ways.iter().map(|way| &way["way"]).collect::<Vec<_>>(),
            ["serial", "threads", "processes"]
        );
        assert_eq!(workload["same_result"], true);
        assert_eq!(workload["items"], 6);
        assert_eq!(ways[0]["speed_up"], 1.0);
        for way in ways {
            assert_eq!(way["result"], ways[0]["result"]);
            assert!(way["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{way}");
            assert!(way["items_per_second"].as_f64().is_some_and(|items| items > 0.0), "{way}");
        }
        assert!(workload["suits"].is_string() && workload["why"].is_string(), "{workload}");
    }
}

#[test]
fn results_are_those_of_the_files() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("a"), "let x = x1;\nlet y;\n").expect("written");
    fs::write(folder.path().join("b"), b"let \xff_z 9z").expect("written");
    let (document, _) = quick_json(folder.path(), &[]);
    let result = |index: usize| document["workloads"][index]["ways"][2]["result"].as_str().unwrap_or("");
    assert!(result(0).starts_with("9 words, 3 lines, "), "{}", result(0));
    assert!(result(1).starts_with("2 pages of 29 bytes in all, "), "{}", result(1));
    let mixed = "7 identifiers, 5 different, most often let _z x x1 y; longest line 11 bytes";
    assert_eq!(result(2), mixed);
}

#[test]
fn a_single_file_is_enough() {
    let folder = folder();
    let (document, _) = quick_json(&folder.path().join("text.txt"), &["--workload", "mixed"]);
    assert_eq!(document["input"]["taken"]["files"], 1);
    assert_eq!(array(&document["workloads"]).len(), 1);
    assert_eq!(document["workloads"][0]["workload"], "mixed");
}

#[test]
fn the_limit_cuts_within_a_file() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("a"), vec![b'a'; 700 << 10]).expect("written");
    fs::write(folder.path().join("b"), vec![b'b'; 700 << 10]).expect("written");
    fs::write(folder.path().join("c"), vec![b'c'; 700 << 10]).expect("written");
    let (document, _) = quick_json(folder.path(), &["--limit", "1", "--workload", "mixed"]);
    assert_eq!(document["input"]["found"]["bytes"], 2100 << 10);
    assert_eq!(document["input"]["taken"]["bytes"], 1 << 20);
    assert_eq!(document["input"]["taken"]["files"], 2);
}

#[test]
fn the_table_names_every_way_and_the_verdict() {
    let folder = folder();
    let ended = compare(folder.path(), &["--rounds", "1", "--repeats", "1", "--workers", "2"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let folder = folder.path().display().to_string();
    for word in [&folder, "found 4 files", "\ncpu: ", "\nio: ", "\nmixed: ", "  suits ", "all three gave"] {
        assert!(ended.out.contains(word), "{word:?} is not in {}", ended.out);
    }
    for way in ["\n  serial ", "\n  threads ", "\n  processes "] {
        assert_eq!(ended.out.matches(way).count(), 3, "{}", ended.out);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_is_a_name() {
    use std::os::unix::ffi::OsStrExt;
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join(OsStr::from_bytes(b"n\xffme")), "some words").expect("written");
    let (document, _) = quick_json(folder.path(), &[]);
    assert_eq!(document["input"]["taken"]["files"], 1);
    assert_eq!(array(&document["workloads"]).len(), 3);
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_reported_and_skipped() {
    let folder = folder();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).expect("a link");
    std::os::unix::fs::symlink("..", folder.path().join("sub/loop")).expect("a link");
    pipe(&folder.path().join("pipe"));
    let (document, ended) = quick_json(folder.path(), &["--workload", "mixed"]);
    assert_eq!(document["input"]["found"]["files"], 4);
    let skipped = array(&document["input"]["skipped"]);
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert!(skipped[0]["path"].as_str().is_some_and(|path| path.ends_with("dangling")), "{skipped:?}");
    assert!(ended.err.contains("skipped") && ended.err.contains("dangling"), "{ended:?}");
}

#[cfg(unix)]
fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo is there");
    assert!(made.success());
}

#[test]
fn a_missing_path_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let missing = folder.path().join("not-there");
    refused(&compare(&missing, &[]), &["cannot read", "not-there"]);
}

#[test]
fn a_folder_without_content_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    refused(&compare(folder.path(), &[]), &["nothing to read"]);
    fs::write(folder.path().join("empty"), "").expect("written");
    refused(&compare(folder.path(), &["--json"]), &["nothing to read"]);
    refused(&compare(&folder.path().join("empty"), &[]), &["nothing to read"]);
}

#[cfg(unix)]
#[test]
fn a_folder_of_nothing_readable_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).expect("a link");
    refused(&compare(folder.path(), &[]), &["nothing in", "can be read", "dangling"]);
}

/// Permissions do not stop root, so the file here is one whose first bytes nobody can read.
#[cfg(target_os = "linux")]
#[test]
fn an_unreadable_file_is_refused() {
    refused(&compare(Path::new("/proc/self/mem"), &[]), &["cannot read /proc/self/mem"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("pipe");
    pipe(&path);
    refused(&compare(&path, &[]), &["neither a folder nor a file"]);
}

#[test]
fn zero_is_refused_for_every_count() {
    for option in ["--workers", "--rounds", "--limit", "--repeats"] {
        refused(&compare(Path::new("."), &[option, "0"]), &[option, "at least 1"]);
    }
}

#[test]
fn more_workers_than_a_system_bears_are_refused() {
    refused(&compare(Path::new("."), &["--workers", "100000"]), &["--workers", "at most 1024"]);
}

#[test]
fn an_unknown_workload_is_refused_with_the_known_ones() {
    refused(&compare(Path::new("."), &["--workload", "gpu"]), &["gpu", "cpu", "io", "mixed", "all"]);
}

#[test]
fn without_crate_sources_a_path_is_asked_for() {
    let home = TempDir::new().expect("a temporary folder");
    let ended = run(program().env("CARGO_HOME", home.path()));
    refused(&ended, &["give a PATH", &home.path().display().to_string()]);
}

#[test]
fn crate_sources_are_the_default() {
    let home = TempDir::new().expect("a temporary folder");
    let sources: PathBuf = home.path().join("registry/src/index/some-1.0.0");
    fs::create_dir_all(&sources).expect("folders");
    fs::write(sources.join("lib.rs"), "fn main() {}\n").expect("written");
    let ended = run(program().env("CARGO_HOME", home.path()).args(["--json", "--workload", "mixed"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("\"files\": 1"), "{}", ended.out);
}

#[test]
fn help_names_every_option() {
    let ended = run(program().arg("--help"));
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    for option in ["[PATH]", "--workers", "--workload", "--limit", "--rounds", "--repeats", "--json"] {
        assert!(ended.out.contains(option), "{option} is not in {}", ended.out);
    }
}
