//! Configurations: desired properties for all devices that a condition targets (5). Pure values.

mod book;
mod configuration;
mod content;

pub(super) use book::{Applied, ConfigurationBook};
pub(super) use configuration::{ConfigurationBody, Target, target_query};
pub(super) use content::{Content, ContentBody};
