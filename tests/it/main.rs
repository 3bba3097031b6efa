//! Actors over real sockets.

mod hub;
