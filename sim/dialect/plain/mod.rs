//! A plain MQTT broker's dialect: our own, with topics as the profile names them and JSON in them.

mod device;
mod operator;
mod settings;
mod template;
mod topics;

#[cfg(test)]
mod tests;

pub use device::PlainDevice;
pub use operator::PlainOperator;
pub use settings::{Password, PlainQos, PlainSettings};
pub use template::TemplateError;
pub use topics::{Topics, TopicsError};
