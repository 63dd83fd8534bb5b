//! The database side: connections, the control tables, staging and live tables.

pub mod connect;
pub mod connection_string;
pub mod control_schema;
pub mod failure;
pub mod lease;
pub mod ledger;
pub mod live;
pub mod pace;
pub mod parts;
pub mod rejects;
pub mod run;
pub mod staging;
pub(crate) mod staging_tree;
