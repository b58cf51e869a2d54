//! What the engine uses of the loop and the runner.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::is_done;
use super::engine::Engine;

/// What is used of the loop and the runner.
pub(super) struct Calls {
    pub(super) call_later: Py<PyAny>,
    pub(super) create_future: Py<PyAny>,
    /// `asyncio.Task`, and what each of them is made with.
    task: Py<PyAny>,
    task_keywords: Py<PyDict>,
    /// A task may be through as soon as it is made.
    starts_eagerly: bool,
    /// The tasks that run, by their clients.
    tasks: Py<PyDict>,
    run: Py<PyAny>,
    pub(super) cancel: Py<PyAny>,
    pub(super) settle: Py<PyAny>,
}

impl Calls {
    /// Looks them up.
    pub(super) fn of(
        engine: &Bound<'_, Engine>,
        event_loop: &Bound<'_, PyAny>,
        runner: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let of = |object: &Bound<'_, PyAny>, name: &str| object.getattr(name).map(Bound::unbind);
        let task_keywords = runner.getattr("task_keywords")?.cast_into::<PyDict>()?;
        Ok(Self {
            call_later: of(runner, "call_later")?,
            create_future: of(event_loop, "create_future")?,
            task: of(runner, "make_task")?,
            starts_eagerly: task_keywords.contains("eager_start")?,
            task_keywords: task_keywords.unbind(),
            tasks: runner.getattr("tasks")?.cast_into::<PyDict>()?.unbind(),
            run: of(runner, "run")?,
            cancel: of(runner, "cancel")?,
            settle: of(engine, "settle")?,
        })
    }

    /// Starts the application; whether it is through already.
    pub(super) fn start(&self, client: &Bound<'_, PyAny>, scope: Bound<'_, PyDict>) -> PyResult<bool> {
        let py = client.py();
        let (receive, send) = (client.getattr(intern!(py, "receive"))?, client.getattr(intern!(py, "send"))?);
        let Calls { run, task, task_keywords, starts_eagerly, tasks, .. } = self;
        let coroutine = run.bind(py).call1((client, scope, receive, send))?;
        let task = task.bind(py).call((coroutine,), Some(task_keywords.bind(py)))?;
        let is_over = *starts_eagerly && is_done(&task)?;
        if !is_over {
            tasks.bind(py).set_item(client, task)?;
        }
        Ok(is_over)
    }
}
