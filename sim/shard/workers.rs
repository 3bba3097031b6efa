//! A shard's thread and its runtime.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::{Receiver, Sender};

use super::message::{FromShard, ToShard};
use super::serve::serve;
use crate::measure::Tracer;

/// Messages that may be under way in either direction. A shard sends one a second and, where it follows a device, one
/// for each thing that happens to it; a coordinator that takes none for so long makes it wait, which delays progress and
/// no measurement.
pub const QUEUE: usize = 256;

/// Starts a shard on a thread of this process. It ends when it has said its last word, or when nobody listens.
///
/// # Errors
/// No thread or runtime can be made.
pub fn spawn_shard(
    tracer: Option<Arc<Tracer>>,
    orders: Receiver<ToShard>,
    say: Sender<FromShard>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("shard".to_owned()).spawn(move || runtime.block_on(serve(tracer, orders, say)))
}
