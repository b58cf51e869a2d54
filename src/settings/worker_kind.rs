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
    /// All at a time, each a task of an event loop.
    Asgi,
    /// All at a time, each a greenlet of gevent.
    Gevent,
    /// All at a time, each a greenlet of eventlet.
    Eventlet,
    /// All at a time, by tornado's own server on its own loop.
    Tornado,
    /// As a class that was written for gunicorn does it.
    Foreign,
}

impl WorkerKind {
    /// The kind's name, as `-k` takes it; that of a foreign class is its own.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Gthread => "gthread",
            Self::Asgi => "asgi",
            Self::Gevent => "gevent",
            Self::Eventlet => "eventlet",
            Self::Tornado => "tornado",
            Self::Foreign => "foreign",
        }
    }

    /// Whether each request is a greenlet.
    pub const fn is_green(self) -> bool {
        matches!(self, Self::Gevent | Self::Eventlet)
    }
}

impl Settings {
    /// The kind that serves: the one asked for, else asgi for an async callable. More than one thread makes gthread of
    /// sync, as in gunicorn.
    pub fn worker_kind(&self, is_async: bool) -> WorkerKind {
        match self.worker_class.as_deref() {
            Some("gthread") => WorkerKind::Gthread,
            Some("asgi") => WorkerKind::Asgi,
            Some("gevent") => WorkerKind::Gevent,
            Some("eventlet") => WorkerKind::Eventlet,
            Some("tornado") => WorkerKind::Tornado,
            None if is_async => WorkerKind::Asgi,
            Some(_) if self.foreign_class().is_some() => WorkerKind::Foreign,
            Some(_) if self.stands_in_for().is_some() => WorkerKind::Asgi,
            _ if self.threads > 1 => WorkerKind::Gthread,
            _ => WorkerKind::Sync,
        }
    }

    /// The class of another package that was asked for, where the asgi kind serves in its place.
    pub fn stands_in_for(&self) -> Option<&str> {
        self.worker_class.as_deref().filter(|class| ASGI_CLASSES.contains(class) && !self.foreign_worker)
    }

    /// The class of another package that was asked for and runs itself, as it was named.
    pub fn foreign_class(&self) -> Option<&str> {
        self.worker_class.as_deref().filter(|class| names_class(class) && self.stands_in_for().is_none())
    }
}

/// The kinds that are served, by gunicorn's names; `eventlet` was one up to gunicorn 25.
const SERVED: [&str; 6] = ["sync", "gthread", "asgi", "gevent", "eventlet", "tornado"];

/// What is shown when the user asked for none.
pub(super) const DEFAULT: &str = WorkerKind::Sync.name();

/// What is allowed, as it stands after "must be".
pub(super) const ALLOWED: &str =
    "a class with its module, or a worker kind that is served: sync, gthread, asgi, gevent, eventlet, tornado";

/// Other names that gunicorn has for a kind that is served. Its class for eventlet is gone; those that there are run
/// themselves.
const ALIASES: [(&str, &str); 11] = [
    ("egg:gunicorn#sync", "sync"),
    ("egg:gunicorn#gthread", "gthread"),
    ("egg:gunicorn#asgi", "asgi"),
    ("gevent_wsgi", "gevent"),
    ("gevent_pywsgi", "gevent"),
    ("egg:gunicorn#gevent", "gevent"),
    ("egg:gunicorn#gevent_wsgi", "gevent"),
    ("egg:gunicorn#gevent_pywsgi", "gevent"),
    ("gunicorn.workers.geventlet.EventletWorker", "eventlet"),
    ("egg:gunicorn#eventlet", "eventlet"),
    ("egg:gunicorn#tornado", "tornado"),
];

/// Classes of other packages that serve what the asgi kind serves. Their names are kept, to tell that they do not run
/// (`foreign_worker` has them run).
const ASGI_CLASSES: [&str; 4] = [
    "uvicorn.workers.UvicornWorker",
    "uvicorn.workers.UvicornH11Worker",
    "uvicorn_worker.UvicornWorker",
    "uvicorn_worker.UvicornH11Worker",
];

/// How a class object of a Python config is told by the process that executed it.
const CLASS_OBJECT: &str = "<class '";

/// The name of the kind, in its usual form; that of a class as it is.
pub(super) fn parse(name: &str) -> Result<&str, Refusal> {
    if SERVED.contains(&name) {
        return Ok(name);
    }
    if let Some((_, kind)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Ok(kind);
    }
    if names_class(name) { Ok(name) } else { Err(Refusal::PLAIN) }
}

/// Whether it names a class: `package.module.Class`, `package.module:Class`, an entry point (`egg:package#name`), or a
/// class object. Only the interpreter knows whether there is one.
fn names_class(name: &str) -> bool {
    let is_path = || name.contains(['.', ':']) && !name.split(['.', ':']).any(str::is_empty);
    name.starts_with(CLASS_OBJECT) || name.starts_with("egg:") || is_path()
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
        assert_eq!(parse("egg:gunicorn#asgi"), Ok("asgi"));
        assert_eq!(parse("gevent_pywsgi"), Ok("gevent"));
        assert_eq!(parse("egg:gunicorn#gevent"), Ok("gevent"));
        assert_eq!(parse("gunicorn.workers.geventlet.EventletWorker"), Ok("eventlet"));
        assert_eq!(parse("egg:gunicorn#tornado"), Ok("tornado"));
        for name in ["snyc", ".Worker", "a..Worker", "a.", ":", ""] {
            assert_eq!(parse(name), Err(Refusal::PLAIN), "{name}");
        }
    }

    #[test]
    fn classes_run_themselves() {
        for class in [
            "gunicorn.workers.sync.SyncWorker",
            "gunicorn.workers.ggevent.GeventWorker",
            "a.B",
            "a:B",
            "egg:a#b",
            "<class '__config__.B'>",
        ] {
            assert_eq!(parse(class), Ok(class));
            let settings = settings(Some(class), 2);
            assert_eq!((settings.worker_kind(true), settings.foreign_class()), (WorkerKind::Foreign, Some(class)));
        }
    }

    #[test]
    fn a_class_that_asgi_stands_in_for_runs_itself_when_the_user_insists() {
        for class in ASGI_CLASSES {
            let settings = Settings { foreign_worker: true, ..settings(Some(class), 1) };
            assert_eq!((settings.worker_kind(false), settings.stands_in_for()), (WorkerKind::Foreign, None));
        }
        for kind in SERVED {
            let settings = Settings { foreign_worker: true, ..settings(Some(kind), 1) };
            assert_eq!((settings.worker_kind(false).name(), settings.foreign_class()), (kind, None));
        }
    }

    fn settings(worker_class: Option<&str>, threads: u32) -> Settings {
        Settings { worker_class: worker_class.map(str::to_owned), threads, ..Settings::default() }
    }

    #[test]
    fn more_than_one_thread_makes_gthread_of_sync() {
        for (class, of_one, of_two) in [
            (None, WorkerKind::Sync, WorkerKind::Gthread),
            (Some("sync"), WorkerKind::Sync, WorkerKind::Gthread),
            (Some("gthread"), WorkerKind::Gthread, WorkerKind::Gthread),
            (Some("asgi"), WorkerKind::Asgi, WorkerKind::Asgi),
            (Some("gevent"), WorkerKind::Gevent, WorkerKind::Gevent),
            (Some("eventlet"), WorkerKind::Eventlet, WorkerKind::Eventlet),
        ] {
            let kinds = [1, 2].map(|threads| settings(class, threads).worker_kind(false));
            assert_eq!(kinds, [of_one, of_two], "{class:?}");
        }
    }

    #[test]
    fn the_application_chooses_the_kind_where_the_user_does_not() {
        assert_eq!([1, 2].map(|threads| settings(None, threads).worker_kind(true)), [WorkerKind::Asgi; 2]);
        for kind in [WorkerKind::Sync, WorkerKind::Gthread, WorkerKind::Asgi] {
            let asked = settings(Some(kind.name()), 1);
            assert_eq!([true, false].map(|is_async| asked.worker_kind(is_async)), [kind; 2]);
            assert_eq!(asked.stands_in_for(), None);
        }
        assert_eq!(settings(None, 1).stands_in_for(), None);
    }

    #[test]
    fn asgi_stands_in_for_the_classes_of_uvicorn() {
        for class in ASGI_CLASSES {
            assert_eq!(parse(class), Ok(class));
            let settings = settings(Some(class), 2);
            assert_eq!((settings.worker_kind(false), settings.stands_in_for()), (WorkerKind::Asgi, Some(class)));
            assert_eq!(settings.foreign_class(), None);
        }
    }
}
