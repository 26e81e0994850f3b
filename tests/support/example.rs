//! The programs of `examples`, for tests that run them as their users do.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program of an example. Cargo has built it beside this test when it was asked for all tests. When it was asked
/// for this test alone, the program is missing, or older than its text: then cargo is asked for it here.
pub(crate) fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this test has a path");
    let profile = this.parent().and_then(Path::parent).expect("it is in target/<profile>/deps");
    let program = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).with_extension("rs");
    if changed(&program) < changed(&text) || !program.exists() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--offline", "--all-features", "--manifest-path", manifest, "--example", name]);
        cargo.arg("--target-dir").arg(profile.parent().expect("the folder of all profiles"));
        // The folder of the profile `dev` has another name.
        let folder = profile.file_name().and_then(OsStr::to_str).expect("the folder of a profile");
        cargo.args(["--profile", if folder == "debug" { "dev" } else { folder }]);
        assert!(cargo.stdin(Stdio::null()).status().expect("cargo").success());
    }
    program
}
