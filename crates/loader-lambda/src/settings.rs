//! What the template tells every Lambda.

use std::time::Duration;

use loader_core::error::Result;

use crate::environment::Environment;

/// The settings of every Lambda.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonSettings {
    /// The SSM parameter with the connection string, without its leading slash.
    pub connection_parameter: String,
    /// The bucket with the objects to load.
    pub source_bucket: String,
    /// The region of that bucket.
    pub source_region: String,
    /// The application's own bucket.
    pub work_bucket: String,
    /// How long a table is held for a run that gives no sign of life.
    pub lease: Duration,
}

impl CommonSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// `InvalidConfiguration`, naming the variable.
    pub fn read(environment: &Environment) -> Result<Self> {
        let source_region = match environment.text("SOURCE_REGION") {
            Some(region) => region,
            None => environment.required("AWS_REGION", "the region of this stack")?,
        };
        Ok(Self {
            connection_parameter: environment.required(
                "DB_CONNECTION_STRING_SSM_PATH",
                "the name of the SSM parameter with the connection string, without the leading slash",
            )?,
            source_bucket: environment
                .required("SOURCE_BUCKET", "the name of the bucket with the objects to load")?,
            source_region,
            work_bucket: environment
                .required("WORK_BUCKET", "the name of the bucket for plans and results")?,
            lease: Duration::from_secs(environment.number("LEASE_SECONDS", 1_800, 1..=86_400)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use loader_core::error::ErrorName;

    use super::*;

    fn environment(more: &'static [(&'static str, &'static str)]) -> Environment {
        Environment::new(move |name| {
            let common = [
                ("DB_CONNECTION_STRING_SSM_PATH", "app/db"),
                ("SOURCE_BUCKET", "raw"),
                ("WORK_BUCKET", "work"),
                ("AWS_REGION", "eu-north-1"),
            ];
            let found = more.iter().chain(&common).find(|(known, _)| *known == name);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_defaults_hold_where_nothing_is_set() {
        let settings = CommonSettings::read(&environment(&[])).unwrap();
        assert_eq!(settings.source_region, "eu-north-1");
        assert_eq!(settings.lease, Duration::from_mins(30));
    }

    #[test]
    fn what_is_set_wins() {
        let environment = environment(&[("SOURCE_REGION", "us-west-2"), ("LEASE_SECONDS", "961")]);
        let settings = CommonSettings::read(&environment).unwrap();
        assert_eq!(settings.source_region, "us-west-2");
        assert_eq!(settings.lease, Duration::from_secs(961));
    }

    #[test]
    fn every_bad_setting_is_named() {
        let cases: [(&str, &'static [(&str, &str)]); 5] = [
            ("DB_CONNECTION_STRING_SSM_PATH", &[("DB_CONNECTION_STRING_SSM_PATH", " ")]),
            ("SOURCE_BUCKET", &[("SOURCE_BUCKET", "")]),
            ("WORK_BUCKET", &[("WORK_BUCKET", "")]),
            ("AWS_REGION", &[("AWS_REGION", "")]),
            ("LEASE_SECONDS", &[("LEASE_SECONDS", "soon")]),
        ];
        for (name, variables) in cases {
            let error = CommonSettings::read(&environment(variables)).expect_err(name);
            assert_eq!(error.name, ErrorName::InvalidConfiguration, "{name}");
            assert!(error.message.contains(name), "{error}");
        }
    }
}
