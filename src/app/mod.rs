//! The contract towards the application.

use crate::reactor::Exchange;

/// An application that answers one exchange at a time on the calling thread.
///
/// The exchange is moved in and handed back, so that no Rust borrow is held while application code runs.
pub trait App {
    /// Answers the exchange. Whatever the application does wrong is answered or cut here: this never panics and the
    /// exchange always comes back, its response finished or aborted.
    fn call(&self, exchange: Box<Exchange>) -> Box<Exchange>;

    /// Runs `wait`, during which the thread sleeps, so that other threads of the application can run. It is `Send`,
    /// though it never leaves the thread: so it holds nothing that is only good while the interpreter is held.
    fn wait(&self, wait: &mut (dyn FnMut() + Send)) {
        wait();
    }

    /// Lets signal handlers of the application's language run; called after each wait. `false`: end at once.
    fn check_signals(&self) -> bool {
        true
    }
}
