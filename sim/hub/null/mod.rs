//! The null hub: it does what the generator needs to do all of its own work, and nothing else, as cheaply as can be. What
//! is measured against it is the generator's own ceiling, which no hub under test can be measured beyond.
//!
//! Over the same sockets as the embedded hub it acknowledges whatever devices send, keeps the last value of each of their
//! reported properties, passes method calls on and shows the observer what changed. It looks at no token, checks no
//! document beyond what its own answers need, and keeps no limit.

mod calls;
mod devices;
mod link;
mod rest;
mod seat;
mod twin;
mod worker;

pub(super) use seat::{Seat, lacks};
