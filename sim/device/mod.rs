//! One device's session and firmware workflow, and the fleet that runs many.

mod affliction;
mod config;
mod document;
mod download;
mod event;
mod failures;
mod fleet;
mod identities;
mod image;
mod intruder;
mod link;
mod open;
mod outbox;
mod request;
mod script;
mod session;
mod task;
mod workers;
mod workflow;

pub use config::{Auth, FirmwareConfig, FleetConfig, Transport};
pub use download::{Downloaded, ImageFailure, ImageSource, ImageUrl};
pub use event::{Event, Fate, Input, Output};
pub use failures::Failure;
pub use fleet::{Fleet, FleetError, FleetPlan, FleetSample};
pub use identities::DeviceIdentities;
pub use image::{DownloadConfig, Image};
pub use request::{Package, Request, RequestError};
pub use script::{Act, Form, Line, Script, Step};
pub use session::{Session, Settings};
pub use workflow::{Deed, Delays, Report, Stamp, Workflow};
