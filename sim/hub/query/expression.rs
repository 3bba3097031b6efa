//! Reads conditions and values by recursive descent.

use super::parser::Parser;
use super::syntax::{Condition, Literal, Operand, Operator, parse_time};
use super::token::{QueryError, Token};

/// How deep parentheses and NOT may nest: each level takes stack.
const MAX_DEPTH: usize = 64;

/// What has been read: parentheses stand around conditions and values alike.
pub(super) enum Expression {
    Condition(Condition),
    Value(Operand),
}

impl Parser {
    /// What follows WHERE.
    pub(super) fn condition(&mut self) -> Result<Condition, QueryError> {
        let expression = self.any(0)?;
        self.as_condition(expression)
    }

    /// A value, reckoned or not.
    pub(super) fn value(&mut self) -> Result<Operand, QueryError> {
        let expression = self.sum(0)?;
        self.as_value(expression)
    }

    fn as_condition(&self, expression: Expression) -> Result<Condition, QueryError> {
        match expression {
            Expression::Condition(condition) => Ok(condition),
            Expression::Value(_) => Err(self.unexpected("a comparison, IN or NIN")),
        }
    }

    fn as_value(&self, expression: Expression) -> Result<Operand, QueryError> {
        match expression {
            Expression::Value(value) => Ok(value),
            Expression::Condition(_) => Err(self.unexpected("AND or OR behind a condition, which is no value")),
        }
    }

    fn any(&mut self, depth: usize) -> Result<Expression, QueryError> {
        self.several(depth, "OR", Self::all, Condition::Any)
    }

    fn all(&mut self, depth: usize) -> Result<Expression, QueryError> {
        self.several(depth, "AND", Self::negation, Condition::All)
    }

    /// What `next` reads, once or several times with `keyword` in between.
    fn several(
        &mut self,
        depth: usize,
        keyword: &str,
        next: fn(&mut Self, usize) -> Result<Expression, QueryError>,
        join: fn(Vec<Condition>) -> Condition,
    ) -> Result<Expression, QueryError> {
        let first = next(self, depth)?;
        if !self.sees(keyword) {
            return Ok(first);
        }
        let mut conditions = vec![self.as_condition(first)?];
        while self.keyword(keyword) {
            let condition = next(self, depth)?;
            conditions.push(self.as_condition(condition)?);
        }
        Ok(Expression::Condition(join(conditions)))
    }

    fn negation(&mut self, depth: usize) -> Result<Expression, QueryError> {
        if !self.keyword("NOT") {
            return self.comparison(depth);
        }
        let depth = self.deeper(depth)?;
        let negated = self.negation(depth)?;
        Ok(Expression::Condition(Condition::Not(Box::new(self.as_condition(negated)?))))
    }

    fn deeper(&self, depth: usize) -> Result<usize, QueryError> {
        if depth >= MAX_DEPTH {
            return Err(self.refuse(format!("more than {MAX_DEPTH} nested parentheses and NOTs")));
        }
        Ok(depth + 1)
    }

    fn comparison(&mut self, depth: usize) -> Result<Expression, QueryError> {
        let first = self.at;
        let left = self.sum(depth)?;
        let negated = self.sees("NIN");
        if negated || self.sees("IN") {
            let operand = self.as_value(left)?;
            self.at += 1;
            return Ok(Expression::Condition(Condition::In { list: self.list(&operand)?, operand, negated }));
        }
        let Token::Compare(comparison) = *self.peek() else { return Ok(left) };
        let left = self.as_value(left)?;
        self.at += 1;
        let second = self.at;
        let right = self.sum(depth)?;
        let right = self.as_value(right)?;
        let left = self.beside(left, &right, first)?;
        let right = self.beside(right, &left, second)?;
        Ok(Expression::Condition(Condition::Compare { left, comparison, right }))
    }

    /// The operand `value`, which stands at word `index`, where it is compared with `other`. Beside a time of the hub's
    /// own only times make sense: anything else would be a condition that silently never holds.
    fn beside(&mut self, value: Operand, other: &Operand, index: usize) -> Result<Operand, QueryError> {
        let Operand::Literal(literal) = value else { return Ok(value) };
        let time = match (other, &literal) {
            (Operand::Path(path), Literal::Text(text)) if path.is_time() => parse_time(text).map(Literal::Time),
            (Operand::Path(path), Literal::Bool(_) | Literal::Number(_)) if path.is_time() => None,
            _ => Some(literal),
        };
        self.at = if time.is_some() { self.at } else { index };
        time.map(Operand::Literal).ok_or_else(|| self.unexpected("a time such as '2026-01-31T12:00:00Z'"))
    }

    /// The values that `operand` is compared with.
    fn list(&mut self, operand: &Operand) -> Result<Vec<Literal>, QueryError> {
        self.expect(&Token::OpenList)?;
        let mut list = Vec::new();
        if self.accept(&Token::CloseList) {
            return Ok(list);
        }
        loop {
            let index = self.at;
            let Some(value) = self.literal() else { return Err(self.unexpected("a value")) };
            if let Operand::Literal(literal) = self.beside(Operand::Literal(value), operand, index)? {
                list.push(literal);
            }
            if !self.accept(&Token::Comma) {
                self.expect(&Token::CloseList)?;
                return Ok(list);
            }
        }
    }

    fn sum(&mut self, depth: usize) -> Result<Expression, QueryError> {
        self.reckoned(depth, Self::product, |token| match token {
            Token::Plus => Some(Operator::Plus),
            Token::Minus => Some(Operator::Minus),
            _ => None,
        })
    }

    fn product(&mut self, depth: usize) -> Result<Expression, QueryError> {
        self.reckoned(depth, Self::single, |token| match token {
            Token::Star => Some(Operator::Times),
            Token::Slash => Some(Operator::Over),
            Token::Percent => Some(Operator::Modulo),
            _ => None,
        })
    }

    /// What `next` reads, once or several times with one of these operators in between.
    fn reckoned(
        &mut self,
        depth: usize,
        next: fn(&mut Self, usize) -> Result<Expression, QueryError>,
        operator: fn(&Token) -> Option<Operator>,
    ) -> Result<Expression, QueryError> {
        let first = next(self, depth)?;
        if operator(self.peek()).is_none() {
            return Ok(first);
        }
        let first = self.as_value(first)?;
        let mut rest = Vec::new();
        while let Some(operator) = operator(self.peek()) {
            self.at += 1;
            let operand = next(self, depth)?;
            rest.push((operator, self.as_value(operand)?));
        }
        Ok(Expression::Value(Operand::Arithmetic(Box::new(first), rest)))
    }

    fn single(&mut self, depth: usize) -> Result<Expression, QueryError> {
        if *self.peek() == Token::Open {
            let depth = self.deeper(depth)?;
            self.at += 1;
            let inner = self.any(depth)?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        if let Some(literal) = self.literal() {
            return Ok(Expression::Value(Operand::Literal(literal)));
        }
        match self.peek() {
            Token::Name(name) if self.is_followed_by(&Token::Open) => {
                let name = name.to_ascii_uppercase();
                self.function(&name, depth).map(Expression::Condition)
            }
            Token::Name(_) => Ok(Expression::Value(Operand::Path(self.path()?))),
            _ => Err(self.unexpected("a property or a value")),
        }
    }

    fn function(&mut self, name: &str, depth: usize) -> Result<Condition, QueryError> {
        const KNOWN: &str = "known are IS_DEFINED, STARTSWITH and ENDSWITH, and in SELECT COUNT, AVG, SUM, MIN and MAX";
        let join = match name {
            "IS_DEFINED" => None,
            "STARTSWITH" => Some(Condition::StartsWith as fn(_, _) -> _),
            "ENDSWITH" => Some(Condition::EndsWith as fn(_, _) -> _),
            // 4: queries for message routing have it the other way round.
            "STARTS_WITH" | "ENDS_WITH" => {
                let ours = name.replace('_', "");
                return Err(self.refuse(format!("`{name}` is called {ours} in queries of twins; {KNOWN}")));
            }
            _ => return Err(self.refuse(format!("the function `{name}` cannot stand here; {KNOWN}"))),
        };
        let depth = self.deeper(depth)?;
        self.at += 2;
        let condition = match join {
            None => Condition::IsDefined(self.path()?),
            Some(join) => {
                let text = self.sum(depth)?;
                let text = self.as_value(text)?;
                self.expect(&Token::Comma)?;
                let part = self.sum(depth)?;
                join(text, self.as_value(part)?)
            }
        };
        self.expect(&Token::Close)?;
        Ok(condition)
    }

    /// The value that stands here, if there is one.
    fn literal(&mut self) -> Option<Literal> {
        let (literal, words) = match self.peek() {
            Token::Text(text) => (Literal::Text(text.clone()), 1),
            Token::Number(number) => (Literal::Number(*number), 1),
            Token::Minus => match self.tokens.get(self.at + 1) {
                Some((Token::Number(number), _)) => (Literal::Number(-number), 2),
                _ => return None,
            },
            Token::Name(name) => match name.to_ascii_lowercase().as_str() {
                "true" => (Literal::Bool(true), 1),
                "false" => (Literal::Bool(false), 1),
                "null" => (Literal::Null, 1),
                "undefined" => (Literal::Undefined, 1),
                _ => return None,
            },
            _ => return None,
        };
        self.at += words;
        Some(literal)
    }
}
