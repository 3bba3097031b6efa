mod connection;
mod faults;
mod interleavings;
mod late_reply;
mod restarts;
mod rig;
mod scripts;
mod updates;
