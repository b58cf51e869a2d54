//! The name that a mistyped one was probably meant to be.

/// The candidate that is nearest to `name`, if one is near enough for a typing mistake. Case, `_` and `-` do not count.
pub(super) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = letters(name);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &letters(candidate)), candidate))
        .filter(|(distance, _)| *distance <= tolerance(wanted.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The letters that count.
pub(super) fn letters(name: &str) -> Vec<char> {
    // Longer than any name: what is beyond cannot bring it nearer, and bounds the work.
    const LIMIT: usize = 64;
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).take(LIMIT).collect()
}

/// How many mistakes a name of this length may hold: one in each three letters, at most two.
fn tolerance(length: usize) -> usize {
    (length / 3).min(2)
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    // The borders are right from the start: as many letters as are missing.
    let mut rows: Vec<Vec<usize>> = (0..=a.len()).map(|i| (i..=i + b.len()).collect()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let substituted = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substituted.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["bind", "workers", "worker_class", "timeout", "graceful_timeout"];

    #[test]
    fn a_typing_mistake_is_recognised() {
        for (typed, meant) in [
            ("worker", "workers"),
            ("wokrers", "workers"),
            ("WORKERS", "workers"),
            ("time_out", "timeout"),
            ("timeuot", "timeout"),
            ("gracefull_timeout", "graceful_timeout"),
            ("bnd", "bind"),
        ] {
            assert_eq!(nearest(typed, NAMES), Some(meant), "{typed}");
        }
    }

    #[test]
    fn other_words_are_left_alone() {
        for word in ["", "_", "w", "hosts", "default_timeout_str", "cores", "x".repeat(10_000).as_str()] {
            assert_eq!(nearest(word, NAMES), None, "{word}");
        }
    }
}
