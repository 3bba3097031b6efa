//! TLS by rustls, in the form that keeps no buffers of its own: what it decrypts and encrypts lies in the buffers that
//! all connections of a worker share.

mod client_certificate;
mod config;
mod engine;
mod error;
mod pem;
mod tickets;

pub use client_certificate::{ClientAuthorities, ClientCertificate, ClientIdentity, ClientRefused};
pub use config::{ClientTls, ServerTls};
pub(super) use engine::Engine;
pub use error::{TlsConfigError, TlsError};
pub use pem::first_certificate;

#[cfg(test)]
pub(super) mod tests;
