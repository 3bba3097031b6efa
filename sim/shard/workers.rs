//! A shard's thread and its runtime.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc;

use super::message::{FromShard, ToShard};
use super::serve::serve;
use crate::measure::Tracer;
use crate::time::Clock;

/// Messages under way in either direction. A shard sends one a second; a coordinator that takes none for so long
/// makes it wait, which delays progress and no measurement.
const QUEUE: usize = 16;

/// A shard.
#[derive(Debug)]
pub struct Shard;

/// The coordinator's end of a shard in this process. Dropping it ends the shard.
#[derive(Debug)]
pub struct ShardHandle {
    /// What the shard says.
    pub messages: mpsc::Receiver<FromShard>,
    /// What it is told.
    pub orders: mpsc::Sender<ToShard>,
    _thread: JoinHandle<()>,
}

impl Shard {
    /// Starts a shard on a thread of this process. Its times are those of `clock`.
    ///
    /// # Errors
    /// No thread or runtime can be made.
    pub fn spawn(clock: Clock, tracer: Option<Arc<Tracer>>) -> io::Result<ShardHandle> {
        let (orders, taken) = mpsc::channel(QUEUE);
        let (say, messages) = mpsc::channel(QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new()
            .name("shard-0".to_owned())
            .spawn(move || runtime.block_on(serve(clock, tracer, taken, say)))?;
        Ok(ShardHandle { messages, orders, _thread: thread })
    }
}
