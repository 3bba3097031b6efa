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
}

impl TopicsError {
    /// Which of the topics is wrong, by its key in a profile.
    #[must_use]
    pub const fn which(&self) -> &'static str {
        match self {
            Self::Template { which, .. } | Self::Alike { which, .. } => which,
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
                if template.zip(*before).is_some_and(|(one, other)| one.overlaps(other)) {
                    return Err(TopicsError::Alike { which, other });
                }
            }
        }
        Ok(ready)
    }
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
}
