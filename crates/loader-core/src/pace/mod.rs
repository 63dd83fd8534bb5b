//! How many sessions of a run load at once while it goes on: decided from what they see.

pub mod decide;
