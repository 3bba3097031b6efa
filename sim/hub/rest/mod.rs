//! The REST side: HTTP/1.1 requests of services.

mod answer;
mod authentication;
mod authorization;
mod bulk;
mod configurations;
mod devices;
mod digital_twins;
mod exports;
mod feedback;
mod images;
mod jobs;
mod listener;
mod methods;
mod modules;
mod queries;
mod rights;
mod router;
mod statistics;
mod status;
mod throttling;
mod twins;
mod websocket;

pub(super) use answer::{Answer, Failure};
pub(super) use listener::{accept, read as read_body, server};
pub(super) use methods::read as read_call;
pub(super) use queries::{page_of, page_size};
pub(super) use router::Service;
