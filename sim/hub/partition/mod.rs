//! A partition: the devices of one worker, as pure state. Functions take `now`, hold no socket and read no clock; what
//! is to happen on the wire is drained from it as effects.

mod admission;
mod configurations;
mod connect;
mod connections;
mod counters;
mod credentials;
mod deleted;
mod device;
mod devices;
mod digital;
mod held;
mod methods;
mod modules;
mod packets;
mod refusal;
mod registry;
mod row;
mod search;
mod state;
mod telemetry;
mod twins;

pub(super) use counters::Counters;
pub(super) use credentials::{Credentials, OwnCredentials};
pub(super) use device::Details;
pub(super) use methods::{
    DeviceAnswer, MAX_PAYLOAD, MethodOutcome, MethodRefusal, MethodRequest, call_of, call_packet, no_answer, not_online,
};
pub(super) use packets::{refused, twin_answer};
pub(super) use refusal::{Precondition, Refusal};
pub(super) use registry::{Counts, Registration};
pub(super) use search::Slice;
pub(super) use state::{CallId, ConnectionId, Effect, Partition};

#[cfg(test)]
mod tests;
