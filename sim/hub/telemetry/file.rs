//! Writes messages to a file, on a thread of its own: disks are slow, and devices must not wait for them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::line::write_line;
use super::message::Message;

/// Messages that may wait for the disk.
const MAX_WAITING: usize = 16_384;
/// The memory that they may take, in bytes.
const MAX_MEMORY: usize = 64 * 1024 * 1024;
/// Lines that are written before they are flushed, if more wait.
const BATCH: usize = 1024;

/// The way to the file. When the disk is slower than the devices and the queue is full, messages are left out of the
/// file, counted and complained about: to hold back acknowledgements instead would slow down twins and methods as well,
/// which come over the same connections.
#[derive(Debug, Clone)]
pub(in crate::hub) struct TelemetryFile {
    queue: SyncSender<Box<Message>>,
    backlog: Arc<Backlog>,
}

#[derive(Debug, Default)]
struct Backlog {
    /// Where it waits to be written.
    path: PathBuf,
    /// Of what waits, in bytes.
    memory: AtomicUsize,
    lost: AtomicU64,
}

impl Backlog {
    fn lose(&self, why: &str) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        // A few lines of the log for any number of messages.
        if lost.is_power_of_two() {
            let path = self.path.display();
            tracing::warn!(
                lost,
                "telemetry is not written to {path}: {why}; make room there, or name another --telemetry"
            );
        }
    }
}

impl TelemetryFile {
    /// Opens the file at `path` and starts the thread, which ends with the last clone of the result and has written and
    /// flushed all that was put by then. What the file holds already stays.
    pub(in crate::hub) fn open(path: &Path) -> io::Result<(Self, JoinHandle<()>)> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (queue, waiting) = sync_channel(MAX_WAITING);
        let backlog = Arc::new(Backlog { path: path.to_owned(), ..Backlog::default() });
        let of_thread = Arc::clone(&backlog);
        let thread =
            thread::Builder::new().name("telemetry".to_owned()).spawn(move || write(file, &waiting, &of_thread))?;
        Ok((Self { queue, backlog }, thread))
    }

    /// Lets `message` be written.
    pub(in crate::hub) fn put(&self, message: Box<Message>) {
        let memory = message.memory();
        let before = self.backlog.memory.fetch_add(memory, Ordering::Relaxed);
        if before + memory > MAX_MEMORY || self.queue.try_send(message).is_err() {
            self.backlog.memory.fetch_sub(memory, Ordering::Relaxed);
            self.backlog.lose("the disk is slower than the devices");
        }
    }
}

fn write(file: File, waiting: &Receiver<Box<Message>>, backlog: &Backlog) {
    let mut file = BufWriter::with_capacity(256 * 1024, file);
    let mut line = Vec::new();
    while let Ok(first) = waiting.recv() {
        for message in std::iter::once(first).chain(waiting.try_iter().take(BATCH)) {
            line.clear();
            write_line(&message, &mut line);
            if let Err(error) = file.write_all(&line) {
                backlog.lose(&error.to_string());
            }
            backlog.memory.fetch_sub(message.memory(), Ordering::Relaxed);
        }
        if let Err(error) = file.flush() {
            backlog.lose(&error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::super::message::AuthMethod;
    use super::*;

    fn message(n: usize, bytes: usize) -> Box<Message> {
        Box::new(Message {
            sender: format!("d{n}").into(),
            generation: 1,
            method: AuthMethod::Key,
            model: None,
            at: Timestamp::UNIX_EPOCH,
            properties: "".into(),
            retain: false,
            is_will: false,
            body: vec![b'1'; bytes].into(),
        })
    }

    #[test]
    fn all_that_was_put_is_written_in_order_when_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("telemetry.ndjson");
        fs::write(&path, "{}\n").unwrap();
        let (file, thread) = TelemetryFile::open(&path).unwrap();
        for n in 0..3000 {
            file.put(message(n, 1));
        }
        drop(file);
        thread.join().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3001, "behind what was there");
        assert!(text.lines().skip(1).enumerate().all(|(n, line)| line.contains(&format!("\"deviceId\":\"d{n}\""))));
    }

    #[test]
    fn what_a_full_queue_does_not_take_is_counted() {
        let (queue, waiting) = sync_channel(2);
        let file = TelemetryFile { queue, backlog: Arc::default() };
        for n in 0..5 {
            file.put(message(n, 1));
        }
        assert_eq!(file.backlog.lost.load(Ordering::Relaxed), 3);
        waiting.recv().unwrap();
        file.put(message(9, MAX_MEMORY));
        assert_eq!(file.backlog.lost.load(Ordering::Relaxed), 4, "nor what takes too much memory");
    }
}
