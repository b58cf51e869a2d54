//! The contract towards the application.

use crate::reactor::Exchange;

/// An application that answers one exchange at a time on the calling thread.
///
/// The exchange is moved in and handed back, so that no Rust borrow is held while application code runs.
pub trait App: Sync {
    /// Answers the exchange. Whatever the application does wrong is answered or cut here: this never panics and the
    /// exchange always comes back, its response finished or aborted.
    fn call(&self, exchange: Box<Exchange>) -> Box<Exchange>;

    /// Runs `wait`, during which the thread sleeps, so that other threads of the application can run. It is `Send`,
    /// though it never leaves the thread: so it holds nothing that is only good while the interpreter is held.
    fn wait(&self, wait: &mut (dyn FnMut() + Send)) {
        wait();
    }

    /// Runs the life of a further thread that calls the application, under this name.
    fn enter_thread(&self, name: &str, life: &mut (dyn FnMut() + Send)) {
        let _ = name;
        life();
    }

    /// What a thread is in, line by line, innermost last, for the log; empty when that cannot be told. `thread` is its
    /// pthread_self(3).
    fn stack(&self, thread: u64) -> String {
        let _ = thread;
        String::new()
    }

    /// Lets signal handlers of the application's language run; called after each wait. `false`: end at once.
    fn check_signals(&self) -> bool {
        true
    }
}
