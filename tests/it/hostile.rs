//! Whoever comes to the hub to hurt it: he is closed or refused, in bounded memory, and others do not notice.

mod devices;
mod flood;
mod reach;
mod strangers;
