//! Where the figures of the tiers come from.

use serde::Serialize;

/// A page that figures are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its name in Azure's documentation, or what it is; `None` for what stands on no page of it.
    pub page: Option<&'static str>,
    /// How old the figures are.
    pub date: &'static str,
    /// Which figures.
    pub of: &'static str,
}

/// All of them. Prices of the public cloud are not in the text of any of these pages.
pub const SOURCES: [Source; 5] = [
    Source {
        page: Some("iot-hub-devguide-quotas-throttling"),
        date: "copy of 02/2023",
        of: "limits by operation, devices of a hub",
    },
    Source { page: Some("iot-hub-scaling"), date: "read 11/2026", of: "units, jobs at once" },
    Source { page: Some("pricing page of IoT Hub"), date: "read 11/2026", of: "messages a day" },
    Source { page: Some("iot-hub-devguide-pricing"), date: "read 11/2026", of: "what is billed as a message" },
    Source {
        page: None,
        date: "unverified",
        of: "how much passes at once (a minute's worth here), the 500 devices of F1 (a secondary source), that what a job \
             does on a device is one message (two, if its answer is billed as a call's)",
    },
];
