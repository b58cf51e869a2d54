//! Splits `GUNICORN_CMD_ARGS` into arguments, as a shell would and as Python's `shlex.split` does.

/// Why a text cannot be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A quotation is not closed.
    #[error("a quotation mark is not closed")]
    Quotation,
    /// The text ends in a backslash.
    #[error("nothing follows the last backslash")]
    Escape,
}

/// Splits at white space. Single quotes keep everything; double quotes keep everything but `\"` and `\\`; elsewhere a
/// backslash keeps the character after it.
///
/// # Errors
/// An open quotation or a backslash at the end.
pub(super) fn split(text: &str) -> Result<Vec<String>, SplitError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => single(&mut chars, word.get_or_insert_default())?,
            '"' => double(&mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(chars.next().ok_or(SplitError::Escape)?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), SplitError> {
    for c in chars {
        match c {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
    Err(SplitError::Quotation)
}

fn double(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), SplitError> {
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => escaped(chars.next().ok_or(SplitError::Escape)?, word),
            c => word.push(c),
        }
    }
    Err(SplitError::Quotation)
}

/// In double quotes a backslash stays, unless a quotation mark or another backslash follows.
fn escaped(c: char, word: &mut String) {
    if !matches!(c, '"' | '\\') {
        word.push('\\');
    }
    word.push(c);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text).unwrap_or_default()
    }

    #[test]
    fn words_are_split_as_shlex_splits_them() {
        assert_eq!(words(""), [""; 0]);
        assert_eq!(words("  -w 4\t--preload\n"), ["-w", "4", "--preload"]);
        assert_eq!(words("--bind=127.0.0.1 '' \"\""), ["--bind=127.0.0.1", "", ""]);
        assert_eq!(words(r#"--access-logformat '%(h)s "%(r)s"'"#), ["--access-logformat", r#"%(h)s "%(r)s""#]);
        assert_eq!(words(r#"a"b c"'d e'f"#), ["ab cd ef"]);
        assert_eq!(words(r#"a\ b \\ \" "\"\\\n""#), ["a b", r"\", "\"", r#""\\n"#]);
        assert_eq!(words(r"'a\b'"), [r"a\b"]);
        assert_eq!(words("a # b"), ["a", "#", "b"]);
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        assert_eq!(split("'a"), Err(SplitError::Quotation));
        assert_eq!(split("a \"b'"), Err(SplitError::Quotation));
        assert_eq!(split("a\\"), Err(SplitError::Escape));
        assert_eq!(split("\"a\\"), Err(SplitError::Escape));
    }

    proptest! {
        #[test]
        fn a_quoted_word_comes_back(word in "\\PC*") {
            let quoted = format!("'{}'", word.replace('\'', r#"'"'"'"#));
            prop_assert_eq!(split(&quoted), Ok(vec![word]));
        }
    }
}
