//! The texts that the contracts are about.

use std::collections::BTreeMap;
use std::path::Path;

use workflow_tests::workspace;

pub(crate) const ASL: &str = "statemachine/load.asl.json";
pub(crate) const ROLLBACK_ASL: &str = "statemachine/rollback.asl.json";
pub(crate) const TEMPLATE: &str = "template.yaml";

/// What a check returns: one sentence for each breach.
pub(crate) type Problems = Vec<String>;

/// The texts of the project by their paths, with slashes, from its folder.
#[derive(Clone)]
pub(crate) struct Project(BTreeMap<String, String>);

impl Project {
    /// Reads the project.
    pub(crate) fn read() -> Self {
        let root = workspace();
        let mut texts = BTreeMap::new();
        for start in ["template.yaml", "README.md", "statemachine", "events", "docs", "crates"] {
            collect(&root, &root.join(start), &mut texts);
        }
        Self(texts)
    }

    /// Returns a text.
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> &str {
        self.0.get(path).unwrap_or_else(|| panic!("there is no {path}"))
    }

    /// Returns whether there is a text.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Returns the texts whose paths begin and end so.
    pub(crate) fn below<'a>(
        &'a self,
        start: &'a str,
        end: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .filter(move |(path, _)| path.starts_with(start) && path.ends_with(end))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Returns the project with the first `from` of a text turned to `to`.
    #[track_caller]
    pub(crate) fn with(&self, path: &str, from: &str, to: &str) -> Self {
        let text = self.text(path);
        assert!(text.contains(from), "{path} has no {from:?}");
        let mut broken = self.clone();
        broken.0.insert(path.to_owned(), text.replacen(from, to, 1));
        broken
    }

    /// Returns the project with one more text.
    pub(crate) fn with_file(&self, path: &str, text: &str) -> Self {
        let mut more = self.clone();
        more.0.insert(path.to_owned(), text.to_owned());
        more
    }
}

fn collect(root: &Path, path: &Path, texts: &mut BTreeMap<String, String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            collect(root, &entry.unwrap().path(), texts);
        }
        return;
    }
    let kind = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    if ["json", "md", "rs", "toml", "yaml"].contains(&kind.as_str()) && path.is_file() {
        let name = path.strip_prefix(root).unwrap().components();
        let name: Vec<_> = name.map(|part| part.as_os_str().to_string_lossy()).collect();
        texts.insert(name.join("/"), std::fs::read_to_string(path).unwrap());
    }
}

/// Asserts that the project keeps a contract.
#[track_caller]
pub(crate) fn assert_kept(check: fn(&Project) -> Problems) {
    let problems = check(&Project::read());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Asserts that a check notices when `from` is turned to `to` in one text, and
/// says so with `said`.
#[track_caller]
pub(crate) fn assert_noticed(
    check: fn(&Project) -> Problems,
    (path, from, to): (&str, &str, &str),
    said: &str,
) {
    assert_told(check, &Project::read().with(path, from, to), said);
}

/// Asserts that a check finds fault with a project, with these words.
#[track_caller]
pub(crate) fn assert_told(check: fn(&Project) -> Problems, broken: &Project, said: &str) {
    let problems = check(broken);
    assert!(problems.iter().any(|problem| problem.contains(said)), "{said:?} is not in {problems:#?}");
}
