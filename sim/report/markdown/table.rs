//! Tables of Markdown.

use super::super::table::Align;

/// So many rows of a table are shown.
pub(super) const ROWS: usize = 100;

/// A table of cells that are Markdown already: the first row names the columns, short rows are filled up, and rows beyond
/// [`ROWS`] are counted. Empty without rows of its own.
pub(super) fn table(align: &[Align], rows: &[Vec<String>]) -> String {
    let Some((heads, rows)) = rows.split_first().filter(|(_, rows)| !rows.is_empty()) else { return String::new() };
    let line = |cells: &[String]| {
        let cells: Vec<&str> = (0..align.len()).map(|at| cells.get(at).map_or("", String::as_str)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = align.iter().map(|align| match align {
        Align::Left => "---",
        Align::Right => "--:",
    });
    let mut text = line(heads);
    text.push_str(&format!("|{}|\n", rule.collect::<Vec<_>>().join("|")));
    text.extend(rows.iter().take(ROWS).map(|row| line(row)));
    match rows.len().saturating_sub(ROWS) {
        0 => {}
        more => text.push_str(&format!("\nand {more} more rows\n")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_filled_up_and_counted() {
        let row = |cells: &[&str]| -> Vec<String> { cells.iter().map(|cell| (*cell).to_owned()).collect() };
        let align = [Align::Left, Align::Right];
        let text = table(&align, &[row(&["a", "b"]), row(&["1"])]);
        assert_eq!(text, "| a | b |\n|---|--:|\n| 1 |  |\n");
        assert_eq!(table(&align, &[row(&["a", "b"])]), "");
        let many = vec![row(&["x", "y"]); ROWS + 3];
        let text = table(&align, &many);
        assert!(text.ends_with("|\n\nand 2 more rows\n"), "{text}");
    }
}
