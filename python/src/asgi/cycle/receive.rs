//! What the application receives of a request.

use gunicorn::sys::clock;
use pyo3::prelude::*;

use super::{Cycle, Incoming};
use crate::asgi::awaitable::{still_waiting, wake};

impl Cycle {
    /// Counts a message; whether its task is to let the loop's others have their turn.
    pub(in crate::asgi) fn is_end_of_row(&self) -> bool {
        self.lock().row.is_over()
    }

    /// What `receive` gives; `None`: it has to wait.
    pub(in crate::asgi) fn take_message(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let arrived = self.lock().arrived.take();
        if arrived.is_some() { Ok(arrived) } else { self.next_message(py) }
    }

    /// A future that is resolved when there may be a message to take.
    pub(in crate::asgi) fn wait_for_message<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = self.future(py)?;
        self.keep_who_waits(py)?;
        {
            let mut inner = self.lock();
            let is_open = matches!(inner.incoming, Incoming::Open);
            if let Some(exchange) = &mut inner.exchange {
                let engine = self.engine.get();
                engine.attend(exchange);
                if is_open {
                    inner.body_due = Some(exchange.body_due(clock::now()));
                }
            }
            inner.receiving.push(future.clone_ref(py));
        }
        self.set_deadline();
        // It may have come before the poll was asked.
        self.go_on_receiving(py)?;
        self.engine.get().schedule(py)?;
        Ok(future.into_bound(py))
    }

    /// Wakes who waits in `receive`, if something has arrived. It is kept here until it is taken: whoever was woken may
    /// be cancelled before.
    pub(super) fn go_on_receiving(&self, py: Python<'_>) -> PyResult<()> {
        {
            let inner = self.lock();
            if inner.receiving.is_empty() || inner.arrived.is_some() {
                return Ok(());
            }
        }
        let Some(message) = self.next_message(py)? else { return Ok(()) };
        let receiving = {
            let mut inner = self.lock();
            inner.arrived = Some(message);
            inner.body_due = None;
            std::mem::take(&mut inner.receiving)
        };
        wake(py, &receiving)
    }

    /// Whether a task waits in `receive` that was not cancelled.
    pub(super) fn is_anybody_receiving(&self, py: Python<'_>) -> PyResult<bool> {
        self.keep_who_waits(py)?;
        Ok(!self.lock().receiving.is_empty())
    }

    /// Forgets those who were cancelled: a task that asks again and again would leave one each time.
    fn keep_who_waits(&self, py: Python<'_>) -> PyResult<()> {
        let receiving = std::mem::take(&mut self.lock().receiving);
        let waiting = still_waiting(py, receiving)?;
        self.lock().receiving = waiting;
        Ok(())
    }
}
