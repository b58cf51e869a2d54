//! Responses that the server gives by itself: the interim ones, and the answer to what is refused.

use super::fields::{Summary, append_common, append_content_length, append_field, append_fields, append_status_line};
use crate::http::{ResponseError, Version, reason_phrase};

/// Appends the interim response that lets a client send its body (RFC 9110, section 10.1.1).
pub fn encode_continue(out: &mut Vec<u8>) {
    append_status_line(Version::Http11, 100, reason_phrase(100).as_bytes(), out);
    out.extend_from_slice(b"\r\n");
}

/// Appends a 103 with the fields (RFC 8297). Only for a 1.1 client whose final response has not started.
///
/// # Errors
/// A field that cannot be sent; then nothing is appended.
pub fn encode_early_hints(fields: &[(&[u8], &[u8])], out: &mut Vec<u8>) -> Result<(), ResponseError> {
    Summary::of(fields)?;
    append_status_line(Version::Http11, 103, reason_phrase(103).as_bytes(), out);
    append_fields(fields, false, out);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends a whole response that says no more than its status, and `detail` where there is something to say; the
/// connection is to be closed after it.
pub fn encode_error(status: u16, detail: &str, date: &[u8], out: &mut Vec<u8>) {
    let page = error_page(status, detail);
    append_status_line(Version::Http11, status, reason_phrase(status).as_bytes(), out);
    append_common(date, out);
    // An Upgrade must be named there (RFC 9110, section 7.8).
    append_field(b"Connection", if status == 426 { b"close, Upgrade" } else { b"close" }, out);
    append_field(b"Content-Type", ERROR_PAGE_TYPE, out);
    append_content_length(page.len() as u64, out);
    append_demanded(status, out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(page.as_bytes());
}

/// The fields that a response of this status must have.
fn append_demanded(status: u16, out: &mut Vec<u8>) {
    match status {
        // It is given for the target `*` only; RFC 9110, section 15.5.6, wants the methods that would do.
        405 => append_field(b"Allow", b"OPTIONS", out),
        // It is given for versions of the WebSocket protocol only (RFC 6455, section 4.4; RFC 9110, section 15.5.22).
        426 => {
            append_field(b"Upgrade", b"websocket", out);
            append_field(b"Sec-WebSocket-Version", b"13", out);
        }
        _ => {}
    }
}

/// Content-Type of an error page.
pub(crate) const ERROR_PAGE_TYPE: &[u8] = b"text/html; charset=utf-8";

/// The body of an error response: the page is gunicorn's, on one line.
pub(crate) fn error_page(status: u16, detail: &str) -> String {
    let reason = reason_phrase(status);
    let mut page = String::with_capacity(160 + 2 * reason.len() + detail.len());
    for part in ["<html><head><title>", reason, "</title></head><body><h1><p>", reason, "</p></h1>"] {
        page.push_str(part);
    }
    detail.chars().for_each(|c| push_escaped(c, &mut page));
    page.push_str("</body></html>\n");
    page
}

/// A character as HTML text.
fn push_escaped(c: char, page: &mut String) {
    match c {
        '&' => page.push_str("&amp;"),
        '<' => page.push_str("&lt;"),
        '>' => page.push_str("&gt;"),
        '"' => page.push_str("&quot;"),
        '\'' => page.push_str("&#x27;"),
        _ => page.push(c),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn interim_responses_are_heads_alone() {
        let mut out = Vec::new();
        encode_continue(&mut out);
        encode_early_hints(&[(b"Link", b" </a.css>; rel=preload"), (b"Connection", b"close")], &mut out).unwrap();
        let expected = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn early_hints_cannot_split_the_response() {
        let mut out = Vec::new();
        assert!(encode_early_hints(&[(b"Link", b"a\r\n\r\nHTTP/1.1 200 OK")], &mut out).is_err());
        assert!(out.is_empty());
    }

    #[test]
    fn an_error_is_a_whole_response_that_closes() {
        let mut out = Vec::new();
        encode_error(400, "<script> & \"more\"", b"Sun, 06 Nov 1994 08:49:37 GMT", &mut out);
        let text = String::from_utf8(out).unwrap();
        let (head, page) = text.split_once("\r\n\r\n").unwrap();
        let expected = "<html><head><title>Bad Request</title></head><body><h1><p>Bad Request</p></h1>\
                        &lt;script&gt; &amp; &quot;more&quot;</body></html>\n";
        assert_eq!(page, expected);
        let expected = format!(
            "HTTP/1.1 400 Bad Request\r\nServer: gunicorn-rs\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Connection: close\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}",
            page.len()
        );
        assert_eq!(head, expected);
    }
}
