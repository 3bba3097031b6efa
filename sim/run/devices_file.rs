//! A file that names the devices of a fleet, with the key or the certificate of each: CSV with a header.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use crate::device::Auth;
use crate::dialect::azure::{CertificateFiles, DeviceSecrets, Key, is_device_id};
use crate::policy::{Arena, DeviceIds};

/// The columns that a file may have.
const COLUMNS: [&str; 4] = ["id", "key", "certificate", "private_key"];

/// The devices of a fleet, in the order of their ids.
#[derive(Debug, Clone)]
pub(super) struct Roster {
    pub(super) ids: DeviceIds,
    pub(super) secrets: DeviceSecrets,
    /// What the user should know of the file, in words.
    pub(super) warning: Option<String>,
}

/// What is wrong with a devices file. Never quotes a key.
#[derive(Debug, thiserror::Error)]
pub enum DevicesFileError {
    /// It cannot be read.
    #[error("cannot read the devices file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A line is wrong.
    #[error("{}:{line}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it, and what is allowed.
        why: String,
    },
    /// It cannot be written.
    #[error("cannot write the keys to {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// There are two.
    #[error("--keys {} and fleet.devices_file both name devices: take one", path.display())]
    Both {
        /// The file of keys.
        path: PathBuf,
    },
    /// It has less devices than the fleet.
    #[error(
        "{} has {found} devices and the fleet {wanted}: add some, or take `--devices {found}` (fleet.devices)",
        path.display()
    )]
    TooFew {
        /// The file.
        path: PathBuf,
        /// Devices in it.
        found: u32,
        /// Devices of the fleet.
        wanted: u32,
    },
}

/// A device as the file has it.
#[derive(Debug)]
struct Entry {
    id: String,
    line: u64,
    /// The bytes of its key, or the path of its certificate and that of its private key.
    proof: (Vec<u8>, String),
}

/// Where each column that is needed stands.
struct Columns {
    id: usize,
    /// That of the key, or of the certificate.
    proof: usize,
    private_key: Option<usize>,
}

/// Reads the first `devices` of the file at `path`, which prove themselves by `auth`.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn read(path: &Path, devices: u32, auth: Auth) -> Result<Roster, DevicesFileError> {
    read_some(path, Some(devices), auth)
}

/// The same; all of the file without `devices`.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn read_some(path: &Path, devices: Option<u32>, auth: Auth) -> Result<Roster, DevicesFileError> {
    let unreadable = |source| DevicesFileError::Unreadable { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mode = fs::metadata(path).map_err(unreadable)?.mode();
    let mut roster = parse(&text, path, devices, auth)?;
    if auth == Auth::Sas && mode & 0o077 != 0 {
        let name = path.display();
        roster.warning = Some(format!("{name} holds keys and is open to others: chmod 600 {name}"));
    }
    Ok(roster)
}

/// The ids in a file, in its order.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn ids(text: &str, path: &Path, auth: Auth) -> Result<Vec<String>, DevicesFileError> {
    Ok(entries(text, path, u32::MAX, auth)?.into_iter().map(|entry| entry.id).collect())
}

/// The first `devices` of a file, or fewer.
fn entries(text: &str, path: &Path, devices: u32, auth: Auth) -> Result<Vec<Entry>, DevicesFileError> {
    let wrong = |line: u64, why: String| DevicesFileError::Line { path: path.to_owned(), line, why };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut reader = ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let columns = match reader.headers() {
        Ok(header) => Columns::of(header, auth).map_err(|why| wrong(1, why))?,
        Err(error) => return Err(broken(text, path, error)),
    };
    let mut entries = Vec::new();
    let mut record = StringRecord::new();
    while entries.len() < devices as usize
        && reader.read_record(&mut record).map_err(|error| broken(text, path, error))?
    {
        let line = record.position().map_or(0, |position| line_of(text, position));
        entries.push(columns.entry(&record, line, folder).map_err(|why| wrong(line, why))?);
    }
    Ok(entries)
}

fn parse(text: &str, path: &Path, devices: Option<u32>, auth: Auth) -> Result<Roster, DevicesFileError> {
    let wrong = |line: u64, why: String| DevicesFileError::Line { path: path.to_owned(), line, why };
    let mut entries = entries(text, path, devices.unwrap_or(u32::MAX), auth)?;
    let found = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    if let Some(wanted) = devices.filter(|wanted| found < *wanted) {
        return Err(DevicesFileError::TooFew { path: path.to_owned(), found, wanted });
    }
    entries.sort_unstable_by(|a, b| (&a.id, a.line).cmp(&(&b.id, b.line)));
    if let Some([first, second]) = entries.array_windows().find(|[first, second]| first.id == second.id) {
        return Err(wrong(second.line, format!("device `{}` stands in line {} already", first.id, first.line)));
    }
    let too_long = || wrong(0, "its ids, keys or paths are longer than 4 GiB together".to_owned());
    let ids = DeviceIds::listed(entries.iter().map(|entry| &entry.id)).ok_or_else(too_long)?;
    let secrets = match auth {
        Auth::Sas => Arena::new(0, entries.iter().map(|entry| &entry.proof.0)).map(Arc::new).map(DeviceSecrets::Keys),
        Auth::X509 => {
            let (certificates, keys): (Vec<String>, Vec<String>) = entries
                .into_iter()
                .map(|entry| (String::from_utf8_lossy(&entry.proof.0).into_owned(), entry.proof.1))
                .unzip();
            CertificateFiles::new(0, &certificates, &keys).map(DeviceSecrets::Certificates)
        }
    };
    Ok(Roster { ids, secrets: secrets.ok_or_else(too_long)?, warning: None })
}

/// The line of what was read at `position`, which is where the empty lines and the comments before it begin.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let from = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let skipped = from.lines().take_while(|line| line.trim().is_empty() || line.starts_with('#'));
    position.line() + skipped.count() as u64
}

/// A line that cannot even be cut into columns.
fn broken(text: &str, path: &Path, error: csv::Error) -> DevicesFileError {
    let line = error.position().map_or(1, |position| line_of(text, position));
    let why = match error.into_kind() {
        ErrorKind::Io(source) => return DevicesFileError::Unreadable { path: path.to_owned(), source },
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} columns and the header {expected_len}")
        }
        ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        _ => "it is no CSV".to_owned(),
    };
    DevicesFileError::Line { path: path.to_owned(), line, why }
}

impl Columns {
    fn of(header: &StringRecord, auth: Auth) -> Result<Self, String> {
        if let Some(other) = header.iter().find(|name| !COLUMNS.contains(name)) {
            // A file without a header has a key there, or something as secret.
            let shown = if is_device_id(other) && other.len() < 16 { format!("`{other}`") } else { "this".to_owned() };
            return Err(format!("a header comes first, with the columns {}: {shown} is none", COLUMNS.join(", ")));
        }
        let find = |name: &str| header.iter().position(|column| column == name);
        let need = |name: &str| {
            let auth = if auth == Auth::Sas { "sas" } else { "x509" };
            find(name)
                .ok_or_else(|| format!("the header lacks the column `{name}`, which fleet.auth = \"{auth}\" needs"))
        };
        let id = need("id")?;
        Ok(match auth {
            Auth::Sas => Self { id, proof: need("key")?, private_key: None },
            Auth::X509 => Self { id, proof: need("certificate")?, private_key: Some(need("private_key")?) },
        })
    }

    fn entry(&self, record: &StringRecord, line: u64, folder: &Path) -> Result<Entry, String> {
        let column = |index: usize| record.get(index).unwrap_or_default();
        let id = column(self.id).to_owned();
        if !is_device_id(&id) {
            return Err(format!(
                "`{id}` is no device id: allowed are 1 to 128 letters, digits and the characters - . + % _ # * ? ! ( ) \
                 , : = @ $ '"
            ));
        }
        let path = |what: &str, index: usize| match column(index) {
            "" => Err(format!("`{id}` has no {what}")),
            // Relative to the file that names it, wherever the program was started.
            path => Ok(folder.join(path).to_string_lossy().into_owned()),
        };
        let proof = match self.private_key {
            None => {
                let key = Key::from_base64(column(self.proof)).map_err(|why| format!("the key of `{id}`: {why}"))?;
                (key.reveal().to_vec(), String::new())
            }
            Some(index) => (path("certificate", self.proof)?.into_bytes(), path("private_key", index)?),
        };
        Ok(Entry { id, line, proof })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 2] = ["MDEyMzQ1Njc4OWFiY2RlZg==", "ZmVkY2JhOTg3NjU0MzIxMA=="];

    fn read(text: &str, devices: u32, auth: Auth) -> Result<Roster, String> {
        parse(text, Path::new("my/devices.csv"), Some(devices), auth).map_err(|error| error.to_string())
    }

    #[test]
    fn devices_stand_in_the_order_of_their_ids() {
        let text = format!("key, id\n{}, pump#2\n# none\n{}, Pump-1\nnothing of this, is read\n", KEYS[0], KEYS[1]);
        let roster = read(&text, 2, Auth::Sas).unwrap();
        assert_eq!([roster.ids.id(0), roster.ids.id(1)], ["Pump-1", "pump#2"]);
        assert_eq!(roster.secrets.key(1, "pump#2"), Key::from_base64(KEYS[0]).ok());
    }

    #[test]
    fn certificates_are_named_relative_to_the_file() {
        let text = format!("id,certificate,private_key,key\na,a.pem,a.key,{}\nb,/b.pem,/b.key,\n", KEYS[0]);
        let DeviceSecrets::Certificates(files) = read(&text, 2, Auth::X509).unwrap().secrets else { panic!() };
        assert_eq!(files.of(0), Some(("my/a.pem".into(), "my/a.key".into())));
        assert_eq!(files.of(1), Some(("/b.pem".into(), "/b.key".into())));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_no_key() {
        let good = format!("a,{}\n", KEYS[0]);
        for (text, auth, says) in [
            ("", Auth::Sas, "my/devices.csv:1: the header lacks the column `id`"),
            (
                "id,certificate\n",
                Auth::Sas,
                "my/devices.csv:1: the header lacks the column `key`, which fleet.auth = \"sas\"",
            ),
            ("id,key\n", Auth::X509, "my/devices.csv:1: the header lacks the column `certificate`"),
            ("id,kye\n", Auth::Sas, "columns id, key, certificate, private_key: `kye` is none"),
            (&*good, Auth::Sas, "my/devices.csv:1: a header comes first"),
            ("id,key\na b,x\n", Auth::Sas, "my/devices.csv:2: `a b` is no device id"),
            (
                "id,key\r\n\n# none\na,c2VjcmV0\n",
                Auth::Sas,
                "my/devices.csv:4: the key of `a`: the key does not have 16 to 64",
            ),
            ("id,key\na\n", Auth::Sas, "my/devices.csv:2: it has 1 columns and the header 2"),
            ("id,certificate,private_key\na,a.pem,\n", Auth::X509, "my/devices.csv:2: `a` has no private_key"),
            (&*format!("id,key\n{good}b,{}\n{good}", KEYS[1]), Auth::Sas, ":4: device `a` stands in line 2 already"),
            (&*format!("id,key\n{good}"), Auth::Sas, "has 1 devices and the fleet 3: add some, or take `--devices 1`"),
        ] {
            let error = read(text, 3, auth).unwrap_err();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains(KEYS[0]) && !error.contains("c2VjcmV0"), "{error}");
        }
    }

    #[test]
    fn a_file_of_keys_that_others_can_read_is_told_of() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("devices.csv");
        std::fs::write(&path, format!("id,key\na,{}\n", KEYS[0])).unwrap();
        for (mode, told) in [(0o644, true), (0o600, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let roster = super::read(&path, 1, Auth::Sas).unwrap();
            assert_eq!(roster.warning.is_some_and(|text| text.contains("chmod 600")), told);
        }
    }
}
