//! The user name of HTTP Basic authentication (RFC 7617), for the `u` atom. It is what the client claims, no more.

/// The user name in the value of an `Authorization` field; `None` when it is not Basic, is malformed, or names nobody.
pub(super) fn user(authorization: &[u8]) -> Option<Vec<u8>> {
    let (scheme, credentials) = authorization.split_at_checked(5)?;
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut user = decode(credentials.strip_prefix(b" ")?.trim_ascii())?;
    user.truncate(memchr::memchr(b':', &user).unwrap_or(user.len()));
    (!user.is_empty() && std::str::from_utf8(&user).is_ok()).then_some(user)
}

/// Decodes base64 (RFC 4648, section 4); `None` for a foreign byte or a wrong length.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let digits = text.get(..text.len() - padding)?;
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().try_fold(0, |bits, &digit| Some(bits << 6 | sextet(digit)?))?;
        let [_, decoded @ ..] = u32::to_be_bytes(bits << (6 * (4 - group.len())));
        bytes.extend_from_slice(&decoded[..group.len() - 1]);
    }
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_stands_before_the_colon() {
        let alice = Some(b"alice".to_vec());
        assert_eq!(user(b"Basic YWxpY2U6c2VjcmV0"), alice);
        assert_eq!(user(b"basic  YWxpY2U6 "), alice);
        assert_eq!(user(b"Basic YWxpY2U="), alice);
        assert_eq!(user(b"BASIC YQ=="), Some(b"a".to_vec()));
    }

    #[test]
    fn what_is_no_basic_authentication_names_nobody() {
        for value in [
            &b""[..],
            b"Basic",
            b"Basic ",
            b"Bearer YWxpY2U=",
            b"Basic Og==",
            b"Basic YQ",
            b"Basic Y@==",
            b"Basic /w==",
            b"Basic ====",
        ] {
            assert_eq!(user(value), None, "{}", value.escape_ascii());
        }
    }
}
