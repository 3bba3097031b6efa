//! Going through the words of a query.

use super::path::Path;
use super::syntax::Collection;
use super::token::{QueryError, Token};

/// The words of a query, and how far they have been read.
pub(super) struct Parser {
    pub(super) tokens: Vec<(Token, usize)>,
    pub(super) at: usize,
    /// What rows are, as far as it is known by now.
    pub(super) from: Collection,
}

impl Parser {
    pub(super) fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    /// Whether the word behind the present one is `token`.
    pub(super) fn is_followed_by(&self, token: &Token) -> bool {
        self.tokens.get(self.at + 1).is_some_and(|(next, _)| next == token)
    }

    /// An error at the present word.
    pub(super) fn refuse(&self, what: String) -> QueryError {
        let position = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(_, position)| *position);
        QueryError { what, position }
    }

    pub(super) fn unexpected(&self, wanted: &str) -> QueryError {
        self.refuse(format!("expected {wanted}, found {}", self.peek().describe()))
    }

    pub(super) fn accept(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, token: &Token) -> Result<(), QueryError> {
        if self.accept(token) { Ok(()) } else { Err(self.unexpected(&token.describe())) }
    }

    /// Whether the present word is `keyword`.
    pub(super) fn sees(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Name(name) if name.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.sees(keyword);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_keyword(&mut self, keyword: &str) -> Result<(), QueryError> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.unexpected(&format!("`{keyword}`"))) }
    }

    pub(super) fn name(&mut self, wanted: &str) -> Result<String, QueryError> {
        match self.peek() {
            Token::Name(name) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected(wanted)),
        }
    }

    /// `a.b.c`, with `devices.` in front or not.
    pub(super) fn path(&mut self) -> Result<Path, QueryError> {
        let mut segments = Vec::new();
        loop {
            // 4: the service breaks at such a property.
            if self.sees("GROUP") {
                return Err(self.refuse("`group` is a reserved word and cannot name a property".to_owned()));
            }
            segments.push(self.name("a property")?);
            if !self.accept(&Token::Dot) {
                break;
            }
        }
        for (prefix, of) in
            [("devices", None), ("modules", Some(Collection::Modules)), ("jobs", Some(Collection::Jobs))]
        {
            let fits = of.is_none_or(|of| of == self.from);
            if segments.len() > 1 && fits && segments[0].eq_ignore_ascii_case(prefix) {
                segments.remove(0);
            }
        }
        Ok(if self.from == Collection::Jobs { Path::of_job(&segments) } else { Path::new(&segments) })
    }
}
