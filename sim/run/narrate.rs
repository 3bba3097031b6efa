//! Tells what happens to the first device in the words of the tutorial's two programs, the device's and the
//! service's: "Use device management to initiate a device firmware update (Python)", 2018.

use crate::measure::TraceEvent;
use crate::policy::FirmwareStatus;

/// The two programs' output.
#[derive(Debug)]
pub(super) struct Narrator {
    device_id: String,
    host: String,
    policy: String,
    package: String,
    service_started: bool,
    said: Option<FirmwareStatus>,
    last_twin: String,
}

impl Narrator {
    /// Tells of `device_id` on the hub `host`, and of the service with the shared access policy `policy`.
    #[must_use]
    pub(super) fn new(device_id: String, host: String, policy: String) -> Self {
        Self {
            device_id,
            host,
            policy,
            package: String::new(),
            service_started: false,
            said: None,
            last_twin: String::new(),
        }
    }

    /// What the device's program prints as it starts.
    #[must_use]
    pub(super) fn opening(&self) -> Vec<String> {
        vec![
            device("Starting the IoT Hub Python firmware update sample..."),
            device("    Protocol MQTT"),
            device(&format!(
                "    Connection string=HostName={};DeviceId={};SharedAccessKey=****",
                self.host, self.device_id
            )),
        ]
    }

    /// The lines that `event` adds.
    pub(super) fn tell(&mut self, event: &TraceEvent) -> Vec<String> {
        match event {
            TraceEvent::Published { status: FirmwareStatus::StandBy, .. } => vec![
                device("Device twins initialized."),
                device("IoTHubClient waiting for commands, press Ctrl-C to exit"),
            ],
            TraceEvent::ReportAnswered { code, .. } if *code < 300 => vec![device("Reported state updated.")],
            TraceEvent::Due if !self.service_started => {
                self.service_started = true;
                vec![
                    service("Starting the IoT Hub firmware update Python sample..."),
                    service(&format!(
                        "    Connection string = HostName={};SharedAccessKeyName={};SharedAccessKey=****",
                        self.host, self.policy
                    )),
                    service(&format!("    Device ID         = {}", self.device_id)),
                    service(""),
                    service("Direct Method called."),
                ]
            }
            TraceEvent::MethodReceived { payload, .. } => {
                self.package.clone_from(payload);
                vec![device("Starting firmware update.")]
            }
            TraceEvent::CallAnswered(answer) => {
                // The tutorial prints the payload alone; a status other than 200 is worth being told.
                let answer = answer.strip_prefix("200 ").unwrap_or(answer);
                vec![service(answer), service(""), service("Device Twin queried, press Ctrl-C to exit")]
            }
            TraceEvent::Published { status, .. } => match status {
                FirmwareStatus::Downloading => vec![device(&format!("Downloading image from: {}", self.package))],
                FirmwareStatus::Applying => vec![device(&format!("Applying image from: {}", self.package))],
                FirmwareStatus::Completed => vec![device("Image applied.")],
                other => vec![device(&format!("Firmware update ended: {other}."))],
            },
            TraceEvent::TwinRead(twin) => {
                self.last_twin.clone_from(twin);
                self.status_line(status_of(twin))
            }
            TraceEvent::Ended { outcome, detail } => {
                let mut lines = Vec::new();
                if self.said == Some(FirmwareStatus::Completed) {
                    lines.extend([
                        service(""),
                        service("Get reported properties from device twin:"),
                        service(&self.last_twin),
                    ]);
                } else {
                    lines.push(service(&format!("The update ended: {outcome} {detail}")));
                }
                lines
            }
            _ => Vec::new(),
        }
    }

    /// One line per change, where the tutorial prints one per look.
    fn status_line(&mut self, status: Option<FirmwareStatus>) -> Vec<String> {
        if status == self.said && self.said.is_some() {
            return Vec::new();
        }
        self.said = status;
        vec![service(match status {
            Some(FirmwareStatus::StandBy) => "Waiting on device...",
            Some(FirmwareStatus::Downloading) => "Downloading firmware...",
            Some(FirmwareStatus::Applying) => "Download complete, applying firmware...",
            Some(FirmwareStatus::Completed) => "Firmware applied",
            Some(FirmwareStatus::Failed) => "Firmware update failed",
            Some(FirmwareStatus::RolledBack) => "Firmware rolled back",
            None => "Unknown status",
        })]
    }
}

/// The status in a twin, recognised by its compact text as the tutorial does it.
fn status_of(twin: &str) -> Option<FirmwareStatus> {
    FirmwareStatus::ALL.into_iter().find(|status| twin.contains(&format!("\"firmwareStatus\":\"{status}\"")))
}

fn device(text: &str) -> String {
    format!("device   {text}").trim_end().to_owned()
}

fn service(text: &str) -> String {
    format!("service  {text}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Outcome;

    #[test]
    fn the_story_is_the_tutorials() {
        let mut narrator = Narrator::new("d1".to_owned(), "h".to_owned(), "service".to_owned());
        let twin = |status| TraceEvent::TwinRead(format!(r#"{{"reported":{{"firmwareStatus":"{status}"}}}}"#));
        let published = |status| TraceEvent::Published { status, document: String::new() };
        let mut story = narrator.opening();
        for event in [
            published(FirmwareStatus::StandBy),
            TraceEvent::Due,
            TraceEvent::MethodReceived { name: "firmwareUpdate".to_owned(), payload: "{}".to_owned() },
            TraceEvent::CallAnswered(r#"200 {"Response":"Firmware update started"}"#.to_owned()),
            twin(FirmwareStatus::StandBy),
            twin(FirmwareStatus::StandBy),
            published(FirmwareStatus::Downloading),
            twin(FirmwareStatus::Downloading),
            published(FirmwareStatus::Completed),
            twin(FirmwareStatus::Completed),
            TraceEvent::Ended { outcome: Outcome::Completed, detail: String::new() },
        ] {
            story.extend(narrator.tell(&event));
        }
        let story = story.join("\n");
        assert_eq!(story.matches("Waiting on device...").count(), 1, "one line per change");
        for line in [
            "device   Device twins initialized.",
            "service  Direct Method called.",
            r#"service  {"Response":"Firmware update started"}"#,
            "device   Downloading image from: {}",
            "service  Firmware applied",
            r#"service  {"reported":{"firmwareStatus":"completed"}}"#,
        ] {
            assert!(story.contains(line), "{line} is missing in\n{story}");
        }
    }
}
