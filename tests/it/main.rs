//! Integration tests, by actor. One binary: it links once and its tests share the machine's cores.

mod layers;
