//! A value that Python objects share and that belongs to one request: taken out while it is used, gone when the
//! request has ended.
//!
//! The lock is held only to take the value or to put it back, never while it is used: the user may run Python code,
//! detach from the interpreter or wait for the client meanwhile. A second user finds the place empty and is told so,
//! rather than made to wait with the interpreter in its hands.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Why the value could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unavailable {
    /// Another thread is using it just now.
    InUse,
    /// Its request has ended.
    Ended,
}

#[derive(Debug)]
enum Place<T> {
    Here(T),
    Out,
    /// Out, and its owner waits for it.
    Recalled,
    /// Put back for its owner: nobody else gets it any more.
    Returned(T),
    Ended,
}

/// A value that is out, and goes back whatever happens to its user: the owner waits for it.
struct Taken<'a, T> {
    checkout: &'a Checkout<T>,
    value: Option<T>,
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.checkout.put_back(value);
        }
    }
}

/// The place of a value of type `T`.
#[derive(Debug)]
pub(super) struct Checkout<T> {
    place: Mutex<Place<T>>,
    returned: Condvar,
}

impl<T> Checkout<T> {
    /// An empty place: its request has ended, or not yet begun.
    pub(super) fn new() -> Self {
        Self { place: Mutex::new(Place::Ended), returned: Condvar::new() }
    }

    /// Puts the value of a new request in, and drops what may have been left of an old one.
    pub(super) fn begin(&self, value: T) {
        let old = std::mem::replace(&mut *self.lock(), Place::Here(value));
        drop(old);
    }

    /// Lets `work` use the value.
    ///
    /// # Errors
    /// Somebody else has it, or nobody may have it any more.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R, Unavailable> {
        let mut taken = Taken { checkout: self, value: Some(self.take()?) };
        match &mut taken.value {
            Some(value) => Ok(work(value)),
            // It is there until the drop.
            None => Err(Unavailable::Ended),
        }
    }

    /// Ends the request if the value is here: gives it out for good. Otherwise nobody new gets it any more.
    pub(super) fn try_end(&self) -> Option<T> {
        let mut place = self.lock();
        match std::mem::replace(&mut *place, Place::Ended) {
            Place::Here(value) | Place::Returned(value) => Some(value),
            Place::Out | Place::Recalled => {
                *place = Place::Recalled;
                None
            }
            Place::Ended => None,
        }
    }

    /// As `try_end`, but waits until whoever has the value puts it back. For the one who began the request, and
    /// who alone ends it. To be called detached from the interpreter, which the other thread may need to finish.
    pub(super) fn end(&self) -> T {
        loop {
            if let Some(value) = self.try_end() {
                return value;
            }
            drop(self.returned.wait_while(self.lock(), |place| !matches!(place, Place::Returned(_))));
        }
    }

    fn take(&self) -> Result<T, Unavailable> {
        let mut place = self.lock();
        match std::mem::replace(&mut *place, Place::Out) {
            Place::Here(value) => Ok(value),
            Place::Out => Err(Unavailable::InUse),
            other => {
                *place = other;
                Err(Unavailable::Ended)
            }
        }
    }

    fn put_back(&self, value: T) {
        let mut place = self.lock();
        if matches!(*place, Place::Recalled) {
            *place = Place::Returned(value);
            self.returned.notify_one();
        } else {
            *place = Place::Here(value);
        }
    }

    /// A thread that panicked with the lock leaves a place that is as whole as any other.
    fn lock(&self) -> MutexGuard<'_, Place<T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
