//! A partition: the devices of one worker, as pure state. Functions take `now`, hold no socket and read no clock; what
//! is to happen on the wire is drained from it as effects.

mod configurations;
mod connect;
mod connections;
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
mod twins;

pub(super) use device::{Details, Keys};
pub(super) use methods::{DeviceAnswer, MAX_PAYLOAD, MethodOutcome, MethodRefusal, MethodRequest};
pub(super) use refusal::{Precondition, Refusal};
pub(super) use registry::{Counts, Registration};
pub(super) use search::Slice;
pub(super) use state::{CallId, ConnectionId, Effect, Partition};

#[cfg(test)]
mod tests;
