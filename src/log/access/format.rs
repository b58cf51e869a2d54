//! The access log format: Python's `%`-formatting with named values, read once and then only followed.
//!
//! Writing a line appends to the caller's buffer; nothing is allocated (a Basic user name apart), and whatever the
//! values hold, the result is one line. A format that is a JSON object gets its values quoted as JSON.

use super::atom::Atom;
use super::escape::{self, Quoting};
use super::record::Record;

/// Widest field that a format may ask for, in characters.
const WIDTH_LIMIT: usize = 4096;

/// A format that gunicorn could not follow either: it would fail at each request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("access log format: {problem} at {near:?}")]
pub struct FormatError {
    problem: Problem,
    /// The format from the offending directive on.
    near: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("'%' needs a name in parentheses, as in %(h)s; a percent sign is written %%,")]
    NoName,
    #[error("missing ')'")]
    NoParenthesis,
    #[error("the name needs a conversion after it: s, or d for the numbers B, D, M and T,")]
    Conversion,
    #[error("width or precision above {WIDTH_LIMIT}")]
    Width,
}

/// Field width and the like, for those who align their logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Shape {
    left: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Value(Atom),
    Shaped(Atom, Shape),
}

/// A format, ready to be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    pieces: Vec<Piece>,
    quoting: Quoting,
}

impl Format {
    /// Reads a format. Line ends around it are ignored, those within it count as spaces.
    ///
    /// # Errors
    /// It is not one that Python could format strings by.
    pub fn parse(format: &str) -> Result<Self, FormatError> {
        let format = format.trim_matches(['\r', '\n']);
        let is_json = format.trim().starts_with('{') && format.trim().ends_with('}');
        let mut parsed = Self { pieces: Vec::new(), quoting: if is_json { Quoting::Json } else { Quoting::Text } };
        let mut rest = format;
        while let Some(percent) = rest.find('%') {
            let (literal, directive) = rest.split_at(percent);
            parsed.push_literal(literal);
            rest = parsed.push_directive(directive)?;
        }
        parsed.push_literal(rest);
        Ok(parsed)
    }

    /// Appends the line of a record, without a line end. `time` is the time of logging in the Common Log Format.
    pub fn append(&self, line: &mut Vec<u8>, record: &Record<'_>, time: &[u8]) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => line.extend_from_slice(text),
                Piece::Value(atom) => atom.append(line, record, time, self.quoting),
                Piece::Shaped(atom, shape) => {
                    let start = line.len();
                    atom.append(line, record, time, self.quoting);
                    shape.apply(line, start);
                }
            }
        }
    }

    /// Adds a literal to the one before it, if there is one; control characters but the tab become spaces.
    fn push_literal(&mut self, text: &str) {
        let safe = text.bytes().map(|byte| if byte.is_ascii_control() && byte != b'\t' { b' ' } else { byte });
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Literal(before)) => before.extend(safe),
            _ => self.pieces.push(Piece::Literal(safe.collect())),
        }
    }

    /// Takes one directive from the start of `directive`; returns what follows it.
    fn push_directive<'a>(&mut self, directive: &'a str) -> Result<&'a str, FormatError> {
        if let Some(rest) = directive.strip_prefix("%%") {
            self.push_literal("%");
            return Ok(rest);
        }
        let (piece, rest) = directive_of(directive)
            .map_err(|problem| FormatError { problem, near: directive.chars().take(40).collect() })?;
        self.pieces.push(piece);
        Ok(rest)
    }
}

/// Reads `%(name)`, flags, width, precision and conversion.
fn directive_of(directive: &str) -> Result<(Piece, &str), Problem> {
    let (name, rest) = split_name(directive.strip_prefix("%(").ok_or(Problem::NoName)?)?;
    let atom = Atom::named(name);
    let (mut shape, rest) = Shape::read(rest)?;
    let rest = match rest.strip_prefix('s') {
        Some(rest) => {
            shape.zeros = false;
            rest
        }
        None if atom.is_number() => rest.strip_prefix(['d', 'i', 'u']).ok_or(Problem::Conversion)?,
        None => return Err(Problem::Conversion),
    };
    let piece = if shape == Shape::default() { Piece::Value(atom) } else { Piece::Shaped(atom, shape) };
    Ok((piece, rest))
}

/// Splits at the parenthesis that closes the name; a name may hold pairs of its own.
fn split_name(text: &str) -> Result<(&str, &str), Problem> {
    let mut depth = 1;
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok((&text[..index], &text[index + 1..]));
        }
    }
    Err(Problem::NoParenthesis)
}

impl Shape {
    fn read(text: &str) -> Result<(Self, &str), Problem> {
        let flags_end = text.find(|character| !"-0+ #".contains(character)).unwrap_or(text.len());
        let (flags, rest) = text.split_at(flags_end);
        let (width, rest) = number(rest)?;
        let (precision, rest) = match rest.strip_prefix('.') {
            Some(rest) => number(rest).map(|(precision, rest)| (Some(precision), rest))?,
            None => (None, rest),
        };
        let left = flags.contains('-');
        Ok((Self { left, zeros: flags.contains('0') && !left, width, precision }, rest))
    }

    /// Cuts and pads what the line holds from `start` on. Only the value is cut, never an escape in it.
    fn apply(self, line: &mut Vec<u8>, start: usize) {
        if let Some(precision) = self.precision {
            let kept = escape::prefix_length(line.get(start..).unwrap_or_default(), precision);
            line.truncate(start + kept);
        }
        let missing = self.width.saturating_sub(line.len() - start);
        let at = if self.left { line.len() } else { start };
        let filler = if self.zeros { b'0' } else { b' ' };
        line.splice(at..at, std::iter::repeat_n(filler, missing));
    }
}

/// Digits at the start of the text; none mean 0.
fn number(text: &str) -> Result<(usize, &str), Problem> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    match digits.parse() {
        _ if digits.is_empty() => Ok((0, rest)),
        Ok(number) if number <= WIDTH_LIMIT => Ok((number, rest)),
        _ => Err(Problem::Width),
    }
}

#[cfg(test)]
mod tests;
