//! S3, SSM and SNS behind the traits of `loader-core`.
//!
//! [`World`] makes the clients from the environment of a Lambda, a container or
//! a shell. What the services refuse comes back as `loader_core`'s errors, each
//! with the action, the resource and what to do.

mod body;
mod bucket;
mod listing;
mod notifier;
mod parameters;
mod publication;
mod refusal;
#[cfg(test)]
mod replay;
mod source;
mod upload;
mod work_store;
mod world;

pub use notifier::SnsNotifier;
pub use parameters::SsmParameters;
pub use source::S3Source;
pub use work_store::S3WorkStore;
pub use world::World;
