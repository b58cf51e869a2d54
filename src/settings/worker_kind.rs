//! Which worker kinds `-k` takes: the one place that decides it.

use super::field::Refusal;

/// The kinds that are served, by gunicorn's names.
const SERVED: [&str; 1] = ["sync"];

/// What is allowed, as it stands after "must be".
pub(super) const ALLOWED: &str = "a worker kind that is served: sync";

/// Other names that gunicorn has for a kind that is served.
const ALIASES: [(&str, &str); 2] = [("gunicorn.workers.sync.SyncWorker", "sync"), ("egg:gunicorn#sync", "sync")];

/// Names of gunicorn's kinds that are not served yet.
const PLANNED: [&str; 6] = ["gthread", "asgi", "gevent", "gevent_wsgi", "gevent_pywsgi", "tornado"];

/// The name of the kind, in its usual form.
pub(super) fn parse(name: &str) -> Result<&'static str, Refusal> {
    if let Some(kind) = SERVED.iter().find(|kind| **kind == name) {
        return Ok(kind);
    }
    if let Some((_, kind)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Ok(kind);
    }
    Err(explain(name))
}

fn explain(name: &str) -> Refusal {
    if PLANNED.contains(&name) {
        return Refusal::hint("gunicorn has this kind, but it is not supported yet");
    }
    if name.contains('.') || name.contains(':') {
        return Refusal::hint("worker classes of other packages are not supported yet");
    }
    Refusal::PLAIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_names_each_kind_that_is_served() {
        assert_eq!(ALLOWED.rsplit(": ").next(), Some(SERVED.join(", ").as_str()));
    }

    #[test]
    fn names_of_one_kind_are_one() {
        assert_eq!(parse("sync"), Ok("sync"));
        assert_eq!(parse("gunicorn.workers.sync.SyncWorker"), Ok("sync"));
        assert_eq!(parse("gthread"), Err(Refusal::hint("gunicorn has this kind, but it is not supported yet")));
        assert_eq!(parse("a.B"), Err(Refusal::hint("worker classes of other packages are not supported yet")));
        assert_eq!(parse("snyc"), Err(Refusal::PLAIN));
    }
}
