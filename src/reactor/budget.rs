//! How much the requests and responses of a worker may hold, in memory and in files.
//!
//! Whoever holds bytes has a [`Charge`], which gives them back when it is dropped: nothing leaks, and nothing is
//! given back twice. The numbers are all that threads share here, so relaxed atomics do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of one kind: how many there may be, how many are held.
#[derive(Debug)]
pub(super) struct Pool {
    used: AtomicU64,
    limit: u64,
}

impl Pool {
    /// At most `limit` bytes.
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), limit })
    }

    /// Bytes held now.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Whether there is nothing left.
    pub(super) fn is_full(&self) -> bool {
        self.used() >= self.limit
    }

    /// Whether so many bytes could be held if nobody else held any.
    pub(super) fn allows(&self, bytes: u64) -> bool {
        bytes <= self.limit
    }

    fn take(&self, bytes: u64) -> bool {
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Relaxed, Relaxed, add).is_ok()
    }
}

/// What one holder has of a pool. One thread at a time changes it.
#[derive(Debug)]
pub(super) struct Charge {
    pool: Arc<Pool>,
    bytes: AtomicU64,
}

impl Charge {
    /// Of nothing, yet.
    pub(super) fn new(pool: &Arc<Pool>) -> Self {
        Self { pool: Arc::clone(pool), bytes: AtomicU64::new(0) }
    }

    /// Where it is from.
    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Bytes that it stands for.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Stands for `bytes` from now on. `false`: the pool has not so many left, and nothing has changed; fewer are
    /// always granted.
    pub(super) fn set(&self, bytes: u64) -> bool {
        let held = self.bytes();
        if bytes > held && !self.pool.take(bytes - held) {
            return false;
        }
        if bytes < held {
            self.pool.used.fetch_sub(held - bytes, Relaxed);
        }
        self.bytes.store(bytes, Relaxed);
        true
    }

    /// The same for what is held already, whatever the bound is. `false`: there is more now than it allows.
    pub(super) fn set_anyway(&self, bytes: u64) -> bool {
        let is_allowed = self.set(bytes);
        if !is_allowed {
            self.pool.used.fetch_add(bytes - self.bytes(), Relaxed);
            self.bytes.store(bytes, Relaxed);
        }
        is_allowed
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_stays_within_its_pool_and_gives_all_back() {
        let pool = Pool::new(10);
        let (one, other) = (Charge::new(&pool), Charge::new(&pool));
        assert!(one.set(6) && other.set(4));
        assert!(!other.set(5));
        assert_eq!((one.bytes(), other.bytes(), pool.used()), (6, 4, 10));
        assert!(one.set(2) && other.set(8));
        drop(one);
        assert_eq!(pool.used(), 8);
        drop(other);
        assert_eq!(pool.used(), 0);
    }

    #[test]
    fn what_is_held_already_is_counted_beyond_the_bound() {
        let pool = Pool::new(10);
        let (one, other) = (Charge::new(&pool), Charge::new(&pool));
        assert!(one.set_anyway(6) && !other.set_anyway(7));
        assert!(pool.is_full() && pool.used() == 13 && pool.allows(10) && !pool.allows(11));
        assert!(!one.set(7) && one.set(1) && !pool.is_full());
        drop(other);
        assert_eq!(pool.used(), 1);
    }

    #[test]
    fn a_number_beyond_all_bounds_is_refused() {
        let pool = Pool::new(u64::MAX);
        let (one, other) = (Charge::new(&pool), Charge::new(&pool));
        assert!(one.set(2));
        assert!(!other.set(u64::MAX));
        assert_eq!(pool.used(), 2);
    }

    #[test]
    fn threads_that_charge_at_the_same_time_lose_nothing() {
        let pool = Pool::new(1000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for bytes in 0..10_000 {
                        let charge = Charge::new(&pool);
                        charge.set(bytes % 700);
                        assert!(pool.used() <= 1000);
                    }
                });
            }
        });
        assert_eq!(pool.used(), 0);
    }
}
