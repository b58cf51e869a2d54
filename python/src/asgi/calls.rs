//! What the engine uses of the loop and the runner.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};

use super::awaitable::is_done;
use super::engine::Engine;

/// What is used of the loop and the runner.
pub(super) struct Calls {
    pub(super) call_later: Py<PyAny>,
    pub(super) create_future: Py<PyAny>,
    /// `asyncio.Task`, and what each of them is made with.
    task: Py<PyAny>,
    task_keywords: Py<PyDict>,
    /// The tasks that run, by their clients.
    tasks: Py<PyDict>,
    run: Py<PyAny>,
    pub(super) cancel: Py<PyAny>,
    pub(super) settle: Py<PyAny>,
    log: Py<PyAny>,
}

impl Calls {
    /// Looks them up.
    pub(super) fn of(
        engine: &Bound<'_, Engine>,
        event_loop: &Bound<'_, PyAny>,
        runner: &Bound<'_, PyAny>,
        log: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let of = |object: &Bound<'_, PyAny>, name: &str| object.getattr(name).map(Bound::unbind);
        Ok(Self {
            call_later: of(runner, "call_later")?,
            create_future: of(event_loop, "create_future")?,
            task: of(runner, "make_task")?,
            task_keywords: runner.getattr("task_keywords")?.cast_into::<PyDict>()?.unbind(),
            tasks: runner.getattr("tasks")?.cast_into::<PyDict>()?.unbind(),
            run: of(runner, "run")?,
            cancel: of(runner, "cancel")?,
            settle: of(engine, "settle")?,
            log: log.clone().unbind(),
        })
    }

    /// Starts the application; whether it is through already.
    pub(super) fn start(&self, client: &Bound<'_, PyAny>, scope: Bound<'_, PyDict>) -> PyResult<bool> {
        let py = client.py();
        let (receive, send) = (client.getattr(intern!(py, "receive"))?, client.getattr(intern!(py, "send"))?);
        let Calls { run, task, task_keywords, tasks, .. } = self;
        let coroutine = run.bind(py).call1((client, scope, receive, send))?;
        let task = task.bind(py).call((coroutine,), Some(task_keywords.bind(py)))?;
        // One that is started eagerly may be through.
        let is_over = task_keywords.bind(py).len() > 1 && is_done(&task)?;
        if !is_over {
            tasks.bind(py).set_item(client, task)?;
        }
        Ok(is_over)
    }

    /// Tells the operator of an exception in the application.
    pub(super) fn report(&self, py: Python<'_>, request: Option<&str>, error: &Bound<'_, PyAny>) -> PyResult<()> {
        let what = request.map_or_else(|| "after the response".to_owned(), |request| format!("at {request}"));
        let keywords = [("exc_info", error)];
        let keywords = keywords.into_py_dict(py)?;
        let log = self.log.bind(py);
        log.call_method("error", ("Exception in ASGI application %s", what), Some(&keywords)).map(drop)
    }

    /// Tells the operator of something that the application has done wrong.
    pub(super) fn complain(&self, py: Python<'_>, what: &str) -> PyResult<()> {
        self.log.bind(py).call_method1("error", ("ASGI: %s", what)).map(drop)
    }
}
