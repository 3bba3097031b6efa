//! The words of a query.

use super::syntax::Comparison;

/// Why a query is refused: what, and at which character (from 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at position {position}")]
pub(in crate::hub) struct QueryError {
    pub(in crate::hub) what: String,
    pub(in crate::hub) position: usize,
}

/// One word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name or a keyword.
    Name(String),
    Text(String),
    Number(f64),
    Compare(Comparison),
    Plus,
    Minus,
    Slash,
    Percent,
    /// Everything, or times.
    Star,
    Comma,
    Dot,
    Open,
    Close,
    OpenList,
    CloseList,
    End,
}

impl Token {
    /// The word in messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Text(text) => format!("'{text}'"),
            Self::Number(number) => format!("`{number}`"),
            Self::Compare(comparison) => format!("`{}`", comparison.symbol()),
            Self::Plus => "`+`".to_owned(),
            Self::Minus => "`-`".to_owned(),
            Self::Slash => "`/`".to_owned(),
            Self::Percent => "`%`".to_owned(),
            Self::Star => "`*`".to_owned(),
            Self::Comma => "`,`".to_owned(),
            Self::Dot => "`.`".to_owned(),
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::OpenList => "`[`".to_owned(),
            Self::CloseList => "`]`".to_owned(),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Splits a query into words, each with its position; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, QueryError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        at += 1;
        let followed_by = |next: char| chars.get(start + 1) == Some(&next);
        let token = match c {
            c if c.is_whitespace() => continue,
            '+' => Token::Plus,
            '-' => Token::Minus,
            '/' => Token::Slash,
            '%' => Token::Percent,
            '*' => Token::Star,
            ',' => Token::Comma,
            '.' => Token::Dot,
            '(' => Token::Open,
            ')' => Token::Close,
            '[' => Token::OpenList,
            ']' => Token::CloseList,
            '=' => Token::Compare(Comparison::Equal),
            '!' | '<' if followed_by(if c == '!' { '=' } else { '>' }) => {
                at += 1;
                Token::Compare(Comparison::NotEqual)
            }
            '<' if followed_by('=') => {
                at += 1;
                Token::Compare(Comparison::AtMost)
            }
            '>' if followed_by('=') => {
                at += 1;
                Token::Compare(Comparison::AtLeast)
            }
            '<' => Token::Compare(Comparison::Less),
            '>' => Token::Compare(Comparison::Greater),
            '\'' | '"' => {
                let (text, end) = quoted(&chars, start)?;
                at = end;
                Token::Text(text)
            }
            c if c.is_ascii_digit() => {
                let hex = matches!(chars.get(at), Some('x' | 'X'));
                let number = |c: &char| c.is_ascii_alphanumeric() || *c == '.';
                // The sign of an exponent belongs to the number.
                let exponent = |before: char| !hex && matches!(before, 'e' | 'E');
                while chars.get(at).is_some_and(|c| number(c) || (matches!(c, '-' | '+') && exponent(chars[at - 1]))) {
                    at += 1;
                }
                let text: String = chars[start..at].iter().collect();
                Token::Number(parse_number(&text).ok_or_else(|| error(format!("`{text}` is no number"), start))?)
            }
            // Keys of twins often hold a hyphen, so within a name it is none of the operators.
            c if c.is_alphabetic() || matches!(c, '_' | '$') => {
                while chars.get(at).is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-')) {
                    at += 1;
                }
                Token::Name(chars[start..at].iter().collect())
            }
            c => return Err(error(format!("unexpected character `{c}`"), start)),
        };
        tokens.push((token, start + 1));
    }
    tokens.push((Token::End, chars.len() + 1));
    Ok(tokens)
}

fn error(what: String, index: usize) -> QueryError {
    QueryError { what, position: index + 1 }
}

/// Hexadecimal numbers are allowed (4).
fn parse_number(text: &str) -> Option<f64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        #[expect(clippy::cast_precision_loss, reason = "numbers of a twin are 64-bit floats or smaller integers")]
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(|number| number as f64),
        // One that is beyond all numbers would make an answer that is no JSON.
        None => text.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

/// The text that opens at `start`, and where it ends. A backslash takes the next character as it is.
fn quoted(chars: &[char], start: usize) -> Result<(String, usize), QueryError> {
    let quote = chars[start];
    let mut text = String::new();
    let mut at = start + 1;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match c {
            c if c == quote => return Ok((text, at)),
            '\\' if at < chars.len() => {
                text.push(chars[at]);
                at += 1;
            }
            c => text.push(c),
        }
    }
    Err(error("text without an end".to_owned(), start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|(token, _)| token).collect()
    }

    #[test]
    fn words_are_told_apart() {
        assert_eq!(
            words("a.$b-1 <= 1.5e-3,'x\\'y' \"it's\" <> != 0x1e - 1"),
            [
                Token::Name("a".into()),
                Token::Dot,
                Token::Name("$b-1".into()),
                Token::Compare(Comparison::AtMost),
                Token::Number(0.0015),
                Token::Comma,
                Token::Text("x'y".into()),
                Token::Text("it's".into()),
                Token::Compare(Comparison::NotEqual),
                Token::Compare(Comparison::NotEqual),
                Token::Number(30.0),
                Token::Minus,
                Token::Number(1.0),
                Token::End,
            ]
        );
        assert_eq!(
            words("*+/%()[]=<>"),
            [
                Token::Star,
                Token::Plus,
                Token::Slash,
                Token::Percent,
                Token::Open,
                Token::Close,
                Token::OpenList,
                Token::CloseList,
                Token::Compare(Comparison::Equal),
                Token::Compare(Comparison::NotEqual),
                Token::End,
            ]
        );
    }

    #[test]
    fn errors_name_the_position() {
        for (text, position) in [("a 'b", 3), ("a ; b", 3), ("1x", 1), ("a ! b", 3), ("ä = #", 5)] {
            assert_eq!(tokens(text).unwrap_err().position, position, "{text}");
        }
    }
}
