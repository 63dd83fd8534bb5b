//! The files that a statement names: one, several, or a pattern.

use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use super::TABLE;

/// A file of the suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Its path below the suite's folder.
    path: String,
    place: PathBuf,
}

/// Files whose names start like this are not loaded from a bucket (the convention of
/// Hive and Spark).
const HIDDEN: [char; 2] = ['_', '.'];

impl File {
    /// Reads it as an object below the table's prefix.
    pub(super) fn object(&self) -> std::io::Result<(String, Vec<u8>)> {
        let (folder, name) = self.path.rsplit_once('/').map_or(("", self.path.as_str()), |parts| parts);
        let seen = name.trim_start_matches(HIDDEN);
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        Ok((format!("{TABLE}/{folder}{seen}"), std::fs::read(&self.place)?))
    }

    /// Reads its first line.
    pub(super) fn first_line(&self) -> Option<String> {
        let bytes = std::fs::read(&self.place).ok()?;
        let line = bytes.split(|byte| *byte == b'\n').next()?;
        Some(String::from_utf8_lossy(line).into_owned())
    }

    /// Returns the path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// The files of a suite.
pub(super) struct Files {
    all: Vec<File>,
}

impl Files {
    /// Lists a folder and those in it.
    pub(super) fn below(folder: &Path) -> std::io::Result<Self> {
        let mut all = Vec::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(current) = folders.pop() {
            for entry in std::fs::read_dir(&current)? {
                let place = entry?.path();
                if place.is_dir() {
                    folders.push(place);
                } else if let Some(path) = place.strip_prefix(folder).ok().and_then(Path::to_str) {
                    all.push(File { path: path.to_owned(), place });
                }
            }
        }
        all.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(Self { all })
    }

    /// Finds the files that a statement's name or pattern means.
    ///
    /// # Errors
    /// The reason to leave the case out.
    pub(super) fn find(&self, written: &str) -> Result<Vec<File>, &'static str> {
        let pattern = ["{DATA_DIR}/csv/", "data/csv/"]
            .iter()
            .find_map(|prefix| written.strip_prefix(prefix))
            .ok_or("a file that the test makes itself")?;
        if let Some(file) = self.all.iter().find(|file| file.path == pattern) {
            return Ok(vec![file.clone()]);
        }
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .map_err(|_| "a pattern of files that is not read here")?
            .compile_matcher();
        let found: Vec<File> = self.all.iter().filter(|file| glob.is_match(&file.path)).cloned().collect();
        if found.is_empty() { Err("a file that is not in the suite's data") } else { Ok(found) }
    }

    /// Finds the files that a name means whose placeholders the test's loop fills in.
    pub(super) fn find_each(&self, written: &str) -> Result<Vec<File>, &'static str> {
        let mut pattern = String::new();
        let mut rest = written.strip_prefix("{DATA_DIR}").unwrap_or(written);
        while let Some((before, after)) = rest.split_once('{') {
            pattern.push_str(before);
            pattern.push('*');
            rest = after.split_once('}').map_or("", |(_, after)| after);
        }
        pattern.push_str(rest);
        self.find(&format!("{{DATA_DIR}}{pattern}"))
    }
}

/// Whether a name has a placeholder beside that of the data's folder.
pub(super) fn has_placeholder(written: &str) -> bool {
    written.strip_prefix("{DATA_DIR}").unwrap_or(written).contains('{')
}

/// Returns the names of the parts `<name>=<value>` of a path.
pub(super) fn key_parts(path: &str) -> Vec<String> {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    folders.split('/').filter_map(|part| part.split_once('=')).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        let file = |path: &str| File { path: path.to_owned(), place: PathBuf::new() };
        Files { all: ["[a]_x.csv", "a_x.csv", "p=1/x.csv", "sub/__1.csv"].map(file).to_vec() }
    }

    #[test]
    fn a_name_that_is_there_is_no_pattern() {
        let paths = |written: &str| {
            files().find(written).map(|found| found.iter().map(|file| file.path.clone()).collect::<Vec<_>>())
        };
        assert_eq!(paths("{DATA_DIR}/csv/[a]_x.csv").unwrap(), ["[a]_x.csv"]);
        assert_eq!(paths("data/csv/*_x.csv").unwrap(), ["[a]_x.csv", "a_x.csv"]);
        assert_eq!(paths("{TEMP_DIR}/x.csv"), Err("a file that the test makes itself"));
        assert_eq!(files().find_each("{DATA_DIR}/csv/{i}_x.csv").unwrap().len(), 2);
        assert!(has_placeholder("{DATA_DIR}/csv/{i}.csv") && !has_placeholder("{DATA_DIR}/csv/a.csv"));
    }

    #[test]
    fn parts_of_a_path_are_named() {
        assert_eq!(key_parts("h/part=a/date=1/x=y.csv"), ["part", "date"]);
    }
}
