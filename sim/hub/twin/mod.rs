//! Device twins (3.2, 3.3): documents with their metadata, merged under the hub's limits. Pure values.

mod digital;
mod limits;
mod lookup;
mod merge;
mod properties;
mod record;

pub(super) use digital::{DigitalError, digital_patch, digital_twin};
pub(super) use limits::{MAX_NAMES, TwinError, check_digits};
pub(super) use lookup::find;
pub(super) use properties::Properties;
pub(super) use record::{NEVER, Twin, TwinPatch, etag};
