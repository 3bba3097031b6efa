//! Text in columns and in paragraphs, for terminals.

/// What a terminal is taken to be wide.
pub(super) const WIDTH: usize = 100;

/// Which side of a column its cells keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Lines of `rows`, each column as wide as its widest cell, two spaces before each.
pub(crate) fn columns(align: &[Align], rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..align.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).zip(align).map(|((cell, width), align)| match align {
            Align::Left => format!("  {cell:<width$}"),
            Align::Right => format!("  {cell:>width$}"),
        });
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Lines of `items` after `head`, broken between items only and indented to stand behind `head`.
pub(crate) fn paragraph<S: AsRef<str>>(head: &str, items: impl IntoIterator<Item = S>, separator: &str) -> Vec<String> {
    let indent = head.chars().count();
    let mut lines = vec![head.to_owned()];
    let mut length = indent;
    let mut items = items.into_iter().peekable();
    while let Some(item) = items.next() {
        let separator = if items.peek().is_some() { separator } else { "" };
        let width = item.as_ref().chars().count() + separator.trim_end().chars().count();
        if length > indent && length + width > WIDTH {
            lines.push(" ".repeat(indent));
            length = indent;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(item.as_ref());
            line.push_str(separator);
        }
        length += item.as_ref().chars().count() + separator.chars().count();
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "10".to_owned()], vec!["bcd".to_owned(), "7".to_owned()]];
        assert_eq!(columns(&[Align::Left, Align::Right], &rows), ["  a    10", "  bcd   7"]);
    }

    #[test]
    fn a_paragraph_keeps_to_its_width_and_indent() {
        let lines = paragraph("Head  ", ["one item"; 40], ", ");
        assert!(lines.len() > 1 && lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert!(lines[0].starts_with("Head  one item, one item") && lines[0].ends_with("one item,"));
        assert!(lines[1].starts_with("      one item"));
        assert_eq!(paragraph("Head  ", ["one", "two"], " "), ["Head  one two"]);
    }
}
