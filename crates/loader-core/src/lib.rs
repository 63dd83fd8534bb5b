//! The domain of the loader and its Postgres side: no AWS SDK, no Lambda.
//!
//! A run goes through these steps, one module each: [`prepare`], [`plan`],
//! [`import`], [`build`], [`publish`], and after a failure [`cleanup`]; [`rollback`]
//! takes a publish back, [`dry_run`] says what a load would do, [`replay`] loads what one has refused; [`report`]
//! tells people. They work on the control tables, the staging and the live table
//! ([`database`]), on the objects of a [`source`], as the table's [`definition`]
//! says.

pub mod build;
mod catalog;
pub mod cleanup;
pub mod database;
pub mod definition;
pub mod dry_run;
pub mod error;
pub mod gate;
pub mod identifier;
pub mod import;
pub mod input;
pub mod listing;
pub mod pace;
pub mod plan;
pub mod prepare;
pub mod publish;
pub mod record;
pub mod replay;
pub mod report;
pub mod rollback;
pub mod sniff;
pub mod source;
mod succession;
pub mod values;
mod wording;
