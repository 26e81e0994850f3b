//! The report's program, run as its users run it: quick, and for two tables.

use std::fs;
use std::process::Command;

#[test]
fn a_quick_report_has_its_tables_and_what_follows_from_them() {
    let folder = std::env::temp_dir().join(format!("pool-report-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_report"))
        .args(["--quick", "--only", "isolation", "--only", "memory", "--out"])
        .arg(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs::read_to_string(folder.join("REPORT.md")).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    for heading in ["In short", "Machine", "isolation", "memory", "Threads or processes", "Where we lose"] {
        assert!(report.contains(&format!("\n## {heading}\n")), "{heading} is not in\n{report}");
    }
    for row in ["| serial | 1.00 ", "| ProcessPool, Spawn | ", "| rayon / ThreadPool | "] {
        assert!(report.contains(row), "{row} is not in\n{report}");
    }
}

#[test]
fn an_unknown_table_is_an_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_report")).args(["--only", "nothing"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no table is named nothing"));
}
