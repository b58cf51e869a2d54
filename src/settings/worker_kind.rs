//! Which worker kinds `-k` takes: the one place that decides it.

use super::Settings;
use super::field::Refusal;

/// How exchanges meet the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerKind {
    /// One at a time.
    Sync,
    /// Several at a time, each on a thread.
    Gthread,
}

impl WorkerKind {
    /// The kind's name, as `-k` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Gthread => "gthread",
        }
    }
}

impl Settings {
    /// The kind that serves: more than one thread makes gthread of sync, as in gunicorn.
    pub fn worker_kind(&self) -> WorkerKind {
        match self.worker_class.as_str() {
            "gthread" => WorkerKind::Gthread,
            _ if self.threads > 1 => WorkerKind::Gthread,
            _ => WorkerKind::Sync,
        }
    }
}

/// The kinds that are served, by gunicorn's names.
const SERVED: [&str; 2] = ["sync", "gthread"];

/// What is allowed, as it stands after "must be".
pub(super) const ALLOWED: &str = "a worker kind that is served: sync, gthread";

/// Other names that gunicorn has for a kind that is served.
const ALIASES: [(&str, &str); 4] = [
    ("gunicorn.workers.sync.SyncWorker", "sync"),
    ("egg:gunicorn#sync", "sync"),
    ("gunicorn.workers.gthread.ThreadWorker", "gthread"),
    ("egg:gunicorn#gthread", "gthread"),
];

/// Names of gunicorn's kinds that are not served yet.
const PLANNED: [&str; 5] = ["asgi", "gevent", "gevent_wsgi", "gevent_pywsgi", "tornado"];

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
        assert_eq!(parse("gunicorn.workers.gthread.ThreadWorker"), Ok("gthread"));
        assert_eq!(parse("gevent"), Err(Refusal::hint("gunicorn has this kind, but it is not supported yet")));
        assert_eq!(parse("a.B"), Err(Refusal::hint("worker classes of other packages are not supported yet")));
        assert_eq!(parse("snyc"), Err(Refusal::PLAIN));
    }

    #[test]
    fn more_than_one_thread_makes_gthread_of_sync() {
        let kind = |worker_class: &str, threads| {
            let worker_class = worker_class.to_owned();
            Settings { worker_class, threads, ..Settings::default() }.worker_kind()
        };
        assert_eq!((kind("sync", 1), kind("sync", 2)), (WorkerKind::Sync, WorkerKind::Gthread));
        assert_eq!((kind("gthread", 1), kind("gthread", 2)), (WorkerKind::Gthread, WorkerKind::Gthread));
    }
}
