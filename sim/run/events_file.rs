//! `events.ndjson` while a run goes on: a thread of its own writes what the shards tell once a second, so that a slow disk
//! holds up nobody.
//!
//! Until its end the file is called `events.ndjson.part`. What finds no room on its way is dropped and counted, by the shards
//! ([`Events`]) or here. Where a line cannot be written, the file is given up and removed: on a full disk it would take
//! the room of the results.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use super::coordinator::Coordinator;
use super::output::{Output, OutputError};
use crate::measure::{Event, EventCounts, Events, Happening};
use crate::policy::Outcome;
use crate::report::{EVENTS_FILE, EventLines};

/// What was told at a time may wait so often; each is what a shard told of a second.
const WAITING: usize = 64;
/// Bytes that are put together before they are written.
const CHUNK: usize = 256 * 1024;

/// The file, and the way to it.
#[derive(Debug)]
pub(super) struct EventsFile {
    batches: SyncSender<Batch>,
    trouble: Receiver<String>,
    thread: JoinHandle<Result<u64, OutputError>>,
    part: EventsPart,
    /// All that were told of, and those among them that found no room.
    told: u64,
    dropped: u64,
    /// Whether it was said that some were.
    said: bool,
}

/// The file while it has not got its name. One that is dropped before that is removed: without a result there is nothing that
/// looks like a part of one.
#[derive(Debug)]
pub(super) struct EventsPart {
    part: PathBuf,
    path: PathBuf,
}

impl EventsPart {
    /// Gives it its name.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub(super) fn keep(&self) -> Result<(), OutputError> {
        fs::rename(&self.part, &self.path).map_err(|source| OutputError::Write { path: self.path.clone(), source })
    }
}

impl Drop for EventsPart {
    fn drop(&mut self) {
        // One that was kept, or given up, is not there any more.
        let _ = fs::remove_file(&self.part);
    }
}

/// What a shard told of at a time.
struct Batch {
    shard: usize,
    events: Events,
}

impl EventsFile {
    /// Begins the file in the folder of results.
    ///
    /// # Errors
    /// It cannot be made, or there can be no thread.
    pub(super) fn create(output: &Output, lines: EventLines) -> Result<Self, OutputError> {
        let part = format!("{EVENTS_FILE}.part");
        let file = output.create(&part)?;
        let (part, path) = (output.folder().join(part), output.folder().join(EVENTS_FILE));
        // One of an earlier run must not be taken for this one's, should this one fail.
        let _ = fs::remove_file(&path);
        let (batches, waiting) = sync_channel(WAITING);
        let (tell, trouble) = sync_channel(1);
        let failed = path.clone();
        let unnamed = EventsPart { part: part.clone(), path: path.clone() };
        let write = move || {
            let written = write(file, &path, &lines, &waiting);
            if let Err(error) = &written {
                // Half a file helps nobody; if it cannot be removed, nothing is lost.
                let _ = fs::remove_file(&part);
                let _ = tell.try_send(format!("there will be no {EVENTS_FILE}: {error}"));
            }
            written
        };
        let thread = thread::Builder::new()
            .name("events".to_owned())
            .spawn(write)
            .map_err(|source| OutputError::Write { path: failed, source })?;
        Ok(Self { batches, trouble, thread, part: unnamed, told: 0, dropped: 0, said: false })
    }

    /// Takes what a shard told of, if there is room.
    fn take_in(&mut self, shard: usize, events: Events) {
        if events.is_empty() {
            return;
        }
        let kept = events.kept().len() as u64;
        self.told += kept + events.dropped();
        self.dropped += events.dropped();
        // Where the file was given up, nobody takes them any more either.
        if self.batches.try_send(Batch { shard, events }).is_err() {
            self.dropped += kept;
        }
    }

    /// What the user should know by now, in words.
    fn look(&mut self) -> Option<String> {
        match self.trouble.try_recv() {
            Ok(trouble) => {
                self.said = true;
                Some(trouble)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                let say = self.dropped > 0 && !self.said;
                self.said |= say;
                say.then(|| format!("{EVENTS_FILE} is not whole: {} events found no room so far", self.dropped))
            }
        }
    }

    /// Ends the file: how many lines it has and lacks; with that, what is to be kept of it, or why there is nothing.
    pub(super) fn finish(self) -> (EventCounts, Result<EventsPart, OutputError>) {
        let Self { batches, thread, told, part, .. } = self;
        drop(batches);
        let written = thread.join().unwrap_or_else(|_| {
            Err(OutputError::Write { path: EVENTS_FILE.into(), source: io::Error::other("its thread has panicked") })
        });
        match written {
            Ok(written) => (EventCounts { written, dropped: told.saturating_sub(written) }, Ok(part)),
            Err(error) => (EventCounts { written: 0, dropped: told }, Err(error)),
        }
    }
}

/// The thread's work: how many lines it has written.
fn write(mut file: File, path: &Path, lines: &EventLines, batches: &Receiver<Batch>) -> Result<u64, OutputError> {
    let failed = |source| OutputError::Write { path: path.to_owned(), source };
    let (mut text, mut written) = (Vec::with_capacity(CHUNK), 0);
    for Batch { shard, events } in batches {
        for event in events.kept() {
            lines.put(&mut text, shard, event).map_err(|error| failed(error.into()))?;
            written += 1;
            if text.len() >= CHUNK {
                file.write_all(&text).map_err(failed)?;
                text.clear();
            }
        }
        file.write_all(&text).map_err(failed)?;
        text.clear();
    }
    file.sync_all().map_err(failed)?;
    Ok(written)
}

impl Coordinator {
    /// Takes what a shard told of what happened to updates.
    pub(super) fn take_in_events(&mut self, shard: usize, events: Events) {
        if let Some(file) = &mut self.events {
            file.take_in(shard, events);
        }
    }

    /// So many updates of a shard ended so without its telling.
    pub(super) fn note_lost(&mut self, shard: usize, outcome: Outcome, detail: &str, count: u64) {
        let mut events = Events::default();
        if count > 0 {
            let at = self.clock.now();
            let what = Happening::EndedUncalled { outcome, detail: detail.into(), count };
            events.note(Event { at, device: 0, update: 0, what });
        }
        self.take_in_events(shard, events);
    }

    /// Says what the user should know of the events' file.
    pub(super) fn look_after_events(&mut self) {
        if let Some(trouble) = self.events.as_mut().and_then(EventsFile::look) {
            self.live.say(&format!("warning: {trouble}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::DeviceIds;
    use crate::time::Nanos;

    fn events(count: u64) -> Events {
        let mut events = Events::default();
        for update in 0..count {
            events.note(Event { at: Nanos::ZERO, device: 1, update, what: Happening::Due });
        }
        events
    }

    fn file(folder: &Path) -> EventsFile {
        let output = Output::open(folder.to_owned(), &[]).unwrap();
        EventsFile::create(&output, EventLines::new(DeviceIds::new("sim-"), None)).unwrap()
    }

    #[test]
    fn lines_appear_whole_under_the_files_name_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = file(folder.path());
        file.take_in(0, events(3));
        file.take_in(1, events(4_000));
        let (path, part) = (folder.path().join("events.ndjson"), folder.path().join("events.ndjson.part"));
        assert!(part.exists() && !path.exists());
        assert_eq!(file.look(), None);
        let (counts, unnamed) = file.finish();
        assert_eq!(counts, EventCounts { written: 4_003, dropped: 0 });
        assert!(part.exists() && !path.exists(), "there is no result yet");
        unnamed.unwrap().keep().unwrap();
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 4_003);
        assert!(!part.exists());
    }

    #[test]
    fn without_a_result_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = file(folder.path());
        file.take_in(0, events(3));
        drop(file.finish());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_shards_dropped_is_said_once_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = file(folder.path());
        file.take_in(0, events(Events::ROOM as u64 + 5));
        assert!(file.look().is_some_and(|said| said.contains("5 events found no room")));
        assert_eq!(file.look(), None);
        assert_eq!(file.finish().0, EventCounts { written: Events::ROOM as u64, dropped: 5 });
    }
}
