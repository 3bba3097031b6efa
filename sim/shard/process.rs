//! A shard as a process of its own: the child's side of its messages, lines of JSON over its standard streams.

use std::io::{self, BufReader};
use std::thread;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;

use super::lines::{read_line, write_line};
use super::message::{FromShard, ToShard};
use super::workers::{QUEUE, spawn_shard};

/// Serves one assignment of the parent process. The end of the channel from it ends everything.
///
/// # Errors
/// There can be no thread, or the parent is gone.
pub fn serve_shard_process() -> io::Result<()> {
    // Beside the channel, in case this process is stopped or stuck when its parent ends.
    set_pdeathsig(Signal::SIGKILL)?;
    let (tell, orders) = mpsc::channel::<ToShard>(QUEUE);
    thread::Builder::new().name("orders".to_owned()).spawn(move || {
        let (mut from, mut line) = (BufReader::new(io::stdin().lock()), Vec::new());
        // A parent that is gone or talks nonsense has nothing more to say: the shard ends.
        while let Ok(Some(order)) = read_line(&mut from, &mut line) {
            if tell.blocking_send(order).is_err() {
                break;
            }
        }
    })?;
    let (say, mut words) = mpsc::channel::<FromShard>(QUEUE);
    let shard = spawn_shard(None, orders, say)?;
    // Histograms are packed on this thread, which has nothing else to do.
    let mut out = io::stdout().lock();
    while let Some(word) = words.blocking_recv() {
        write_line(&mut out, &word)?;
    }
    shard.join().map_err(|_| io::Error::other("the shard's thread has panicked"))
}
