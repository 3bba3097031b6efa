//! What pages are made of: sections of paragraphs, pictures, each with its table, and tables.

use askama::Template;

use crate::report::chart::Svg;

/// A section of a page; it shows itself as HTML.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "section.html")]
pub(in crate::report) struct Section {
    /// Its anchor, unique in the page.
    pub(in crate::report) id: &'static str,
    /// Its heading.
    pub(in crate::report) title: String,
    /// What stands beside the heading: that the figures do not count, where they do not.
    pub(in crate::report) badge: &'static str,
    /// What is in it, in order.
    pub(in crate::report) parts: Vec<Part>,
}

/// A part of a section.
#[derive(Debug, Clone)]
pub(in crate::report) enum Part {
    /// A paragraph.
    Text(String),
    /// A paragraph that is set apart.
    Note(Tone, String),
    /// A heading within the section.
    Heading(String),
    /// A command, or what else is copied as it stands.
    Code(String),
    /// Lines.
    List(Vec<String>),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// A picture across the page.
    Figure(Box<Figure>),
    /// Pictures side by side where there is room.
    Figures(Vec<Figure>),
    /// A table.
    Table(Table),
    /// What is shown on demand: its name, and its content as HTML.
    Folded(String, String),
}

/// How something is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::report) enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
    Doubt,
    /// As it was to be expected, where others are not.
    Expected,
    /// Not as it was to be expected.
    Off,
}

/// A picture with its caption and its table.
#[derive(Debug, Clone, Template)]
#[template(path = "figure.html")]
pub(in crate::report) struct Figure {
    /// What it shows.
    pub(in crate::report) title: String,
    /// How to read it.
    pub(in crate::report) caption: String,
    /// The picture.
    pub(in crate::report) picture: Svg,
    /// Whether it scrolls within the page where that is narrow.
    pub(in crate::report) is_wide: bool,
    /// The same in figures.
    pub(in crate::report) table: Option<Table>,
}

/// A table; the first cell of each row names it.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "table.html")]
pub(in crate::report) struct Table {
    /// What it shows.
    pub(in crate::report) caption: String,
    /// Its columns.
    pub(in crate::report) columns: Vec<Column>,
    /// Its rows, each as long as there are columns.
    pub(in crate::report) rows: Vec<Vec<Cell>>,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(in crate::report) struct Column {
    /// Its heading.
    pub(in crate::report) title: String,
    /// Whether its cells are figures, which keep to the right.
    pub(in crate::report) is_number: bool,
}

/// A cell of a table.
#[derive(Debug, Clone, Default)]
pub(in crate::report) struct Cell {
    /// What it says.
    pub(in crate::report) text: String,
    /// How that is meant.
    pub(in crate::report) tone: Tone,
    /// Whether it is a figure, as its column says.
    is_number: bool,
    /// Whether it is an expression, a name of the program's, or a command.
    pub(in crate::report) is_code: bool,
    /// A picture the size of a word before the text.
    pub(in crate::report) picture: Option<Svg>,
    /// Where the text leads: a path from the page's own folder.
    pub(in crate::report) link: Option<String>,
}

// Their templates escape whatever text they are given.
impl askama::filters::HtmlSafe for Section {}
impl askama::filters::HtmlSafe for Figure {}
impl askama::filters::HtmlSafe for Table {}

impl Section {
    pub(in crate::report) fn new(id: &'static str, title: &str, parts: Vec<Part>) -> Self {
        Self { id, title: title.to_owned(), badge: "", parts }
    }
}

impl Part {
    pub(in crate::report) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(in crate::report) fn figure(figure: Figure) -> Self {
        Self::Figure(Box::new(figure))
    }
}

impl Tone {
    pub(in crate::report) const fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Doubt => "doubt",
            Self::Expected => "expected",
            Self::Off => "off",
        }
    }
}

impl Table {
    /// A table with these columns; a title that begins with `#` is one of figures.
    pub(in crate::report) fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        let column = |title: &&str| match title.strip_prefix('#') {
            Some(title) => Column { title: title.to_owned(), is_number: true },
            None => Column { title: (*title).to_owned(), is_number: false },
        };
        Self { caption: caption.into(), columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    pub(in crate::report) fn row(&mut self, mut cells: Vec<Cell>) {
        for (cell, column) in cells.iter_mut().zip(&self.columns) {
            cell.is_number = column.is_number;
        }
        self.rows.push(cells);
    }

    /// Whether it may be wider than a narrow page, and then scrolls within it.
    fn is_wide(&self) -> bool {
        self.columns.len() > 2
    }
}

impl Cell {
    pub(in crate::report) fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone, ..Self::default() }
    }

    pub(in crate::report) fn code(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_code: true, ..Self::default() }
    }

    /// The attribute with its classes.
    fn class(&self) -> String {
        match (self.is_number, self.tone.class()) {
            (false, "") => String::new(),
            (true, "") => " class=\"n\"".to_owned(),
            (is_number, tone) => format!(" class=\"{}{tone}\"", if is_number { "n " } else { "" }),
        }
    }

    pub(in crate::report) fn linked(self, link: Option<String>) -> Self {
        Self { link, ..self }
    }

    pub(in crate::report) fn with(self, picture: Option<Svg>) -> Self {
        Self { picture, ..self }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_escapes_what_it_is_given_and_names_its_rows() {
        let mut table = Table::new("a <b>", &["name", "#count"]);
        table.row(vec![Cell::code("<script>"), Cell::toned(Tone::Bad, "1 & \"2\"")]);
        let html = table.to_string();
        assert!(html.contains("<caption>a &#60;b&#62;</caption>"), "{html}");
        assert!(
            html.contains("<th scope=\"row\"><code>&#60;script&#62;</code></th><td class=\"n bad\">1 &#38; "),
            "{html}"
        );
        assert!(html.contains("<th scope=\"col\" class=\"n\">count</th>"), "{html}");
    }
}
