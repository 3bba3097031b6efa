//! The highest load that a hub sustains: what is needed to find it, and to tell it from the generator's own ceiling.

mod calibration;

pub use calibration::{CALIBRATION_FILE, Calibration, CalibrationError, Calibrations, near};
