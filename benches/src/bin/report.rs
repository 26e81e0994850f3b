//! `cargo run --release -p benches --bin report`: backends and peers compared, as `benches/REPORT.md`. See
//! [`benches::comparison`].

fn main() -> std::process::ExitCode {
    benches::comparison::main()
}
