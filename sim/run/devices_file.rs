//! A file that names the devices of a fleet, with the key or the certificate of each: CSV with a header.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::{ReaderBuilder, StringRecord};

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
    /// Somebody else makes keys.
    #[error("another `provision --keys {}` is under way: wait until it has ended", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
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
    let mut roster = parse(&text(path)?, path, devices, auth)?;
    roster.warning = warning(path, auth)?;
    Ok(roster)
}

/// What the user should know of the file at `path`.
///
/// # Errors
/// It is not there any more.
pub(super) fn warning(path: &Path, auth: Auth) -> Result<Option<String>, DevicesFileError> {
    let mode =
        fs::metadata(path).map_err(|source| DevicesFileError::Unreadable { path: path.to_owned(), source })?.mode();
    let name = path.display();
    let open = auth == Auth::Sas && mode & 0o077 != 0;
    Ok(open.then(|| format!("{name} holds keys and is open to others: chmod 600 {name}")))
}

/// The text of the file at `path`.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub(super) fn text(path: &Path) -> Result<String, DevicesFileError> {
    let bytes = fs::read(path).map_err(|source| DevicesFileError::Unreadable { path: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count() as u64;
        DevicesFileError::Line { path: path.to_owned(), line, why: "it is not UTF-8".to_owned() }
    })
}

/// The ids in a file of keys, in its order.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn ids(text: &str, path: &Path) -> Result<Vec<String>, DevicesFileError> {
    Ok(entries(text, path, u32::MAX, Auth::Sas)?.into_iter().map(|entry| entry.id).collect())
}

/// Those of a file of keys, whose text this is, that `wanted` says of by their ids.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn keyed(text: &str, path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Roster, DevicesFileError> {
    let mut entries = entries(text, path, u32::MAX, Auth::Sas)?;
    entries.retain(|entry| wanted(&entry.id));
    gather(entries, path, Auth::Sas)
}

/// The first `devices` of a file, or fewer.
fn entries(text: &str, path: &Path, devices: u32, auth: Auth) -> Result<Vec<Entry>, DevicesFileError> {
    let wrong = |line: u64, why: String| DevicesFileError::Line { path: path.to_owned(), line, why };
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut reader = ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    // The text is in memory and UTF-8, and columns are counted below: nothing is left that could fail.
    let failed = |_| wrong(1, "it is no CSV".to_owned());
    let header = reader.headers().map_err(failed)?.clone();
    let columns = Columns::of(&header, auth).map_err(|why| wrong(1, why))?;
    let mut entries = Vec::new();
    let mut record = StringRecord::new();
    while entries.len() < devices as usize && reader.read_record(&mut record).map_err(failed)? {
        let (from, line) = record.position().map_or((0, 0), |position| (byte(position), line_of(text, position)));
        let raw = text.get(from..byte(reader.position())).unwrap_or_default();
        // An open quote takes in the lines that follow.
        if raw.matches('"').count() % 2 == 1 || record.iter().any(|field| field.contains('\n')) {
            return Err(wrong(line, "a quote is not closed".to_owned()));
        }
        if record.len() != header.len() {
            return Err(wrong(line, format!("it has {} columns and the header {}", record.len(), header.len())));
        }
        entries.push(columns.entry(&record, line, folder).map_err(|why| wrong(line, why))?);
    }
    Ok(entries)
}

fn parse(text: &str, path: &Path, devices: Option<u32>, auth: Auth) -> Result<Roster, DevicesFileError> {
    let entries = entries(text, path, devices.unwrap_or(u32::MAX), auth)?;
    let found = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    if let Some(wanted) = devices.filter(|wanted| found < *wanted) {
        return Err(DevicesFileError::TooFew { path: path.to_owned(), found, wanted });
    }
    gather(entries, path, auth)
}

/// The devices of `entries`, each of which may be there once.
fn gather(mut entries: Vec<Entry>, path: &Path, auth: Auth) -> Result<Roster, DevicesFileError> {
    let wrong = |line: u64, why: String| DevicesFileError::Line { path: path.to_owned(), line, why };
    entries.sort_unstable_by(|a, b| (&a.id, a.line).cmp(&(&b.id, b.line)));
    if let Some([first, second]) = entries.array_windows().find(|[first, second]| first.id == second.id) {
        return Err(wrong(second.line, format!("its device stands in line {} already", first.line)));
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

fn byte(position: &csv::Position) -> usize {
    usize::try_from(position.byte()).unwrap_or(usize::MAX)
}

/// The line of what was read at `position`, which is where the empty lines before it begin.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let from = text.get(byte(position)..).unwrap_or_default();
    position.line() + from.lines().take_while(|line| line.is_empty()).count() as u64
}

impl Columns {
    fn of(header: &StringRecord, auth: Auth) -> Result<Self, String> {
        if let Some(other) = header.iter().find(|name| !COLUMNS.contains(name)) {
            // A file without a header has a key there, or something as secret.
            let shown = if is_device_id(other) && other.len() < 16 { format!("`{other}`") } else { "this".to_owned() };
            return Err(format!("a header comes first, with the columns {}: {shown} is none", COLUMNS.join(", ")));
        }
        if let Some(twice) = COLUMNS.iter().find(|name| header.iter().filter(|column| column == *name).count() > 1) {
            return Err(format!("the header has the column `{twice}` twice"));
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
        // No field is quoted: where columns are swapped a key stands in any of them.
        let id = column(self.id).to_owned();
        if !is_device_id(&id) {
            return Err("what stands in column `id` is no device id: allowed are 1 to 128 letters, digits and the \
                        characters - . + % _ # * ? ! ( ) , : = @ $ '"
                .to_owned());
        }
        let path = |what: &str, index: usize| match column(index) {
            "" => Err(format!("column `{what}` is empty")),
            // Relative to the file that names it, wherever the program was started.
            path => Ok(folder.join(path).to_string_lossy().into_owned()),
        };
        let proof = match self.private_key {
            None => {
                let key = Key::from_base64(column(self.proof)).map_err(|why| format!("column `key`: {why}"))?;
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
        let text = format!("key, id\n{}, #pump\n\n{}, Pump-1\nnothing of this, is read\n", KEYS[0], KEYS[1]);
        let roster = read(&text, 2, Auth::Sas).unwrap();
        assert_eq!([roster.ids.id(0), roster.ids.id(1)], ["#pump", "Pump-1"]);
        assert_eq!(roster.secrets.key(0, "#pump"), Key::from_base64(KEYS[0]).ok());
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
            ("id,key\na b,x\n", Auth::Sas, "my/devices.csv:2: what stands in column `id` is no device id"),
            (&*format!("key,id\n{good}"), Auth::Sas, "my/devices.csv:2: column `key`: "),
            (&*format!("key,id\na,{}/x\n", KEYS[0]), Auth::Sas, "my/devices.csv:2: what stands in column `id`"),
            (&*format!("id,key\n{good}id,\"x\n{good}"), Auth::Sas, "my/devices.csv:3: a quote is not closed"),
            (&*format!("id,key\nb,\"{}\n{good}", KEYS[1]), Auth::Sas, "my/devices.csv:2: a quote is not closed"),
            (&*format!("id,key,key\n{good}"), Auth::Sas, "my/devices.csv:1: the header has the column `key` twice"),
            (
                "id,key\r\n\n\r\n#a,c2VjcmV0\n",
                Auth::Sas,
                "my/devices.csv:4: column `key`: the key does not have 16 to 64",
            ),
            ("id,key\na\n", Auth::Sas, "my/devices.csv:2: it has 1 columns and the header 2"),
            ("id,certificate,private_key\na,a.pem,\n", Auth::X509, "my/devices.csv:2: column `private_key` is empty"),
            (&*format!("id,key\n{good}b,{}\n{good}", KEYS[1]), Auth::Sas, ":4: its device stands in line 2 already"),
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
        std::fs::write(folder.path().join("bytes.csv"), b"id,key\na,b\nc,\xff\n").unwrap();
        let error = super::read(&folder.path().join("bytes.csv"), 1, Auth::Sas).unwrap_err().to_string();
        assert!(error.ends_with("bytes.csv:3: it is not UTF-8"), "{error}");
        for (mode, told) in [(0o644, true), (0o600, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let roster = super::read(&path, 1, Auth::Sas).unwrap();
            assert_eq!(roster.warning.is_some_and(|text| text.contains("chmod 600")), told);
        }
    }
}
