//! The REST side: HTTP/1.1 requests of services.

mod answer;
mod authorization;
mod devices;
mod jobs;
mod listener;
mod methods;
mod queries;
mod router;
mod statistics;
mod twins;

pub(super) use listener::accept;
pub(super) use router::Service;
