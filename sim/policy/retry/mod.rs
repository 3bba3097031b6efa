//! Retry policies: a failure, what went before it and random numbers in; a delay, or giving up, out.

mod azure_c;
mod azure_dotnet;
mod azure_node;
mod connect_policies;
mod exponential;
mod failure;
mod policy;
#[cfg(test)]
mod properties;
mod retrying;

pub use connect_policies::ConnectPolicies;
pub use exponential::Jitter;
pub use failure::{Failed, Failure};
pub use policy::{Backoff, RetryPolicy};
pub use retrying::Retrying;
