//! `cargo run --release -p benches --bin figures`: every figure of the pool, measured against
//! the machine's limits and the pool's peers in the same run. See [`benches::figures`].

fn main() -> std::process::ExitCode {
    benches::figures::main()
}
