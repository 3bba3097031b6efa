//! The REST side: HTTP/1.1 requests of services.

mod answer;
mod authorization;
mod bulk;
mod devices;
mod listener;
mod methods;
mod modules;
mod openmetrics;
mod queries;
mod rights;
mod router;
mod statistics;
mod status;
mod throttling;
mod twins;

pub(super) use listener::accept;
pub(super) use router::Service;
