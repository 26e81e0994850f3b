//! What README.md says of performance stands in `benches/REPORT.md`, each number in the section that it cites.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// The section of README.md.
fn performance() -> String {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("\n## Performance\n").unwrap();
    rest.split_once("\n## ").unwrap().0.to_owned()
}

/// The claims of the section, which cite a section of the report: the words, and what they cite.
fn claims(section: &str) -> Vec<(&str, &str)> {
    let lines = section.lines().filter(|line| line.contains("(benches/REPORT.md#"));
    lines
        .map(|line| {
            let (words, citation) = line.rsplit_once(" ([").unwrap();
            let (_, anchor) = citation.split_once("(benches/REPORT.md#").unwrap();
            (words, anchor.split_once(')').unwrap().0)
        })
        .collect()
}

/// The numbers in a text, as they are written.
fn numbers(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '-'));
    let words = words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).collect()
}

#[test]
fn each_claim_on_performance_stands_in_the_section_of_the_report_that_it_cites() {
    let (section, report) = (performance(), read("benches/REPORT.md"));
    let claims = claims(&section);
    assert!(claims.len() >= 5, "{claims:?}");
    for (words, anchor) in claims {
        assert!(report.contains(words), "the report does not say: {words}");
        let cited = report.split("\n## ").find(|part| {
            let heading = part.lines().next().unwrap_or_default();
            heading.to_lowercase().replace(' ', "-") == anchor
        });
        let cited = numbers(cited.unwrap_or_else(|| panic!("the report has no section {anchor}")));
        let absent: Vec<&str> = numbers(words).difference(&cited).copied().collect();
        assert!(absent.is_empty(), "{absent:?} are not in the section {anchor}: {words}");
    }
}

#[test]
fn no_number_on_performance_is_without_a_citation() {
    let section = performance();
    let (before, rest) = section.split_once("<!-- written by").unwrap();
    let (_, after) = rest.split_once("<!-- end of what is written by it -->").unwrap();
    for text in [before, after] {
        assert!(numbers(text).is_empty(), "{:?}", numbers(text));
    }
}

#[test]
fn the_plots_that_are_shown_are_there() {
    let section = performance();
    let plots: Vec<&str> = section
        .split("](")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap())
        .filter(|path| path.ends_with(".svg"))
        .collect();
    assert!(!plots.is_empty());
    for plot in plots {
        assert!(read(plot).starts_with("<svg"), "{plot}");
    }
}
