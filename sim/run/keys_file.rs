//! Random keys for a fleet, kept in a file before any hub is told: nothing is lost by whatever ends the program.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::devices_file::{self, DevicesFileError};
use crate::device::Auth;
use crate::dialect::azure::Key;
use crate::policy::DeviceIds;

/// Gives each of the first `devices` of `ids` a key in the file at `path`, which nobody but its owner can read. Keys that
/// it has already are kept.
///
/// # Errors
/// The file is none of keys, or cannot be written.
pub(super) fn complete(path: &Path, ids: &DeviceIds, devices: u32) -> Result<(), DevicesFileError> {
    let unreadable = |source| DevicesFileError::Unreadable { path: path.to_owned(), source };
    let mut text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => "id,key\n".to_owned(),
        Err(error) => return Err(unreadable(error)),
    };
    let there: HashSet<u32> =
        devices_file::ids(&text, path, Auth::Sas)?.iter().filter_map(|id| ids.device(id)).collect();
    let missing: Vec<u32> = (0..devices).filter(|device| !there.contains(device)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    for device in missing {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| unreadable(io::Error::other(error.to_string())))?;
        let _ = writeln!(text, "{},{}", ids.id(device), Key::from_bytes(bytes).to_base64());
    }
    write(path, &text).map_err(|source| DevicesFileError::Unwritable { path: path.to_owned(), source })
}

/// The file appears whole, under its name, and is on the disk.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
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
}
