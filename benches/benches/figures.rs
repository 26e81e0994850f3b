//! `cargo bench -p benches -- figures`: the same program as the `figures` binary.

fn main() -> std::process::ExitCode {
    benches::figures::main()
}
