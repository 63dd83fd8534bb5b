//! What can go wrong, by the names that the state machine matches.

use std::fmt;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What trying again can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The same step may succeed a little later.
    Transient,
    /// A new plan may succeed: what was listed is not what is there now.
    Replan,
    /// Somebody has to change something first.
    Permanent,
}

macro_rules! error_names {
    ($($(#[doc = $doc:literal])+ $variant:ident => $class:ident,)+) => {
        /// The conditions that end a step; each is `Loader.<Condition>` in the
        /// state machine, in the ledger and in messages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorName {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ErrorName {
            /// Every name there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the name as the state machine knows it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!("Loader.", stringify!($variant)),)+
                }
            }

            /// Returns what trying again can do about it.
            #[must_use]
            pub const fn class(self) -> Class {
                match self {
                    $(Self::$variant => Class::$class,)+
                }
            }
        }
    };
}

error_names! {
    /// The database can't be reached, or the connection broke.
    DatabaseUnavailable => Transient,
    /// The database refused for now: a deadlock, no free connection, a lock.
    DatabaseBusy => Transient,
    /// S3 throttled, failed or broke off.
    SourceUnavailable => Transient,
    /// Another AWS service (SSM, SNS) failed or throttled.
    ServiceUnavailable => Transient,
    /// The Lambda's time was nearly up; what it committed stays.
    DeadlineReached => Transient,

    /// An object is not the version that was planned.
    ObjectChanged => Replan,
    /// An object that was planned is no longer there.
    ObjectMissing => Replan,
    /// Objects of the delivery, or its marker, are not there yet, or too young.
    DeliveryIncomplete => Replan,
    /// Listed objects have no outcome in the ledger.
    Unreconciled => Replan,
    /// More objects failed than the definition tolerates.
    ObjectsFailed => Permanent,

    /// The execution input has an unknown field or a bad value.
    InvalidInput => Permanent,
    /// The table's definition can't be read or contradicts itself.
    InvalidDefinition => Permanent,
    /// The deployment lacks a setting or has a bad one.
    InvalidConfiguration => Permanent,
    /// A step was called with an event that it does not understand.
    InvalidEvent => Permanent,
    /// The SSM parameter with the connection string does not exist.
    ParameterMissing => Permanent,
    /// AWS denied an action.
    AccessDenied => Permanent,
    /// A bucket does not exist.
    BucketMissing => Permanent,
    /// A bucket is in another region than the one that was asked.
    WrongRegion => Permanent,
    /// The database refused the user, the password or the database name.
    AuthenticationFailed => Permanent,
    /// The TLS connection to the database could not be verified or made.
    TlsFailed => Permanent,
    /// The engine `aws_s3` was asked for and the extension is not installed.
    ExtensionMissing => Permanent,
    /// The header of an object does not fit the table.
    HeaderMismatch => Permanent,
    /// The database refused a row of an object.
    BadRow => Permanent,
    /// More rows were rejected than the definition tolerates.
    TooManyRejects => Permanent,
    /// An object is of a format that can't be loaded.
    UnsupportedFormat => Permanent,
    /// There is nothing to load, and the definition does not allow that.
    NoObjects => Permanent,
    /// Another run holds the table.
    TableBusy => Permanent,
    /// The run no longer holds the table, or a newer attempt has begun.
    LeaseLost => Permanent,
    /// The run has already ended.
    RunFinished => Permanent,
    /// The loaded table does not hold what its definition demands.
    GateFailed => Permanent,
    /// There is no such version to go back to.
    NoSuchVersion => Permanent,
    /// The live table was changed while its successor was being built.
    LiveChanged => Replan,
    /// The live relation is not a table that can be replaced.
    LiveNotReplaceable => Permanent,
    /// The database refused a statement.
    DatabaseRejected => Permanent,
    /// The program is at fault.
    Internal => Permanent,
}

impl ErrorName {
    /// Finds the name behind its text, such as `Loader.BadRow`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.as_str() == text)
    }
}

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where in the source an error is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The object's key.
    pub key: String,
    /// The physical line, from 1, the header counted.
    pub line: Option<u64>,
    /// The table's column.
    pub column: Option<String>,
}

/// An error with a name, a sentence for a person, and where it is known the
/// place in the source and the SQLSTATE.
///
/// The sentence is lower case and carries no cell values: it goes to logs, to
/// the execution history and to messages.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The condition.
    pub name: ErrorName,
    /// What happened, what was expected and what to do.
    pub message: String,
    /// The place in the source.
    pub place: Option<Box<Place>>,
    /// The SQLSTATE, when the database said it.
    pub sqlstate: Option<String>,
}

impl Error {
    /// Makes an error from a name and a sentence.
    #[must_use]
    pub fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self { name, message: message.into(), place: None, sqlstate: None }
    }

    /// Adds the place in the source.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    /// Returns what trying again can do about it.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.name.class()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_again_by_its_text() {
        for name in ErrorName::ALL {
            assert_eq!(ErrorName::parse(name.as_str()), Some(*name));
        }
        assert_eq!(ErrorName::parse("Loader.NoSuchName"), None);
        assert_eq!(ErrorName::parse("BadRow"), None);
    }
}
