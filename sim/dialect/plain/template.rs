//! Topics as a profile writes them, with places for what differs from message to message.

/// What a place in a template stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Device,
    Method,
    Rid,
    Status,
}

impl Place {
    const ALL: [Self; 4] = [Self::Device, Self::Method, Self::Rid, Self::Status];

    /// As it is written in braces.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Method => "method",
            Self::Rid => "rid",
            Self::Status => "status",
        }
    }
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// It is longer than any topic has to be.
    #[error("is longer than {MAX} characters")]
    TooLong,
    /// It has a character that no topic may have.
    #[error("holds `{0}`, which no topic may hold")]
    Character(char),
    /// It is of those that brokers keep to themselves.
    #[error("begins with `{0}`, where brokers let nobody publish")]
    Reserved(&'static str),
    /// A brace that is not closed, or not opened.
    #[error("holds a brace without its other half")]
    Brace,
    /// A place that there is none of.
    #[error("knows no {{{0}}}: there are {{prefix}}, {{device}}, {{method}}, {{rid}} and {{status}}")]
    Unknown(String),
    /// A place that says nothing there.
    #[error("cannot say {{{0}}}")]
    Misplaced(&'static str),
    /// A place that must be there.
    #[error("has to say {{{0}}}")]
    Missing(&'static str),
    /// The same place twice.
    #[error("says {{{0}}} twice")]
    Twice(&'static str),
    /// Two places without a `/` between.
    #[error("has two places in `{0}`: between two of them stands a `/`")]
    Crowded(String),
}

/// Characters of a template, at most.
const MAX: usize = 1024;

/// First levels of topics that a broker keeps for what it says of itself, and for groups. (Others that begin with `$` may be a
/// cloud's, such as `$aws`.)
const RESERVED: [&str; 2] = ["$SYS", "$share"];

/// A topic with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    levels: Vec<Level>,
}

/// What stands between two slashes: text, or a place with text around it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Level {
    before: String,
    place: Option<(Place, String)>,
}

/// What a topic says in its places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Said<'a> {
    pub(super) device: &'a str,
    pub(super) method: &'a str,
    pub(super) rid: &'a str,
    pub(super) status: &'a str,
}

impl<'a> Said<'a> {
    const fn of(&self, place: Place) -> &'a str {
        match place {
            Place::Device => self.device,
            Place::Method => self.method,
            Place::Rid => self.rid,
            Place::Status => self.status,
        }
    }

    fn set(&mut self, place: Place, text: &'a str) {
        match place {
            Place::Device => self.device = text,
            Place::Method => self.method = text,
            Place::Rid => self.rid = text,
            Place::Status => self.status = text,
        }
    }
}

impl Template {
    /// Reads a template in which `{prefix}` stands for `prefix`, the places `must` have to be and those that `may` can be.
    pub(super) fn parse(text: &str, prefix: &str, must: &[Place], may: &[Place]) -> Result<Self, TemplateError> {
        let text = text.replace("{prefix}", prefix);
        match text.chars().find(|c| matches!(c, '+' | '#') || c.is_control()) {
            _ if text.is_empty() => return Err(TemplateError::Empty),
            _ if text.len() > MAX => return Err(TemplateError::TooLong),
            Some(character) => return Err(TemplateError::Character(character)),
            None => {}
        }
        if let Some(reserved) = RESERVED.into_iter().find(|reserved| text.split('/').next() == Some(*reserved)) {
            return Err(TemplateError::Reserved(reserved));
        }
        let levels: Vec<Level> = text.split('/').map(Level::parse).collect::<Result<_, _>>()?;
        let template = Self { levels };
        for place in Place::ALL {
            let count = template.places().filter(|other| *other == place).count();
            let (wanted, allowed) = (must.contains(&place), must.contains(&place) || may.contains(&place));
            match count {
                0 if wanted => return Err(TemplateError::Missing(place.name())),
                1.. if !allowed => return Err(TemplateError::Misplaced(place.name())),
                2.. => return Err(TemplateError::Twice(place.name())),
                _ => {}
            }
        }
        Ok(template)
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        self.levels.iter().filter_map(|level| level.place.as_ref().map(|(place, _)| *place))
    }

    /// Whether it says `place`.
    pub(super) fn says(&self, place: Place) -> bool {
        self.places().any(|other| other == place)
    }

    /// The topic that says this.
    pub(super) fn topic(&self, said: Said<'_>) -> String {
        self.written(|place| Some(said.of(place)))
    }

    /// The filter for all topics of it, or for those of this device. No filter has text around a wildcard, so that it may
    /// match more than those: see [`Template::catches`].
    pub(super) fn filter(&self, device: Option<&str>) -> String {
        self.written(|place| device.filter(|_| place == Place::Device))
    }

    /// It with what `of` says in its places; where that is nothing, the level becomes a wildcard.
    fn written<'a>(&self, of: impl Fn(Place) -> Option<&'a str>) -> String {
        let mut text = String::with_capacity(64);
        for (number, level) in self.levels.iter().enumerate() {
            if number > 0 {
                text.push('/');
            }
            match &level.place {
                None => text.push_str(&level.before),
                Some((place, after)) => match of(*place) {
                    Some(said) => text.extend([level.before.as_str(), said, after]),
                    None => text.push('+'),
                },
            }
        }
        text
    }

    /// What `topic` says; `None` if it is none of these.
    pub(super) fn read<'a>(&self, topic: &'a str) -> Option<Said<'a>> {
        let mut said = Said::default();
        let mut levels = topic.split('/');
        for level in &self.levels {
            let text = levels.next()?.strip_prefix(level.before.as_str())?;
            match &level.place {
                Some((place, after)) => {
                    said.set(*place, text.strip_suffix(after.as_str()).filter(|text| !text.is_empty())?)
                }
                None if text.is_empty() => {}
                None => return None,
            }
        }
        levels.next().is_none().then_some(said)
    }

    /// Whether one topic could be of both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let both = self.levels.iter().zip(&other.levels);
        self.levels.len() == other.levels.len() && both.into_iter().all(|(one, other)| one.overlaps(other))
    }

    /// Whether the filter of it, for all devices or for `one_device`, matches a topic of `other`.
    pub(super) fn catches(&self, other: &Self, one_device: bool) -> bool {
        let both = self.levels.iter().zip(&other.levels);
        self.levels.len() == other.levels.len()
            && both.into_iter().all(|(one, other)| one.is_wildcard(one_device) || one.overlaps(other))
    }

    /// Whether one topic could be matched by the filters of both.
    pub(super) fn filters_overlap(&self, other: &Self, one_device: bool) -> bool {
        let both = self.levels.iter().zip(&other.levels);
        let could_match = |(one, other): (&Level, &Level)| {
            one.is_wildcard(one_device) || other.is_wildcard(one_device) || one.overlaps(other)
        };
        self.levels.len() == other.levels.len() && both.into_iter().all(could_match)
    }
}

impl Level {
    fn parse(text: &str) -> Result<Self, TemplateError> {
        let Some((before, rest)) = text.split_once('{') else {
            let brace = text.contains('}');
            let level = Self { before: text.to_owned(), place: None };
            return if brace { Err(TemplateError::Brace) } else { Ok(level) };
        };
        let (name, after) = rest.split_once('}').ok_or(TemplateError::Brace)?;
        let place = Place::ALL.into_iter().find(|place| place.name() == name);
        let place = place.ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
        if before.contains('}') {
            return Err(TemplateError::Brace);
        }
        if after.contains(['{', '}']) {
            return Err(TemplateError::Crowded(text.to_owned()));
        }
        Ok(Self { before: before.to_owned(), place: Some((place, after.to_owned())) })
    }

    /// Whether a filter, for all devices or for `one_device`, has a wildcard here.
    fn is_wildcard(&self, one_device: bool) -> bool {
        self.place.as_ref().is_some_and(|(place, _)| !(one_device && *place == Place::Device))
    }

    fn overlaps(&self, other: &Self) -> bool {
        let is_prefix = |a: &str, b: &str| a.starts_with(b) || b.starts_with(a);
        let is_suffix = |a: &str, b: &str| a.ends_with(b) || b.ends_with(a);
        let could_be = |(place, text): (&Self, &str)| {
            let after = place.place.as_ref().map_or("", |(_, after)| after.as_str());
            text.len() > place.before.len() + after.len() && text.starts_with(&place.before) && text.ends_with(after)
        };
        match (&self.place, &other.place) {
            (None, None) => self.before == other.before,
            (Some(_), None) => could_be((self, &other.before)),
            (None, Some(_)) => could_be((other, &self.before)),
            (Some((_, after)), Some((_, others))) => is_prefix(&self.before, &other.before) && is_suffix(after, others),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Place::{Device, Method, Rid, Status};
    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text, "a/b", &[], &Place::ALL).unwrap()
    }

    #[test]
    fn a_topic_is_written_and_read_the_same_way() {
        let request = template("{prefix}/{device}/m/{method}/?$rid={rid}.json");
        let said = Said { device: "d-1", method: "reboot", rid: "7", status: "" };
        let topic = request.topic(said);
        assert_eq!(topic, "a/b/d-1/m/reboot/?$rid=7.json");
        assert_eq!(request.read(&topic), Some(said));
        assert_eq!(request.filter(None), "a/b/+/m/+/+");
        assert_eq!(request.filter(Some("d-1")), "a/b/d-1/m/+/+");
        for other in ["a/b/d-1/m/reboot", "a/b/d-1/m/reboot/?$rid=7", "a/b//m/x/?$rid=7.json", "x/b/d/m/x/?$rid=7.json"]
        {
            assert_eq!(request.read(other), None, "{other}");
        }
        assert_eq!(request.read("a/b/d-1/m/reboot/?$rid=7.json/more"), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let must = |text: &str| Template::parse(text, "p", &[Device, Rid], &[Method]).unwrap_err();
        for (text, error) in [
            ("", TemplateError::Empty),
            ("$SYS/{device}/{rid}", TemplateError::Reserved("$SYS")),
            ("{device}/+/{rid}", TemplateError::Character('+')),
            ("{device}/#", TemplateError::Character('#')),
            ("{device}/{rid", TemplateError::Brace),
            ("{device}/rid}", TemplateError::Brace),
            ("{device}/{rid}/{name}", TemplateError::Unknown("name".into())),
            ("{device}/{rid}/{status}", TemplateError::Misplaced("status")),
            ("{device}/x", TemplateError::Missing("rid")),
            ("{device}/{rid}/{device}", TemplateError::Twice("device")),
            ("{device}-{rid}", TemplateError::Crowded("{device}-{rid}".into())),
        ] {
            assert_eq!(must(text), error, "{text}");
        }
        assert!(Template::parse("{status}", "p", &[], &[Status]).unwrap().says(Status));
    }

    #[test]
    fn what_could_be_taken_for_another_is_found() {
        let overlap = |one: &str, other: &str| template(one).overlaps(&template(other));
        assert!(overlap("x/{device}/y", "x/{device}/y"));
        assert!(overlap("x/{device}/{rid}", "x/{device}/reported"));
        assert!(overlap("{device}/y", "x/y"));
        assert!(!overlap("x/{device}/a", "x/{device}/b"));
        assert!(!overlap("x/{device}/r-{rid}", "x/{device}/reported"));
        assert!(!overlap("x/{device}", "x/{device}/b"));
    }

    #[test]
    fn a_filter_may_match_more_than_its_own_topics() {
        let caught = |one: &str, other: &str| {
            [true, false].map(|one_device| template(one).catches(&template(other), one_device))
        };
        assert_eq!(caught("x/{device}/c-{rid}", "x/{device}/reported"), [true, true]);
        assert_eq!(caught("x/{device}/c/{rid}", "x/{device}/r/{rid}"), [false, false]);
        assert_eq!(caught("x/{device}/c-{rid}", "x/{device}/r/{rid}"), [false, false]);
        assert_eq!(caught("x/d-{device}/{rid}", "x/other/{rid}"), [false, true], "a device's own id is no wildcard");
        assert_eq!(caught("x/{device}/reported", "x/{device}/c-{rid}"), [false, false]);
        let both = |one: &str, other: &str| {
            let both = (template(one), template(other));
            assert_eq!(both.0.filters_overlap(&both.1, false), both.1.filters_overlap(&both.0, false));
            [true, false].map(|one_device| both.0.filters_overlap(&both.1, one_device))
        };
        assert_eq!(both("x/{device}/reported", "x/{device}/r-{rid}"), [true, true]);
        assert_eq!(both("x/a-{device}/y/{rid}", "x/b-{device}/{method}/z"), [false, true]);
        assert_eq!(both("x/{device}/a/{rid}", "x/{device}/b/{rid}"), [false, false]);
    }
}
