//! What is remembered of calibrations: the highest load that this machine's generator made against a hub that only
//! acknowledges. Nothing that is measured close to it says anything of a hub.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::device::Transport;
use crate::driver::ObserveKind;
use crate::measure::MachineDescription;
use crate::policy::CapacityOf;

/// The environment variable that names the file, instead of `twinstorm/calibration.json` in `$XDG_STATE_HOME` or
/// `~/.local/state`.
pub const CALIBRATION_FILE: &str = "TWINSTORM_CALIBRATION";

/// The form of the file.
const SCHEMA: &str = "twinstorm.calibration/1";

/// From this part of the ceiling on, what was found may be the generator's limit.
const NEAR: f64 = 0.8;

/// The generator's own ceiling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What of.
    pub of: CapacityOf,
    /// The highest load that the generator made, in the unit of `of`.
    pub load: f64,
    /// What MQTT went over.
    pub transport: Transport,
    /// How transitions were observed.
    pub observe: ObserveKind,
    /// When.
    pub measured_at: Timestamp,
    /// On what, and by which program.
    pub machine: MachineDescription,
    /// The command that does it again.
    pub command: String,
}

/// Why calibrations cannot be remembered or recalled.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// It is not known where.
    #[error(
        "it is not known where calibrations are kept: neither XDG_STATE_HOME nor HOME is set; name a file by \
         {CALIBRATION_FILE}"
    )]
    Nowhere,
    /// The file cannot be read.
    #[error("cannot read the calibrations in {}: {source}; name another file by {CALIBRATION_FILE}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is none of ours, or damaged.
    #[error(
        "{} does not hold calibrations that this version reads: {why}; remove it and calibrate again (`twinstorm capacity \
         --calibrate`), or name another file by {CALIBRATION_FILE}",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be written.
    #[error("cannot keep the calibration in {}: {source}; name another file by {CALIBRATION_FILE}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The calibrations that are remembered: a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calibrations {
    path: PathBuf,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    calibrations: Vec<Calibration>,
}

impl Calibration {
    /// Whether it is of the same, on the same machine with the same program, as another: the newer counts.
    fn replaces(&self, other: &Self) -> bool {
        other.is_for(self.of, self.transport, &self.machine)
    }

    fn is_for(&self, of: CapacityOf, transport: Transport, machine: &MachineDescription) -> bool {
        (self.of, self.transport) == (of, transport) && self.machine == *machine
    }
}

impl Calibrations {
    /// Those in the file at `path`, which need not be there.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Those in the file that the environment's `variable` names: by `TWINSTORM_CALIBRATION`, or else in the folder for
    /// what programs remember.
    ///
    /// # Errors
    /// [`CalibrationError::Nowhere`].
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, CalibrationError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = set(CALIBRATION_FILE) {
            return Ok(Self { path });
        }
        // A relative folder is none (XDG Base Directory Specification).
        let state = set("XDG_STATE_HOME").filter(|folder| folder.is_absolute());
        let folder = state.or_else(|| Some(set("HOME")?.join(".local").join("state")));
        let path = folder.ok_or(CalibrationError::Nowhere)?.join("twinstorm").join("calibration.json");
        Ok(Self { path })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Remembers `calibration` in place of an earlier one of the same. Of two programs that do so at the same time, one
    /// may be forgotten, and the file is whole all the same.
    ///
    /// # Errors
    /// The file cannot be written, or holds what must not be overwritten.
    pub fn remember(&self, calibration: &Calibration) -> Result<(), CalibrationError> {
        let mut calibrations = self.read()?;
        calibrations.retain(|other| !calibration.replaces(other));
        calibrations.push(calibration.clone());
        let document = Document { schema: SCHEMA.to_owned(), calibrations };
        self.write(&document).map_err(|source| CalibrationError::Write { path: self.path.clone(), source })
    }

    /// The ceiling of `of` over `transport` on `machine`, if it was measured: on this very machine, by the same version of
    /// the program in the same build, as it may be another otherwise.
    ///
    /// # Errors
    /// There is a file, and it is of no use.
    pub fn recall(
        &self,
        of: CapacityOf,
        transport: Transport,
        machine: &MachineDescription,
    ) -> Result<Option<Calibration>, CalibrationError> {
        Ok(self.read()?.into_iter().find(|calibration| calibration.is_for(of, transport, machine)))
    }

    fn read(&self) -> Result<Vec<Calibration>, CalibrationError> {
        let path = || self.path.clone();
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(CalibrationError::Read { path: path(), source }),
        };
        let damaged = |why: String| CalibrationError::Damaged { path: path(), why };
        let document: Document = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if document.schema != SCHEMA {
            return Err(damaged(format!("its schema is `{}`, not `{SCHEMA}`", document.schema.escape_debug())));
        }
        match document.calibrations.iter().find(|calibration| !(calibration.load.is_finite() && calibration.load > 0.0))
        {
            Some(calibration) => Err(damaged(format!("a load of {} {}", calibration.load, calibration.of.unit()))),
            None => Ok(document.calibrations),
        }
    }

    /// Writes the file whole: it appears under its name once everything is in it.
    fn write(&self, document: &Document) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        // Another process may be writing as well.
        let mut part = self.path.clone().into_os_string();
        part.push(format!(".{}.part", std::process::id()));
        let part = PathBuf::from(part);
        let text = serde_json::to_vec_pretty(document)?;
        let written = File::create(&part)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&part, &self.path));
        if written.is_err() {
            // Half a file helps nobody; if it cannot be removed, nothing is lost.
            let _ = fs::remove_file(&part);
        }
        written
    }
}

/// Whether what was found, from `low` to `high`, reaches into the upper fifth of the generator's `ceiling`: it may then be
/// the generator's limit and not the hub's. Where no upper end was found, the lower one stands for it.
#[must_use]
pub fn near(low: Option<f64>, high: Option<f64>, ceiling: f64) -> bool {
    high.or(low).is_some_and(|load| load >= NEAR * ceiling)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Build;

    fn calibration(of: CapacityOf, load: f64) -> Calibration {
        Calibration {
            of,
            load,
            transport: Transport::Tcp,
            observe: ObserveKind::Query,
            measured_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            machine: MachineDescription {
                cpu: "c".to_owned(),
                cores: 2,
                version: "1".to_owned(),
                ..Default::default()
            },
            command: "twinstorm capacity --calibrate".to_owned(),
        }
    }

    fn folder() -> (tempfile::TempDir, Calibrations) {
        let folder = tempfile::tempdir().unwrap();
        let calibrations = Calibrations::at(folder.path().join("a/b/calibration.json"));
        (folder, calibrations)
    }

    #[test]
    fn what_was_remembered_is_recalled_and_a_newer_one_counts() {
        let (_folder, calibrations) = folder();
        let first = calibration(CapacityOf::Calls, 3000.0);
        let recall = |of, transport, machine: &MachineDescription| calibrations.recall(of, transport, machine).unwrap();
        assert_eq!(recall(CapacityOf::Calls, Transport::Tcp, &first.machine), None, "there is no file");
        let newer = calibration(CapacityOf::Calls, 3100.5);
        let others = [
            calibration(CapacityOf::Devices, 9000.0),
            Calibration { transport: Transport::Tls, ..calibration(CapacityOf::Calls, 1200.0) },
        ];
        for calibration in [&first, &others[0], &newer, &others[1]] {
            calibrations.remember(calibration).unwrap();
        }
        for calibration in [&newer, &others[0], &others[1]] {
            let recalled = recall(calibration.of, calibration.transport, &calibration.machine);
            assert_eq!(recalled.as_ref(), Some(calibration));
        }
        assert_eq!(recall(CapacityOf::ConnectRate, Transport::Tcp, &first.machine), None);
        assert_eq!(calibrations.read().unwrap().len(), 3);
        let files = fs::read_dir(calibrations.path().parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "nothing is left beside it");
    }

    #[test]
    fn another_machine_version_or_build_has_another_ceiling() {
        let (_folder, calibrations) = folder();
        let measured = calibration(CapacityOf::Calls, 3000.0);
        calibrations.remember(&measured).unwrap();
        let machine = &measured.machine;
        for other in [
            MachineDescription { cores: 4, ..machine.clone() },
            MachineDescription { version: "2".to_owned(), ..machine.clone() },
            MachineDescription { build: Build::Release, ..machine.clone() },
            MachineDescription { kernel: "6".to_owned(), ..machine.clone() },
        ] {
            assert_eq!(calibrations.recall(CapacityOf::Calls, Transport::Tcp, &other).unwrap(), None, "{other:?}");
            calibrations.remember(&Calibration { machine: other, ..calibration(CapacityOf::Calls, 1.0) }).unwrap();
        }
        let own = calibrations.recall(CapacityOf::Calls, Transport::Tcp, machine).unwrap();
        assert_eq!(own, Some(measured), "what others measured replaces nothing");
    }

    #[test]
    fn a_damaged_file_is_named_and_not_overwritten() {
        let (_folder, calibrations) = folder();
        let good = calibration(CapacityOf::Calls, 3000.0);
        calibrations.remember(&good).unwrap();
        let text = fs::read_to_string(calibrations.path()).unwrap();
        let newer = text.replace(SCHEMA, "twinstorm.calibration/2");
        let nothing = text.replace("3000.0", "0.0");
        let name = calibrations.path().display().to_string();
        for damaged in ["", "{}", "[1, 2", &text[..text.len() / 2], &newer, &nothing] {
            fs::write(calibrations.path(), damaged).unwrap();
            let recalled = calibrations.recall(good.of, good.transport, &good.machine).unwrap_err().to_string();
            let remembered = calibrations.remember(&good).unwrap_err().to_string();
            for error in [recalled, remembered] {
                assert!(error.contains(&name) && error.contains("remove it and calibrate again"), "{error}");
            }
            assert_eq!(fs::read_to_string(calibrations.path()).unwrap(), damaged);
        }
    }

    #[test]
    fn a_place_that_cannot_be_used_is_named_with_the_way_out() {
        let (folder, _) = folder();
        fs::write(folder.path().join("file"), "").unwrap();
        let blocked = Calibrations::at(folder.path().join("file/below.json"));
        let good = calibration(CapacityOf::Calls, 3000.0);
        let error = blocked.remember(&good).unwrap_err().to_string();
        assert!(error.contains("file/below.json") && error.contains(CALIBRATION_FILE), "{error}");
    }

    #[test]
    fn the_environment_says_where() {
        let path = |set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            Calibrations::of_environment(variable).map(|calibrations| calibrations.path().display().to_string())
        };
        let (home, state) = (("HOME", "/h"), ("XDG_STATE_HOME", "/s"));
        assert_eq!(path(&[home, state, (CALIBRATION_FILE, "here.json")]).unwrap(), "here.json");
        assert_eq!(path(&[home, state, (CALIBRATION_FILE, "")]).unwrap(), "/s/twinstorm/calibration.json");
        let of_home = "/h/.local/state/twinstorm/calibration.json";
        assert_eq!(path(&[home, ("XDG_STATE_HOME", "relative")]).unwrap(), of_home);
        assert_eq!(path(&[home]).unwrap(), of_home);
        let error = path(&[]).unwrap_err().to_string();
        assert!(error.contains(CALIBRATION_FILE), "{error}");
    }

    #[test]
    fn an_interval_is_near_a_ceiling_whose_upper_fifth_it_reaches() {
        for (low, high, expected) in [
            (Some(100.0), Some(799.0), false),
            (Some(100.0), Some(800.0), true),
            (Some(900.0), Some(2000.0), true),
            (Some(900.0), None, true),
            (Some(700.0), None, false),
            (None, Some(850.0), true),
            (None, None, false),
        ] {
            assert_eq!(near(low, high, 1000.0), expected, "{low:?} {high:?}");
        }
    }
}
