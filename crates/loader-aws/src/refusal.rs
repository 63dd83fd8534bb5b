//! What an AWS service refuses, boiled down to what a decision needs.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// Why a request to an AWS service came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The service could not be reached, or gave no whole answer in time.
    Unreachable(String),
    /// No credentials were found, or what was found can't be used.
    NoCredentials(String),
    /// The request could not even be made.
    Unbuildable(String),
    /// The service answered with an error.
    Answer(Answer),
}

/// An error as the service told it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The service's code; empty where the answer had no body.
    pub(crate) code: String,
    /// The service's sentence; empty where it gave none.
    pub(crate) message: String,
    /// The header `x-amz-bucket-region`.
    pub(crate) bucket_region: Option<String>,
}

impl Refusal {
    /// Boils an error of the SDK down.
    pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        if let Some(credentials) = find::<CredentialsError>(error) {
            let why = chain(credentials);
            return match credentials {
                // The endpoint that hands out a role's credentials may just be slow.
                CredentialsError::ProviderTimedOut(_) => Self::Unreachable(why),
                _ => Self::NoCredentials(why),
            };
        }
        // "dispatch failure" and the like say nothing to who reads the message.
        let why = error.source().map_or_else(|| error.to_string(), chain);
        match error {
            SdkError::ConstructionFailure(_) => Self::Unbuildable(why),
            SdkError::DispatchFailure(failure) if failure.is_user() => Self::Unbuildable(why),
            SdkError::ServiceError(_) | SdkError::ResponseError(_) => match error.raw_response() {
                Some(raw) if raw.status().as_u16() >= 300 => Self::Answer(Answer {
                    status: raw.status().as_u16(),
                    code: error.code().unwrap_or_default().to_owned(),
                    message: error.message().unwrap_or_default().to_owned(),
                    bucket_region: raw.headers().get("x-amz-bucket-region").map(ToOwned::to_owned),
                }),
                // An answer that says success and can't be read broke off.
                _ => Self::Unreachable(why),
            },
            _ => Self::Unreachable(why),
        }
    }
}

impl Answer {
    /// Says whether the same request may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        // RequestTimeout and IncompleteBody come as 400, throttling as 400 or 503.
        const CODES: [&str; 12] = [
            "BandwidthLimitExceeded",
            "IncompleteBody",
            "InternalError",
            "InternalServerError",
            "OperationAborted",
            "RequestLimitExceeded",
            "RequestTimeout",
            "ServiceUnavailable",
            "SlowDown",
            "TemporaryRedirect",
            "TooManyUpdates",
            "PriorRequestNotComplete",
        ];
        self.status >= 500
            || self.status == 429
            || self.code.contains("Throttl")
            || self.code == "TooManyRequestsException"
            || CODES.contains(&self.code.as_str())
    }

    /// Says whether a permission is missing or the credentials are not accepted.
    pub(crate) fn is_denied(&self) -> bool {
        const CODES: [&str; 10] = [
            "AccessDeniedException",
            "AuthorizationErrorException",
            "AuthorizationError",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "InvalidClientTokenId",
            "InvalidToken",
            "TokenRefreshRequired",
            "UnrecognizedClientException",
        ];
        self.status == 403 || self.status == 401 || CODES.contains(&self.code.as_str())
    }

    /// Says whether the encryption key is what refused.
    pub(crate) fn is_about_a_key(&self) -> bool {
        self.code.starts_with("KMS") || (self.is_denied() && self.message.contains("kms:"))
    }

    /// Returns the answer as a phrase: status, code, sentence.
    pub(crate) fn phrase(&self, service: &str) -> String {
        let mut phrase = format!("{service} answered {}", self.status);
        for part in [(" ", &self.code), (": ", &self.message)] {
            if !part.1.is_empty() {
                phrase.push_str(part.0);
                phrase.push_str(part.1.trim().trim_end_matches('.'));
            }
        }
        phrase
    }
}

/// Returns an error and its causes as one line, without repetitions.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = one_line(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = one_line(error);
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

fn one_line(error: &(dyn StdError + 'static)) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_as_status_code_and_sentence() {
        let answer = Answer {
            status: 503,
            code: "SlowDown".to_owned(),
            message: "Please reduce your request rate.".to_owned(),
            bucket_region: None,
        };
        assert_eq!(answer.phrase("S3"), "S3 answered 503 SlowDown: Please reduce your request rate");
        assert_eq!(Answer { status: 403, ..Answer::default() }.phrase("S3"), "S3 answered 403");
    }

    #[test]
    fn causes_are_one_line_and_said_once() {
        #[derive(Debug)]
        struct Outer(std::io::Error);
        impl std::fmt::Display for Outer {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("not sent")
            }
        }
        impl StdError for Outer {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.0)
            }
        }
        let cause = Outer(std::io::Error::other("tried:\n  one\n  two"));
        assert_eq!(chain(&cause), "not sent: tried: one two");
    }

    #[tokio::test]
    async fn missing_credentials_are_no_passing_failure() {
        use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

        #[derive(Debug)]
        struct None;
        impl ProvideCredentials for None {
            fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
            where
                Self: 'a,
            {
                future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("no role")))
            }
        }

        let (mut bucket, _) = crate::replay::bucket([]);
        let config = bucket.client.config().to_builder();
        let config = config.credentials_provider(SharedCredentialsProvider::new(None)).build();
        bucket.client = aws_sdk_s3::Client::from_conf(config);
        let error = bucket.client.head_bucket().bucket("raw").send().await.unwrap_err();
        assert!(matches!(Refusal::of(&error), Refusal::NoCredentials(why) if why.contains("no role")));
    }

    #[test]
    fn throttling_is_transient_whatever_its_status() {
        for code in ["ThrottlingException", "Throttled", "TooManyRequestsException", "SlowDown"] {
            let answer = Answer { status: 400, code: code.to_owned(), ..Answer::default() };
            assert!(answer.is_transient(), "{code}");
            assert!(!answer.is_denied(), "{code}");
        }
    }
}
