//! One entry of a fault plan.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{FaultKind, Select};
use crate::policy::units;

/// One entry of a fault plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Its name in results and thresholds, unique in its plan.
    pub name: String,
    /// What happens.
    pub kind: FaultKind,
    /// To whom; to everybody where the hub is struck.
    pub select: Select,
    /// When it becomes active, from the start of the load.
    #[serde(with = "units::duration")]
    pub at: Duration,
    /// How long it stays active; `None` to the end.
    #[serde(rename = "for", with = "units::optional_duration")]
    pub lasts: Option<Duration>,
}

impl Fault {
    /// A fault of this kind for everybody and all the time, named after its kind.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { name: kind.name().to_owned(), kind, select: Select::All, at: Duration::ZERO, lasts: None }
    }

    /// Whether the fault is active `since` the start of the load.
    #[must_use]
    pub fn active(&self, since: Duration) -> bool {
        self.at <= since && self.ends().is_none_or(|end| since < end)
    }

    /// When it is over, from the start of the load; `None`: never.
    #[must_use]
    pub fn ends(&self) -> Option<Duration> {
        self.lasts.map(|lasts| self.at + lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_opens_and_closes() {
        let second = Duration::from_secs(1);
        let fault = Fault { at: second, lasts: Some(second), ..Fault::new(FaultKind::NoReply) };
        assert!(!fault.active(Duration::ZERO) && fault.active(second) && !fault.active(2 * second));
    }
}
