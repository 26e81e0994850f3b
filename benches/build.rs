//! Gives the report what it cannot ask at run time: the compiler, and the versions of the peers
//! as Cargo.lock has them.

use std::process::Command;

const PEERS: [&str; 8] =
    ["ipc-channel", "procspawn", "rayon", "threadpool", "rusty_pool", "oneshot", "tokio", "smol"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../Cargo.lock");
    println!("cargo::rustc-env=BENCHES_RUSTC={}", rustc());
    println!("cargo::rustc-env=BENCHES_PEERS={}", peers());
}

fn rustc() -> String {
    let rustc = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let output = Command::new(rustc).arg("--version").output().expect("rustc runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// `name version` of each peer, in the order of [`PEERS`]. In the lock file a `name = ".."` line is
/// followed by its `version = ".."`; of several versions of a crate the last is ours.
fn peers() -> String {
    let lock = std::fs::read_to_string("../Cargo.lock").unwrap_or_default();
    let version_of = |peer: &str| {
        let (_, after_name) = lock.rsplit_once(&format!("name = \"{peer}\"\nversion = \""))?;
        after_name.split('"').next()
    };
    let all = PEERS.map(|peer| format!("{peer} {}", version_of(peer).unwrap_or("?")));
    all.join(", ")
}
