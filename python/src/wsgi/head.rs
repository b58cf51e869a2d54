//! The head of a response as the application gave it: Python strings turned into bytes, and found fit to be sent.
//!
//! It is kept until the first byte of the body, or the end, is there: PEP 3333 lets an application
//! replace it until then, and by then the length of the body may be known.

use std::ops::Range;

use gunicorn::reactor::{Exchange, ResponseError, ResponseHead};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

/// How a name or a value is taken over.
type Append = fn(&mut Head, &Bound<'_, PyAny>) -> PyResult<Range<usize>>;

/// Longest head whose memory is kept for the next one, in bytes.
const KEPT_BYTES: usize = 16 * 1024;

/// Status line and fields. Its memory is used again from request to request.
#[derive(Debug, Default)]
pub(crate) struct Head {
    status: u16,
    reason: Range<usize>,
    fields: Vec<(Range<usize>, Range<usize>)>,
    bytes: Vec<u8>,
}

impl Head {
    /// Takes over what an application passes to `start_response`.
    ///
    /// # Errors
    /// `TypeError` for what is not a `str`, `ValueError` for what is not latin-1 or no status.
    pub(crate) fn set(&mut self, status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        self.clear();
        self.set_status(status)?;
        self.push_all(headers, Self::push_text)
    }

    /// Takes over what an application passes to `wsgi.early_hints`.
    ///
    /// # Errors
    /// As `set`.
    pub(crate) fn set_hints(&mut self, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        self.clear();
        self.push_all(headers, Self::push_text_or_bytes)
    }

    /// Takes over status and fields as an ASGI application gives them: names and values are bytes.
    ///
    /// # Errors
    /// `TypeError` for what is no pair of them.
    pub(crate) fn set_fields(&mut self, status: u16, reason: &str, headers: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.clear();
        self.status = status;
        self.bytes.extend_from_slice(reason.as_bytes());
        self.reason = 0..reason.len();
        headers.map_or(Ok(()), |headers| self.push_all(headers, Self::push_text_or_bytes))
    }

    /// Copies of the fields.
    pub(crate) fn owned_fields(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.fields().into_iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    }

    /// Starts the response with this head.
    ///
    /// # Errors
    /// Those of [`Exchange::start`].
    pub(crate) fn start(&self, exchange: &mut Exchange, body_length: Option<u64>) -> Result<(), ResponseError> {
        exchange.start(&self.as_response(&self.fields()), body_length)
    }

    /// Whether this head can be sent.
    ///
    /// # Errors
    /// Those of [`ResponseHead::check`].
    pub(crate) fn check(&self) -> Result<(), ResponseError> {
        self.as_response(&self.fields()).check()
    }

    /// Whether the application tells the length of the body.
    pub(crate) fn has_length(&self) -> bool {
        self.fields
            .iter()
            .any(|(name, _)| name.len() == 14 && self.bytes[name.clone()].eq_ignore_ascii_case(b"Content-Length"))
    }

    /// Sends the fields as early hints.
    ///
    /// # Errors
    /// Those of [`Exchange::early_hints`].
    pub(crate) fn hint(&self, exchange: &mut Exchange) -> Result<(), ResponseError> {
        exchange.early_hints(&self.fields())
    }

    fn as_response<'a>(&'a self, fields: &'a [(&'a [u8], &'a [u8])]) -> ResponseHead<'a> {
        ResponseHead { status: self.status, reason: &self.bytes[self.reason.clone()], fields }
    }

    fn fields(&self) -> Vec<(&[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| (&self.bytes[name.clone()], &self.bytes[value.clone()])).collect()
    }

    /// Whether its memory is worth keeping.
    pub(crate) fn is_small(&self) -> bool {
        self.bytes.capacity() <= KEPT_BYTES
    }

    fn clear(&mut self) {
        self.fields.clear();
        self.bytes.clear();
    }

    /// `200 OK`: three digits, a space, a reason phrase that may be empty.
    fn set_status(&mut self, status: &Bound<'_, PyAny>) -> PyResult<()> {
        let line = self.push_text(status)?;
        let bytes = &self.bytes[line.clone()];
        let (code, reason) = bytes.split_at_checked(3).unwrap_or((bytes, b""));
        let well_formed =
            code.len() == 3 && code.iter().all(u8::is_ascii_digit) && (reason.is_empty() || reason[0] == b' ');
        if !well_formed {
            return Err(PyValueError::new_err(format!("Invalid status {}", status.repr()?)));
        }
        self.status = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        self.reason = line.start + 3 + usize::from(!reason.is_empty())..line.end;
        Ok(())
    }

    fn push_all(&mut self, headers: &Bound<'_, PyAny>, append: Append) -> PyResult<()> {
        if let Ok(headers) = headers.cast_exact::<PyList>() {
            return headers.iter().try_for_each(|header| self.push(&header, append));
        }
        headers.try_iter()?.try_for_each(|header| self.push(&header?, append))
    }

    fn push(&mut self, header: &Bound<'_, PyAny>, append: Append) -> PyResult<()> {
        let (name, value) = match header.cast_exact::<PyTuple>() {
            Ok(pair) if pair.len() == 2 => (pair.get_item(0)?, pair.get_item(1)?),
            _ => PyTuple::new(header.py(), header.try_iter()?.collect::<PyResult<Vec<_>>>()?)?.extract()?,
        };
        let field = (append(self, &name)?, append(self, &value)?);
        self.fields.push(field);
        Ok(())
    }

    /// As `push_text`; `bytes` are taken as they are.
    fn push_text_or_bytes(&mut self, text: &Bound<'_, PyAny>) -> PyResult<Range<usize>> {
        let Ok(bytes) = text.cast::<PyBytes>() else { return self.push_text(text) };
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes.as_bytes());
        Ok(start..self.bytes.len())
    }

    /// Appends the text's characters as bytes. `str` holds bytes as latin-1 (PEP 3333).
    fn push_text(&mut self, text: &Bound<'_, PyAny>) -> PyResult<Range<usize>> {
        let start = self.bytes.len();
        let Ok(string) = text.cast::<PyString>() else {
            return Err(PyTypeError::new_err(format!("{} is not a string", text.repr()?)));
        };
        let utf8 = string.to_str()?;
        if utf8.is_ascii() {
            self.bytes.extend_from_slice(utf8.as_bytes());
            return Ok(start..self.bytes.len());
        }
        for character in utf8.chars() {
            let Ok(byte) = u8::try_from(character) else {
                return Err(PyValueError::new_err(format!("{} is not latin-1", string.repr()?)));
            };
            self.bytes.push(byte);
        }
        Ok(start..self.bytes.len())
    }
}
