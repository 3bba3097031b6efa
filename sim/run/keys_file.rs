//! Random keys for a fleet, kept in a file before any hub is told: nothing is lost by whatever ends the program.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::devices_file::{self, DevicesFileError, Roster};
use crate::device::Auth;
use crate::dialect::azure::Key;
use crate::policy::DeviceIds;

/// A file of keys that nobody else adds to as long as this lives.
#[derive(Debug)]
pub(super) struct KeysFile {
    path: PathBuf,
    /// `None` where nothing is to be written.
    lock: Option<File>,
}

impl KeysFile {
    /// The file at `path`, or the one that it links to; with `writes`, it is locked until this is dropped.
    ///
    /// # Errors
    /// Another program has it locked, or it cannot be locked.
    pub(super) fn open(path: &Path, writes: bool) -> Result<Self, DevicesFileError> {
        let unwritable = |source| DevicesFileError::Unwritable { path: path.to_owned(), source };
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            // To put a file in its place would cut the link.
            Err(source) if fs::symlink_metadata(path).is_ok() => return Err(unwritable(source)),
            Err(_) => path.to_owned(),
        };
        if !writes {
            return Ok(Self { path: real, lock: None });
        }
        // The file itself is replaced by each change, so that its lock would be lost.
        let lock = beside(&real, ".lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock);
        let lock = lock.map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: real, lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(DevicesFileError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unwritable(source)),
        }
    }

    /// Gives each of the first `devices` of `ids` a key, and tells those keys. What the file has already is kept, and
    /// nobody but its owner can read it. Where nothing is to be written, new keys are forgotten.
    ///
    /// # Errors
    /// The file is none of keys, or cannot be written.
    pub(super) fn complete(&self, ids: &DeviceIds, devices: u32) -> Result<Roster, DevicesFileError> {
        let path = &*self.path;
        let mut text = match devices_file::text(path) {
            Err(DevicesFileError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                "id,key\n".to_owned()
            }
            text => text?,
        };
        let there: HashSet<u32> = devices_file::ids(&text, path)?.iter().filter_map(|id| ids.device(id)).collect();
        let missing: Vec<u32> = (0..devices).filter(|device| !there.contains(device)).collect();
        let wanted = |id: &str| ids.device(id).is_some_and(|device| device < devices);
        let unwritable = |source| DevicesFileError::Unwritable { path: path.to_owned(), source };
        if !missing.is_empty() {
            append(&mut text, ids, &missing).map_err(unwritable)?;
        }
        // What could not be read again must not be written either.
        let mut roster = devices_file::keyed(&text, path, wanted)?;
        if !missing.is_empty() && self.lock.is_some() {
            write(path, &text).map_err(unwritable)?;
        }
        roster.warning = if missing.is_empty() { devices_file::warning(path, Auth::Sas)? } else { None };
        Ok(roster)
    }

    /// The devices that it has of `ids`, of the first `devices` if that is said.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(super) fn read(&self, ids: &DeviceIds, devices: Option<u32>) -> Result<Roster, DevicesFileError> {
        let most = devices.unwrap_or(u32::MAX);
        let wanted = |id: &str| ids.device(id).is_some_and(|device| device < most);
        let mut roster = devices_file::keyed(&devices_file::text(&self.path)?, &self.path, wanted)?;
        roster.warning = devices_file::warning(&self.path, Auth::Sas)?;
        Ok(roster)
    }
}

/// Adds a line with a random key for each of `missing`, in the columns of the file.
fn append(text: &mut String, ids: &DeviceIds, missing: &[u32]) -> io::Result<()> {
    let header = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes()).headers()?.clone();
    let mut lines = csv::Writer::from_writer(Vec::new());
    for device in missing {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        let (id, key) = (ids.id(*device), Key::from_bytes(bytes).to_base64());
        lines.write_record(header.iter().map(|column| match column {
            "id" => &*id,
            "key" => &*key,
            _ => "",
        }))?;
    }
    let lines = lines.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&String::from_utf8_lossy(&lines));
    Ok(())
}

/// The path of a file that belongs to the one at `path`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The file appears whole, under its name, and is on the disk.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let part = beside(path, ".part");
    // One that was left behind may be open to others.
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn complete(path: &Path, ids: &DeviceIds, devices: u32) -> Result<Roster, DevicesFileError> {
        KeysFile::open(path, true)?.complete(ids, devices)
    }

    #[test]
    fn keys_are_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.csv");
        let ids = DeviceIds::new("sim-");
        complete(&path, &ids, 2).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        complete(&path, &ids, 2).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        complete(&path, &ids, 3).unwrap();
        let grown = fs::read_to_string(&path).unwrap();
        assert!(grown.starts_with(&first) && grown.lines().count() == 4, "{}", grown.lines().count());
        let keys: HashSet<&str> = grown.lines().filter_map(|line| line.split(',').nth(1)).collect();
        assert_eq!(keys.len(), 4, "no two are the same");
        let roster = devices_file::read(&path, 3, Auth::Sas).unwrap();
        assert_eq!((roster.ids.id(2), roster.warning), ("sim-0000002".to_owned(), None));
    }

    #[test]
    fn a_file_of_something_else_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.csv");
        fs::write(&path, "dear diary\n").unwrap();
        assert!(complete(&path, &DeviceIds::new("sim-"), 2).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary\n");
    }

    #[test]
    fn other_columns_are_kept_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.csv");
        fs::write(&path, "certificate,key,private_key,id\n").unwrap();
        let ids = DeviceIds::new("#a,b-");
        let made = complete(&path, &ids, 2).unwrap();
        assert_eq!((made.ids.id(0), made.ids.id(1)), (ids.id(0), ids.id(1)));
        let read = devices_file::read(&path, 2, Auth::Sas).unwrap();
        assert_eq!(made.secrets.key(1, &ids.id(1)), read.secrets.key(1, &ids.id(1)));
    }

    #[test]
    fn a_second_fleet_in_a_file_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.csv");
        complete(&path, &DeviceIds::new("a-"), 3).unwrap();
        let ids = DeviceIds::new("b-");
        let made = complete(&path, &ids, 2).unwrap();
        assert_eq!([0, 1, 2].map(|device| made.ids.id(device)), ["b-0000000", "b-0000001", ""]);
        let file = KeysFile::open(&path, false).unwrap();
        for (devices, last) in [(None, "b-0000001"), (Some(1), "")] {
            let read = file.read(&ids, devices).unwrap();
            assert_eq!((read.ids.id(0), read.ids.id(1)), ("b-0000000".to_owned(), last.to_owned()));
        }
    }

    #[test]
    fn one_at_a_time_may_write_and_a_dry_run_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.csv");
        let ids = DeviceIds::new("a-");
        assert_eq!(KeysFile::open(&path, false).unwrap().complete(&ids, 1).unwrap().ids.id(0), "a-0000000");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let first = KeysFile::open(&path, true).unwrap();
        let second = KeysFile::open(&path, true).unwrap_err().to_string();
        assert!(second.contains("another"), "{second}");
        drop(first);
        complete(&path, &ids, 1).unwrap();
    }

    #[test]
    fn a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("keys.csv"), folder.path().join("link.csv"));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let ids = DeviceIds::new("a-");
        assert!(complete(&link, &ids, 1).is_err(), "it leads nowhere");
        complete(&path, &ids, 1).unwrap();
        complete(&link, &ids, 2).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
