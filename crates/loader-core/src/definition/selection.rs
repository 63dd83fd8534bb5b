//! Which of the listed objects are loaded, and why the others are not.

use std::collections::HashSet;

use globset::{GlobBuilder, GlobMatcher};

use super::ResolvedDefinition;
use crate::error::{Error, ErrorName, Result};
use crate::source::ObjectVersion;

/// Decides for each listed object whether it is loaded.
pub struct Selection {
    prefix: String,
    /// The whole key of the delivery's marker.
    marker: Option<String>,
    /// The whole keys of the delivery, where it has a list.
    keys: Option<HashSet<String>>,
    include: Vec<GlobMatcher>,
    exclude: Vec<(String, GlobMatcher)>,
}

impl Selection {
    /// Compiles the definition's patterns.
    ///
    /// # Errors
    /// `InvalidDefinition` for a pattern that is none.
    pub fn new(definition: &ResolvedDefinition) -> Result<Self> {
        let below = |name: &String| format!("{}{name}", definition.prefix);
        Ok(Self {
            prefix: definition.prefix.clone(),
            marker: definition.delivery.marker.as_ref().map(below),
            keys: definition.delivery.keys.as_ref().map(|keys| keys.iter().map(below).collect()),
            include: definition.include.iter().map(|pattern| matcher(pattern)).collect::<Result<_>>()?,
            exclude: definition
                .exclude
                .iter()
                .map(|pattern| Ok((pattern.clone(), matcher(pattern)?)))
                .collect::<Result<_>>()?,
        })
    }

    /// Returns why the object is skipped, or none if it is to be loaded.
    #[must_use]
    pub fn skip_reason(&self, object: &ObjectVersion) -> Option<String> {
        let below = object.key.strip_prefix(self.prefix.as_str()).unwrap_or(&object.key);
        let name = below.rsplit('/').next().unwrap_or(below);
        if object.size == 0 {
            let what = if object.key.ends_with('/') { "a folder marker" } else { "an empty object" };
            return Some(format!("{what}: it has no bytes"));
        }
        if self.marker.as_ref() == Some(&object.key) {
            return Some("it is the delivery's marker".to_owned());
        }
        // Whoever names an object wants it, whatever its name begins with.
        if let Some(keys) = &self.keys {
            return (!keys.contains(&object.key))
                .then(|| "it is not among the keys of the delivery".to_owned());
        }
        // The convention of Hive and Spark, for `_SUCCESS`, `.crc` and the like.
        if name.starts_with('_') || name.starts_with('.') {
            return Some("its name starts with `_` or `.`".to_owned());
        }
        if let Some((pattern, _)) =
            self.exclude.iter().find(|(_, glob)| glob.is_match(below) || glob.is_match(name))
        {
            return Some(format!("the pattern {pattern} excludes it"));
        }
        if !self.include.is_empty()
            && !self.include.iter().any(|glob| glob.is_match(below) || glob.is_match(name))
        {
            return Some("no include pattern matches it".to_owned());
        }
        None
    }
}

/// Checks that a pattern can be compiled.
///
/// # Errors
/// `InvalidDefinition`.
pub fn check_pattern(pattern: &str) -> Result<()> {
    matcher(pattern).map(|_| ())
}

/// `*` stays within a folder, `**` does not.
fn matcher(pattern: &str) -> Result<GlobMatcher> {
    GlobBuilder::new(pattern).literal_separator(true).build().map(|glob| glob.compile_matcher()).map_err(
        |error| {
            Error::new(
                ErrorName::InvalidDefinition,
                format!("the pattern {pattern} can't be read: {}", error.kind()),
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ColumnsFrom;

    fn selection(include: &[&str], exclude: &[&str]) -> Selection {
        let owned = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        Selection::new(&ResolvedDefinition {
            bucket: "b".to_owned(),
            prefix: "t/".to_owned(),
            include: owned(include),
            exclude: owned(exclude),
            engine: crate::definition::EngineChoice::Auto,
            dialect: crate::definition::dialect::Written::default(),
            columns: Vec::new(),
            columns_from: ColumnsFrom::Definition,
            image_of_live: None,
            allow_empty: false,
            tolerated_failed_objects: 0,
            max_concurrency: None,
            gates: crate::definition::gates::Gates::default(),
            strategy: None,
            key: None,
            rejects: crate::definition::rejects::Rejects::default(),
            unknown_columns: crate::definition::drift::UnknownColumns::default(),
            missing_columns: crate::definition::drift::MissingColumns::default(),
            delivery: crate::definition::delivery::Delivery::default(),
        })
        .unwrap()
    }

    fn object(key: &str, size: u64) -> ObjectVersion {
        ObjectVersion {
            key: key.to_owned(),
            etag: "e".to_owned(),
            size,
            version_id: None,
            last_modified: None,
        }
    }

    #[test]
    fn everything_below_the_prefix_is_loaded_whatever_its_name() {
        let all = selection(&[], &[]);
        for key in ["t/a.csv", "t/A.CSV", "t/a.csv.gz", "t/no suffix", "t/x/y/a.csv"] {
            assert_eq!(all.skip_reason(&object(key, 1)), None, "{key}");
        }
    }

    #[test]
    fn what_is_skipped_has_a_reason() {
        let all = selection(&[], &[]);
        assert_eq!(all.skip_reason(&object("t/", 0)).unwrap(), "a folder marker: it has no bytes");
        assert_eq!(all.skip_reason(&object("t/a.csv", 0)).unwrap(), "an empty object: it has no bytes");
        assert!(all.skip_reason(&object("t/x/_SUCCESS", 3)).unwrap().contains('_'));
        let some = selection(&["*.csv", "deep/**/*.txt"], &["*old*"]);
        assert_eq!(some.skip_reason(&object("t/a.csv", 1)), None);
        assert_eq!(some.skip_reason(&object("t/deep/x/y/a.txt", 1)), None);
        assert_eq!(some.skip_reason(&object("t/a_old.csv", 1)).unwrap(), "the pattern *old* excludes it");
        assert_eq!(some.skip_reason(&object("t/a.txt", 1)).unwrap(), "no include pattern matches it");
    }
}
