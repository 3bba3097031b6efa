//! The topics of the plain dialect, as a profile names them, and ready for use.

use serde::{Deserialize, Serialize};

use super::template::Place::{Device, Method, Rid, Status};
use super::template::{Template, TemplateError};

/// Topics as a profile names them. `{prefix}`, `{device}`, `{method}`, `{rid}` (which call it is) and `{status}` stand for
/// what differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topics {
    /// What `{prefix}` stands for.
    pub prefix: String,
    /// Where a device is called: `{device}` and `{rid}` must be in it; without `{method}` there is but `firmwareUpdate`.
    pub request: String,
    /// Where it answers: `{device}` and `{rid}` must be in it; without `{status}` the payload says that.
    pub response: String,
    /// Where it reports properties.
    pub reported: String,
    /// Where its desired properties come from; `None` if it does not care.
    pub desired: Option<String>,
    /// Where it says whether it is connected; `None` if nobody is to know.
    pub presence: Option<String>,
    /// Where its telemetry goes.
    pub telemetry: String,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            prefix: "twinstorm".to_owned(),
            request: "{prefix}/{device}/methods/{method}/{rid}".to_owned(),
            response: "{prefix}/{device}/responses/{rid}/{status}".to_owned(),
            reported: "{prefix}/{device}/reported".to_owned(),
            desired: None,
            presence: Some("{prefix}/{device}/presence".to_owned()),
            telemetry: "{prefix}/{device}/telemetry".to_owned(),
        }
    }
}

/// What is wrong with a profile's topics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicsError {
    /// One of them by itself.
    #[error("{error}")]
    Template {
        /// Which.
        which: &'static str,
        /// What.
        error: TemplateError,
    },
    /// Two that could not be told apart.
    #[error("cannot be told from the topics of `{other}`")]
    Alike {
        /// Which.
        which: &'static str,
        /// From which other.
        other: &'static str,
    },
    /// One whose filter matches what another's topics, or filter, do.
    #[error(
        "is subscribed to as `{filter}`, and so is what `{other}` says: in a filter a place takes all that stands between \
         two slashes; set them apart by words that have a level to themselves, as `.../c/{{rid}}` has, and `.../c-{{rid}}` \
         has not"
    )]
    Caught {
        /// Which.
        which: &'static str,
        /// Its filter.
        filter: String,
        /// What else that matches.
        other: &'static str,
    },
}

impl TopicsError {
    /// Which of the topics is wrong, by its key in a profile.
    #[must_use]
    pub const fn which(&self) -> &'static str {
        match self {
            Self::Template { which, .. } | Self::Alike { which, .. } | Self::Caught { which, .. } => which,
        }
    }
}

/// Topics that are ready for use.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) prefix: String,
    pub(super) request: Template,
    pub(super) response: Template,
    pub(super) reported: Template,
    pub(super) desired: Option<Template>,
    pub(super) presence: Option<Template>,
    pub(super) telemetry: Template,
}

impl Topics {
    /// Whether they can be used.
    ///
    /// # Errors
    /// What is wrong with the first that cannot.
    pub fn check(&self) -> Result<(), TopicsError> {
        self.ready().map(drop)
    }

    pub(super) fn ready(&self) -> Result<Ready, TopicsError> {
        let read = |which, text: &str, must: &[_], may: &[_]| {
            let template = Template::parse(text, &self.prefix, must, may);
            template.map_err(|error| TopicsError::Template { which, error })
        };
        let some =
            |which, text: &Option<String>| text.as_deref().map(|text| read(which, text, &[Device], &[])).transpose();
        let ready = Ready {
            prefix: self.prefix.clone(),
            request: read("request", &self.request, &[Device, Rid], &[Method])?,
            response: read("response", &self.response, &[Device, Rid], &[Method, Status])?,
            reported: read("reported", &self.reported, &[Device], &[])?,
            desired: some("desired", &self.desired)?,
            presence: some("presence", &self.presence)?,
            telemetry: read("telemetry", &self.telemetry, &[Device], &[])?,
        };
        // Who reads them has to know which is which; and what a device says must not come back to it as what it is told.
        let all = [
            ("request", Some(&ready.request)),
            ("response", Some(&ready.response)),
            ("reported", Some(&ready.reported)),
            ("desired", ready.desired.as_ref()),
            ("presence", ready.presence.as_ref()),
            ("telemetry", Some(&ready.telemetry)),
        ];
        for (number, (which, template)) in all.iter().enumerate() {
            for (other, before) in &all[..number] {
                let Some((one, before)) = template.zip(*before) else { continue };
                if one.overlaps(before) {
                    return Err(TopicsError::Alike { which, other });
                }
                caught((which, one), (other, before))?;
            }
        }
        Ok(ready)
    }
}

/// Whether devices subscribe to it, each for itself; to the others the driver does, for all devices.
fn is_for_devices(which: &str) -> bool {
    matches!(which, "request" | "desired")
}

/// Refuses two of which a filter brings the other's topics as well: a device would be sent back what it says, and of two
/// filters of one subscriber that match the same, a broker may deliver it twice.
fn caught(one: (&'static str, &Template), two: (&'static str, &Template)) -> Result<(), TopicsError> {
    for ((which, template), (other, others)) in [(one, two), (two, one)] {
        let one_device = is_for_devices(which);
        let overlap = one_device == is_for_devices(other) && template.filters_overlap(others, one_device);
        if overlap || template.catches(others, one_device) {
            let filter = template.filter(one_device.then_some("{device}"));
            return Err(TopicsError::Caught { which, filter, other });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_that_could_not_be_told_apart_are_refused() {
        assert_eq!(Topics::default().check(), Ok(()));
        let alike = Topics { presence: Some("{prefix}/{device}/reported".into()), ..Topics::default() };
        assert_eq!(alike.check(), Err(TopicsError::Alike { which: "presence", other: "reported" }));
        let off = Topics { presence: None, ..Topics::default() };
        assert_eq!(off.check(), Ok(()));
        let wrong = Topics { response: "{prefix}/{rid}".into(), ..Topics::default() };
        assert_eq!(wrong.check().unwrap_err().which(), "response");
    }

    #[test]
    fn filters_that_bring_other_topics_are_refused() {
        let refused = |topics: &Topics| match topics.check().unwrap_err() {
            TopicsError::Caught { which, filter, other } => (which, filter, other),
            error => panic!("{error}"),
        };
        let with = |change: fn(&mut Topics)| {
            let mut topics = Topics::default();
            change(&mut topics);
            topics
        };
        let request = with(|topics| topics.request = "{prefix}/{device}/c-{rid}".into());
        assert_eq!(refused(&request), ("request", "twinstorm/{device}/+".into(), "reported"));
        assert!(request.check().unwrap_err().to_string().contains("`.../c/{rid}` has, and `.../c-{rid}` has not"));
        let response = with(|topics| topics.response = "{prefix}/{device}/r-{rid}".into());
        assert_eq!(refused(&response), ("reported", "twinstorm/+/reported".into(), "response"));
        let both = with(|topics| {
            topics.request = "{prefix}/{device}/c/{rid}".into();
            topics.desired = Some("{prefix}/{device}/c/all-of-it".into());
        });
        assert_eq!(both.check(), Err(TopicsError::Alike { which: "desired", other: "request" }));
        let desired = with(|topics| {
            topics.request = "{prefix}/{device}/c/n{rid}".into();
            topics.desired = Some("{prefix}/{device}/c/all".into());
        });
        assert_eq!(refused(&desired), ("desired", "twinstorm/{device}/c/all".into(), "request"));
        let echo = with(|topics| {
            topics.request = "{prefix}/{device}/c/{rid}".into();
            topics.response = "{prefix}/{device}/s{status}/{rid}".into();
        });
        assert_eq!(refused(&echo), ("response", "twinstorm/+/+/+".into(), "request"));
        let apart = with(|topics| {
            topics.request = "{prefix}/{device}/c/n-{rid}".into();
            topics.response = "{prefix}/{device}/r/n-{rid}".into();
            topics.desired = Some("{prefix}/{device}/desired".into());
        });
        assert_eq!(apart.check(), Ok(()));
    }
}
