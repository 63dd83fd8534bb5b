//! Settings as text, and what to say when one is missing or wrong.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use loader_core::error::{Error, ErrorName, Result};

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The variables that a process was started with.
///
/// A blank variable counts as unset: templates pass empty parameters on.
#[derive(Clone)]
pub struct Environment {
    lookup: Arc<Lookup>,
}

impl Environment {
    /// Returns the variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// Returns the variables that a function knows.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { lookup: Arc::new(lookup) }
    }

    /// Reads a variable; none if it is unset or blank.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let text = (self.lookup)(name)?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Reads a variable that has to be set.
    ///
    /// # Errors
    /// `InvalidConfiguration`, with what the variable is expected to hold.
    pub fn required(&self, name: &str, expected: &str) -> Result<String> {
        self.text(name).ok_or_else(|| {
            let message = format!("the variable {name} is not set: it holds {expected}");
            Error::new(ErrorName::InvalidConfiguration, message)
        })
    }

    /// Reads a number within a range.
    ///
    /// # Errors
    /// `InvalidConfiguration`, with what was found and the range.
    pub fn number<N>(&self, name: &str, default: N, range: RangeInclusive<N>) -> Result<N>
    where
        N: FromStr + PartialOrd + fmt::Display,
    {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(Error::new(
                ErrorName::InvalidConfiguration,
                format!(
                    "the variable {name} is {text:?}: it has to be a whole number from {} to {}",
                    range.start(),
                    range.end()
                ),
            )),
        }
    }

    /// Reads one of a few words.
    ///
    /// # Errors
    /// `InvalidConfiguration`, with what was found and the words.
    pub fn choice<T: Copy>(&self, name: &str, default: T, choices: &[(&str, T)]) -> Result<T> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let chosen = choices.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let message =
                format!("the variable {name} is {text:?}: it has to be one of {}", words.join(", "));
            Error::new(ErrorName::InvalidConfiguration, message)
        })
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

impl<const N: usize> From<[(&'static str, &'static str); N]> for Environment {
    fn from(variables: [(&'static str, &'static str); N]) -> Self {
        Self::new(move |name| {
            let variable = variables.iter().find(|(known, _)| *known == name);
            variable.map(|(_, text)| (*text).to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_variable_is_an_unset_one() {
        let environment = Environment::from([("A", " \n"), ("B", " b ")]);
        assert_eq!(environment.text("A"), None);
        assert_eq!(environment.text("B").as_deref(), Some("b"));
        assert_eq!(environment.number("A", 7, 1..=9).unwrap(), 7);
    }

    #[test]
    fn a_missing_variable_is_named_with_what_it_holds() {
        let environment = Environment::from([]);
        let error = environment.required("WORK_BUCKET", "the work bucket's name").unwrap_err();
        assert_eq!(error.name, ErrorName::InvalidConfiguration);
        assert_eq!(error.message, "the variable WORK_BUCKET is not set: it holds the work bucket's name");
    }

    #[test]
    fn a_number_is_told_with_its_range() {
        for text in ["many", "0", "11", "-1", "1.5"] {
            let environment = Environment::new(move |_| Some(text.to_owned()));
            let error = environment.number("N", 5_u32, 1..=10).unwrap_err();
            assert_eq!(error.name, ErrorName::InvalidConfiguration, "{text}");
            assert_eq!(
                error.message,
                format!("the variable N is {text:?}: it has to be a whole number from 1 to 10")
            );
        }
    }

    #[test]
    fn a_word_is_told_with_its_choices() {
        let choices = [("auto", 1), ("stream", 2)];
        let environment = Environment::from([("ENGINE", "Stream"), ("OTHER", "steam")]);
        assert_eq!(environment.choice("ENGINE", 1, &choices).unwrap(), 2);
        assert_eq!(environment.choice("UNSET", 1, &choices).unwrap(), 1);
        let error = environment.choice("OTHER", 1, &choices).unwrap_err();
        assert_eq!(error.message, "the variable OTHER is \"steam\": it has to be one of auto, stream");
    }
}
