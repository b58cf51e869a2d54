//! The alphabets of HTTP as predicates on bytes. Nothing here knows what a message is.

const TOKEN: u8 = 1;
const HOST: u8 = 2;
const QUOTED: u8 = 4;

/// The classes of each byte.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let b = byte as u8;
        let mut class = 0;
        if b.is_ascii_alphanumeric() || is_in(b, b"!#$%&'*+-.^_`|~") {
            class |= TOKEN;
        }
        if b.is_ascii_alphanumeric() || is_in(b, b"-._~!$&'()*+,;=") {
            class |= HOST;
        }
        if b == b'\t' || (b >= b' ' && b != 0x7f && b != b'"' && b != b'\\') {
            class |= QUOTED;
        }
        table[byte] = class;
        byte += 1;
    }
    table
}

const fn is_in(byte: u8, set: &[u8]) -> bool {
    let mut index = 0;
    while index < set.len() {
        if set[index] == byte {
            return true;
        }
        index += 1;
    }
    false
}

fn has(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// `tchar` (RFC 9110, section 5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    has(byte, TOKEN)
}

/// `token` (RFC 9110, section 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// `unreserved / sub-delims`, of which a `reg-name` is made besides percent-encoding (RFC 3986, section 3.2.2).
pub(crate) fn is_host_byte(byte: u8) -> bool {
    has(byte, HOST)
}

/// `qdtext` (RFC 9110, section 5.6.4).
pub(crate) fn is_quoted_byte(byte: u8) -> bool {
    has(byte, QUOTED)
}

/// HTAB, SP, VCHAR or obs-text: what may stand in a field value or a reason phrase (RFC 9110, section 5.5).
pub(crate) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Whether all bytes may stand in a field value. Looks at each without a branch, so that it compiles to vector code.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |good, &byte| good & is_value_byte(byte))
}

/// Whether all bytes may stand in a request target: visible ASCII (RFC 3986, section 2). The characters that RFC 3986
/// wants encoded but that browsers send as they are (`|`, `[`, `"` and their like) are let through, as by gunicorn.
pub(crate) fn is_target(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |good, &byte| good & byte.is_ascii_graphic())
}

/// Without the SP and HTAB around it (`OWS`: RFC 9110, section 5.6.3).
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Why bytes are no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecimalFault {
    /// They are not digits only.
    Syntax,
    /// 64 bits do not hold it.
    TooLarge,
}

/// `1*DIGIT` as a number: no sign, no white space, no separator.
pub(crate) fn parse_decimal(bytes: &[u8]) -> Result<u64, DecimalFault> {
    if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
        return Err(DecimalFault::Syntax);
    }
    let mut digits = bytes.iter().map(|digit| u64::from(digit - b'0'));
    let number = digits.try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(digit));
    number.ok_or(DecimalFault::TooLarge)
}
