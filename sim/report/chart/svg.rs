//! Writing SVG: escaped text, rounded coordinates, nothing else.

use std::fmt::{self, Write};

/// A picture. It shows itself as an `<svg>` element that names and describes itself to who cannot see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Svg {
    width: f64,
    height: f64,
    class: &'static str,
    /// The beginning of all its ids, unique in a page; empty for a picture that says nothing a reader is not told beside.
    id: String,
    title: String,
    description: String,
    body: String,
}

/// Where a text stands from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// An empty picture of `width` and `height` in pixels. `id` is unique in the page; title and description are read to
    /// who cannot see it.
    #[must_use]
    pub(super) fn new(id: &str, width: f64, height: f64, title: &str, description: &str) -> Self {
        Self {
            width,
            height,
            class: "chart",
            id: id.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            body: String::new(),
        }
    }

    /// A picture the size of a word that says nothing more than the figures beside it: hidden from who cannot see it.
    #[must_use]
    pub(super) fn ornament(width: f64, height: f64) -> Self {
        Self { width, height, class: "spark", ..Self::default() }
    }

    /// How wide it is, in pixels at its natural size.
    #[must_use]
    pub const fn width(&self) -> f64 {
        self.width
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.push(format_args!(
            r#"<line class="{class}" x1="{}" y1="{}" x2="{}" y2="{}"/>"#,
            Num(x1),
            Num(y1),
            Num(x2),
            Num(y2)
        ));
    }

    /// A rectangle; one with a `tip` shows it where a pointer rests.
    pub(super) fn rect(&mut self, class: &str, from: (f64, f64), to: (f64, f64), tip: &str) {
        let ((x, y), width, height) = (from, (to.0 - from.0).max(0.0), (to.1 - from.1).max(0.0));
        self.push(format_args!(
            r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}""#,
            Num(x),
            Num(y),
            Num(width),
            Num(height)
        ));
        self.close("rect", tip);
    }

    /// A path; one with a `tip` shows it where a pointer rests.
    pub(super) fn path(&mut self, class: &str, path: &Path, tip: &str) {
        self.push(format_args!(r#"<path class="{class}" d="{}""#, path.0));
        self.close("path", tip);
    }

    /// A text of any content.
    pub(super) fn text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        self.push(format_args!(
            r#"<text class="{class}" x="{}" y="{}"{anchor}>{}</text>"#,
            Num(at.0),
            Num(at.1),
            Escaped(text)
        ));
    }

    fn close(&mut self, name: &str, tip: &str) {
        if tip.is_empty() {
            self.push(format_args!("/>"));
        } else {
            self.push(format_args!("><title>{}</title></{name}>", Escaped(tip)));
        }
    }

    fn push(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(text);
    }
}

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, class, id, title, description, body } = self;
        let size = format_args!(
            r#"<svg class="{class}" viewBox="0 0 {} {}" width="{}" height="{}""#,
            Num(*width),
            Num(*height),
            Num(*width),
            Num(*height)
        )
        .to_string();
        if id.is_empty() {
            return write!(f, r#"{size} aria-hidden="true" focusable="false">{body}</svg>"#);
        }
        let id = Escaped(id);
        write!(
            f,
            r#"{size} role="img" aria-labelledby="{id}-t" aria-describedby="{id}-d"><title id="{id}-t">{}</title><desc id="{id}-d">{}</desc>{body}</svg>"#,
            Escaped(title),
            Escaped(description)
        )
    }
}

impl askama::filters::HtmlSafe for Svg {}

/// A path's commands.
#[derive(Debug, Clone, Default)]
pub(super) struct Path(String);

impl Path {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn to(&mut self, command: char, (x, y): (f64, f64)) {
        let _ = write!(self.0, "{command}{} {}", Num(x), Num(y));
    }

    /// A straight line from point to point.
    pub(super) fn through(points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut path = Self::default();
        for point in points {
            path.to(if path.is_empty() { 'M' } else { 'L' }, point);
        }
        path
    }

    pub(super) fn end(&mut self) {
        self.0.push('Z');
    }

    /// A rectangle.
    pub(super) fn block(&mut self, (x, y): (f64, f64), width: f64, height: f64) {
        let _ = write!(self.0, "M{} {}h{}v{}h{}Z", Num(x), Num(y), Num(width), Num(height), Num(-width));
    }
}

/// A coordinate: a tenth of a pixel is enough, and the same everywhere.
struct Num(f64);

impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round();
        // What is no number has no place in a picture; the corner shows that something is wrong.
        if !tenths.is_finite() || tenths == 0.0 {
            return f.write_str("0");
        }
        if tenths % 10.0 == 0.0 { write!(f, "{:.0}", tenths / 10.0) } else { write!(f, "{:.1}", tenths / 10.0) }
    }
}

/// A text in which nothing is markup.
pub(in crate::report) struct Escaped<'a>(pub(in crate::report) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Characters that no document may hold, escaped or not.
                '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                    f.write_char('\u{fffd}')?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_rounded_and_have_no_negative_zero() {
        for (value, text) in [(0.0, "0"), (-0.04, "0"), (1.25, "1.3"), (3.0, "3"), (-2.5, "-2.5"), (f64::NAN, "0")] {
            assert_eq!(Num(value).to_string(), text);
        }
    }

    #[test]
    fn no_text_is_markup() {
        let nasty = "<script>\"&'\u{1}";
        let mut svg = Svg::new(nasty, 10.0, 10.0, nasty, nasty);
        svg.text("t", (0.0, 0.0), Anchor::Start, nasty);
        svg.rect("r", (0.0, 0.0), (1.0, 1.0), nasty);
        let text = svg.to_string();
        assert!(!text.contains("<script") && !text.contains('\u{1}'), "{text}");
        assert_eq!(text.matches("&lt;script&gt;&quot;&amp;&#39;\u{fffd}").count(), 8, "{text}");
    }
}
