//! The guided tour has every example, and every example says what to look for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What the tour links to, in its order: `NAME.rs`, or the `main.rs` of a folder.
fn toured() -> Vec<String> {
    let tour = fs::read_to_string(Path::new(ROOT).join("examples/README.md")).unwrap();
    let links =
        tour.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link.to_owned());
    links
        .filter(|link| link.ends_with(".rs") && !link.starts_with("common/") && !link.contains(".."))
        .collect()
}

#[test]
fn the_tour_has_every_example_once_and_no_other() {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(Path::new(ROOT).join("examples")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().join("main.rs").exists() {
            files.insert(format!("{name}/main.rs"));
        } else if name.ends_with(".rs") {
            files.insert(name);
        }
    }
    let toured = toured();
    assert_eq!(toured.iter().cloned().collect::<BTreeSet<_>>(), files);
    assert_eq!(toured.len(), files.len(), "an example is there twice");
}

#[test]
fn the_manifest_has_the_examples_in_the_order_of_the_tour() {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let examples = manifest.split("[[example]]\nname = \"").skip(1).filter_map(|rest| rest.split_once('"'));
    let names = |link: &String| link.trim_end_matches("/main.rs").trim_end_matches(".rs").to_owned();
    assert_eq!(
        examples.map(|(name, _)| name).collect::<Vec<_>>(),
        toured().iter().map(names).collect::<Vec<_>>()
    );
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let folders = ["", "docs", "docs/decisions", "examples"].map(|folder| Path::new(ROOT).join(folder));
    let mut count = 0;
    for file in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|end| end != "md") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            // Others are of the web, or names of the library, which rustdoc checks.
            if !link.is_empty() && !link.contains("::") && !link.contains("//") && link.contains(['.', '/']) {
                count += 1;
                let target = file.parent().unwrap().join(link);
                assert!(target.exists(), "{} links to {link}", file.display());
            }
        }
    }
    assert!(count > 20);
}

#[test]
fn every_example_says_what_to_look_for() {
    for link in toured() {
        let text = fs::read_to_string(Path::new(ROOT).join("examples").join(&link)).unwrap();
        let about: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(about.contains("hat to look for"), "{link}");
    }
}
