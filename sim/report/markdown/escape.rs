//! Text as Markdown that shows it as it is, on one line: names and details may come from anybody's hub.

/// So many characters of a name or detail are shown.
const LONGEST: usize = 300;

/// Plain text: nothing in it is markup, and nothing ends a table's cell.
pub(super) fn text(text: &str) -> String {
    let text = line(text);
    let mut escaped = String::with_capacity(text.len());
    let characters: Vec<char> = text.chars().collect();
    for (at, character) in characters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| characters[at]);
        let beside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // An escaped pipe is not understood everywhere, a written-out one is.
            '|' => escaped.push_str("&#124;"),
            '@' => escaped.push_str("&#64;"),
            // Within a word it is just a character, and names of ours are full of it.
            '_' if beside(before) && beside(characters.get(at + 1).copied()) => escaped.push('_'),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '!' | '~' | '$' => {
                escaped.push('\\');
                escaped.push(*character);
            }
            _ => escaped.push(*character),
        }
    }
    escaped
}

/// Plain text at the beginning of a line, where some characters make lists and rules.
pub(super) fn start(text: &str) -> String {
    let text = self::text(text);
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let at = match text.chars().nth(digits) {
        Some('-' | '+' | '=') if digits == 0 => 0,
        Some('.' | ')') if digits > 0 => digits,
        _ => return text,
    };
    format!("{}\\{}", &text[..at], &text[at..])
}

/// Text in the letters of code. What cannot stand in them in a table is shown as plain text.
pub(super) fn code(text: &str) -> String {
    let line = line(text);
    let fits = !line.is_empty() && !line.contains(['`', '|', '\\']);
    if fits { format!("`{line}`") } else { self::text(&line) }
}

/// Text on one line, without control characters, and not endless.
fn line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Characters that break lines, or that turn the direction of everything after them.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_in_a_name_is_markup() {
        for (given, escaped) in [
            ("applying/checksum_mismatch", "applying/checksum_mismatch"),
            ("a|b", "a&#124;b"),
            ("two\r\nlines\ttabbed", "two lines tabbed"),
            ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
            ("&lt;", "&amp;lt;"),
            ("`code`", "\\`code\\`"),
            ("**bold** _it_ ~~x~~", "\\*\\*bold\\*\\* \\_it\\_ \\~\\~x\\~\\~"),
            ("[a](b)", "\\[a\\](b)"),
            ("# head", "\\# head"),
            ("back\\slash", "back\\\\slash"),
        ] {
            assert_eq!(text(given), escaped);
        }
    }

    #[test]
    fn a_line_begins_no_list() {
        for (given, escaped) in [
            ("- 1", "\\- 1"),
            ("+", "\\+"),
            ("===", "\\==="),
            ("12. March", "12\\. March"),
            ("1) a", "1\\) a"),
            ("12.5 s", "12\\.5 s"),
            ("# head", "\\# head"),
            ("12 devices", "12 devices"),
            (".", "."),
            ("", ""),
        ] {
            assert_eq!(start(given), escaped);
        }
    }

    #[test]
    fn code_shows_what_it_can() {
        for (given, shown) in [
            ("update.total.p99 < 20s", "`update.total.p99 < 20s`"),
            ("a|b", "a&#124;b"),
            ("``", "\\`\\`"),
            ("", ""),
            ("end\\", "end\\\\"),
        ] {
            assert_eq!(code(given), shown);
        }
        assert_eq!(code(&"x".repeat(1_000)).chars().count(), LONGEST + 3);
    }

    proptest! {
        #[test]
        fn a_cell_stays_a_cell(any in "\\PC{0,40}", broken in "[|\\n\\r`<>\\\\&]{0,20}") {
            for shown in [text(&format!("{any}{broken}")), code(&format!("{broken}{any}"))] {
                prop_assert!(!shown.contains(['|', '\n', '\r']), "{shown}");
                prop_assert!(shown.starts_with('`') || !shown.contains(['<', '>']), "{shown}");
            }
        }
    }
}
