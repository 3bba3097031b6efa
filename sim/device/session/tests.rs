mod afflictions;
mod connection;
mod faults;
mod interleavings;
mod rig;
mod updates;
