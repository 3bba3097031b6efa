//! A shard as a process of its own: the child's side of its messages, lines of JSON over its standard streams.

use std::io::{self, BufReader};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;

use super::lines::{read_line, write_line};
use super::message::{FromShard, ToShard};
use super::workers::{QUEUE, spawn_shard};

/// All shards take stock at the same moment; what each has to tell of it, histograms to be packed, is spread over so long.
const SPREAD: Duration = Duration::from_millis(500);

/// Serves one assignment of the parent process. The end of the channel from it ends everything.
///
/// # Errors
/// There can be no thread, or the parent is gone.
pub fn serve_shard_process() -> io::Result<()> {
    // Beside the channel, in case this process is stopped or stuck when its parent ends.
    set_pdeathsig(Signal::SIGKILL)?;
    let (tell, orders) = mpsc::channel::<ToShard>(QUEUE);
    let turn = Arc::new(OnceLock::new());
    let assigned = Arc::clone(&turn);
    thread::Builder::new().name("orders".to_owned()).spawn(move || {
        let (mut from, mut line) = (BufReader::new(io::stdin().lock()), Vec::new());
        // A parent that is gone or talks nonsense has nothing more to say: the shard ends.
        while let Ok(Some(order)) = read_line(&mut from, &mut line) {
            if let ToShard::Assign(assignment) = &order {
                // There is one assignment only.
                let _ = assigned.set(assignment.range.turn(assignment.plan.fleet.devices));
            }
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
        if matches!(&word, FromShard::Progress(progress) if !progress.finished) {
            thread::sleep(SPREAD.mul_f64(turn.get().copied().unwrap_or_default()));
        }
        write_line(&mut out, &word)?;
    }
    shard.join().map_err(|_| io::Error::other("the shard's thread has panicked"))
}
