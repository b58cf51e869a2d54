//! The threads that run the application, and how one of them comes to lead.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::Duration;

use mio::Waker;

use super::desk::{Desk, Next};
use super::{BROKEN, PATIENCE, Team};
use crate::app::App;
use crate::log::{self, Complaint};
use crate::reactor::{Exchange, Reactor};
use crate::scoreboard::Lane;
use crate::sys::{clock, eventfd, fd, thread};
use crate::time::Time;
use crate::worker::lifecycle::Lifecycle;
use crate::worker::{AccessLog, WorkerContext};

/// Stack of a thread, in bytes: what the main thread has, for which Python's limit of recursion is made. Only what is
/// used of it takes memory.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// How long no other thread is started after one could not be.
const PAUSE: Duration = Duration::from_secs(1);

/// A request that a thread has taken, and when.
type Taken = (Box<Exchange>, Time);

/// Who there is, and who rests.
#[derive(Debug, Default)]
struct Bench {
    /// Threads that have been started.
    started: usize,
    /// Those that have ended.
    ended: usize,
    resting: usize,
    /// Of the resting ones, so many are to get up.
    called: usize,
    /// Of the started ones, so many have not come to the desk yet.
    coming: usize,
    /// When a thread could not be started.
    failed_at: Option<Time>,
    complaint: Complaint,
}

/// What is known of one thread.
#[derive(Debug)]
pub(super) struct Seat {
    /// The request that it is in.
    pub(super) lane: &'static Lane,
    /// How [`App::stack`] knows it; 0 before it has begun.
    pub(super) thread: AtomicU64,
}

/// All threads, and what they share.
pub(super) struct Crew {
    pub(super) app: Arc<dyn App + Send>,
    pub(super) seats: Vec<Seat>,
    desk: Mutex<Desk>,
    /// Exchanges that were answered while another thread led.
    #[expect(clippy::vec_box, reason = "boxed they come and boxed they go: only the pointer moves")]
    basket: Mutex<Vec<Box<Exchange>>>,
    bench: Mutex<Bench>,
    call: Condvar,
    leaving: Condvar,
    /// The reactor's poll, for the keeper.
    reactor: OwnedFd,
    /// Ends the wait of the leader.
    leader: Waker,
    /// Ends the wait of the keeper.
    keeper: OwnedFd,
    /// When the desk was left last, in microseconds.
    left_at: AtomicU64,
    /// The keeper looks at the desk within [`PATIENCE`].
    is_watched: AtomicBool,
    /// The last request took longer than that: the next one may, too.
    is_slow: AtomicBool,
    /// A request has taken too long: the worker is to be replaced.
    gives_up: AtomicBool,
    exit_code: OnceLock<i32>,
    access_log: Option<Box<dyn AccessLog>>,
    slot: u32,
}

impl Crew {
    /// No thread yet.
    ///
    /// # Errors
    /// eventfd(2), epoll_ctl(2)
    pub(super) fn new(
        app: Arc<dyn App + Send>,
        reactor: Reactor,
        context: WorkerContext<'static>,
        team: &Team,
    ) -> io::Result<Self> {
        let lifecycle = Lifecycle::new(&context);
        let seat = |number| Seat {
            lane: context.slot.lane(number).unwrap_or_else(|| Box::leak(Box::default())),
            thread: AtomicU64::new(0),
        };
        Ok(Self {
            app,
            seats: (0..team.threads.max(1)).map(seat).collect(),
            reactor: fd::duplicate(reactor.as_raw_fd())?,
            leader: reactor.waker()?,
            desk: Mutex::new(Desk::new(reactor, lifecycle, context.slot)),
            basket: Mutex::default(),
            bench: Mutex::default(),
            call: Condvar::new(),
            leaving: Condvar::new(),
            keeper: eventfd::create()?,
            left_at: AtomicU64::new(clock::now().as_micros()),
            is_watched: AtomicBool::new(false),
            is_slow: AtomicBool::new(false),
            gives_up: AtomicBool::new(false),
            exit_code: OnceLock::new(),
            access_log: context.access_log,
            slot: team.slot,
        })
    }

    /// Has a thread look whether the desk is free: one that rests, or a new one. `false`: all are at work, or
    /// on their way.
    ///
    /// # Errors
    /// pthread_create(3), if there is no thread at all.
    pub(super) fn call(self: &Arc<Self>) -> io::Result<bool> {
        let mut bench = lock(&self.bench);
        if bench.resting > bench.called {
            bench.called += 1;
            self.call.notify_one();
            return Ok(true);
        }
        let (number, now) = (bench.started, clock::now());
        // One that waits for the interpreter to come to the desk is enough: a second one would wait with it.
        if number == self.seats.len() || bench.coming > 0 || bench.failed_at.is_some_and(|failed| now - failed < PAUSE)
        {
            return Ok(false);
        }
        match self.start(number) {
            Ok(()) => {
                bench.started += 1;
                bench.coming += 1;
            }
            Err(error) if number == 0 => return Err(error),
            Err(error) => {
                bench.failed_at = Some(now);
                if bench.complaint.is_due(now) {
                    log::error!("Cannot start another thread: {error}");
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn start(self: &Arc<Self>, number: usize) -> io::Result<()> {
        let (crew, name) = (Arc::clone(self), format!("gthread-{}-{number}", self.slot));
        let life = {
            let name = name.clone();
            move || {
                let _leaving = Leaving(&crew);
                crew.seats[number].thread.store(thread::current(), Relaxed);
                crew.app.enter_thread(&name, &mut || {
                    lock(&crew.bench).coming -= 1;
                    crew.work(&crew.seats[number]);
                });
            }
        };
        std::thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(life).map(drop)
    }

    /// The life of a thread.
    fn work(self: &Arc<Self>, seat: &Seat) {
        loop {
            let mut taken = None;
            self.app.wait(&mut || taken = self.lead(seat));
            let Some(mut next) = taken else { return };
            loop {
                let (exchange, began) = next;
                let exchange = self.serve(seat, exchange, began);
                let Some(taken) = self.come_back(seat, exchange, began) else { break };
                next = taken;
            }
        }
    }

    /// Waits until there is a request, at the desk if that is free, else resting. `None`: the worker ends.
    fn lead(self: &Arc<Self>, seat: &Seat) -> Option<Taken> {
        while self.exit_code().is_none() {
            if let Some(desk) = self.desk().or_else(|| self.rest()) {
                return self.stand_at(desk, seat);
            }
        }
        None
    }

    fn stand_at(self: &Arc<Self>, mut desk: MutexGuard<'_, Desk>, seat: &Seat) -> Option<Taken> {
        while self.exit_code().is_none() {
            desk.take_back(self.basket());
            if self.take_wish() {
                desk.give_up();
            }
            match desk.next() {
                Next::Serve(exchange) => return Some(self.leave(desk, seat, exchange)),
                Next::End(code) => self.end(code),
                Next::Wait => desk.wait().unwrap_or_else(|code| self.end(code)),
            }
        }
        None
    }

    /// Leaves the desk with a request.
    fn leave(self: &Arc<Self>, desk: MutexGuard<'_, Desk>, seat: &Seat, exchange: Box<Exchange>) -> Taken {
        let now = clock::now();
        let head = exchange.head();
        seat.lane.begin_request(now, head.method(), head.target());
        self.left_at.store(now.as_micros(), SeqCst);
        drop(desk);
        if self.is_slow.load(Relaxed) {
            // An error is impossible: this thread exists.
            let _ = self.call();
        }
        if !self.is_watched.load(SeqCst) {
            self.watch();
        }
        (exchange, now)
    }

    /// A client is done in three steps: read (the reactor has done it), call, write (what is left to the reactor).
    fn serve(&self, seat: &Seat, exchange: Box<Exchange>, began: Time) -> Box<Exchange> {
        let exchange = self.app.call(exchange);
        seat.lane.end_request(exchange.sent().1);
        if let Some(log) = &self.access_log {
            log.log(&exchange, clock::now() - began);
        }
        exchange
    }

    /// Hands in what has been answered. If the desk is free this thread leads again, and may have the next request.
    fn come_back(self: &Arc<Self>, seat: &Seat, exchange: Box<Exchange>, began: Time) -> Option<Taken> {
        let Some(mut desk) = self.desk() else {
            self.is_slow.store(true, Relaxed);
            lock(&self.basket).push(exchange);
            self.wake_leader();
            return None;
        };
        desk.take_back([exchange]);
        desk.take_back(self.basket());
        let is_slow = desk.now() - began >= PATIENCE;
        if self.is_slow.load(Relaxed) != is_slow {
            self.is_slow.store(is_slow, Relaxed);
        }
        match desk.next() {
            Next::Serve(exchange) => Some(self.leave(desk, seat, exchange)),
            Next::Wait => None,
            Next::End(code) => {
                self.end(code);
                None
            }
        }
    }

    /// Waits to be called, or for the end of the worker.
    ///
    /// Whoever was at the desk a moment ago, the keeper perhaps, may have found nobody to call. So the desk is tried
    /// once more when this thread counts as resting: either it is free, or whoever has it sees who rests as it leaves.
    fn rest(&self) -> Option<MutexGuard<'_, Desk>> {
        let mut bench = lock(&self.bench);
        bench.resting += 1;
        let desk = self.desk();
        while desk.is_none() && bench.called == 0 && self.exit_code().is_none() {
            bench = self.call.wait(bench).unwrap_or_else(PoisonError::into_inner);
        }
        bench.resting -= 1;
        if desk.is_none() {
            bench.called = bench.called.saturating_sub(1);
        }
        desk
    }

    /// Whether a thread rests that nobody has called.
    pub(super) fn is_anybody_resting(&self) -> bool {
        let bench = lock(&self.bench);
        bench.resting > bench.called
    }

    /// The desk, if nobody has it.
    pub(super) fn desk(&self) -> Option<MutexGuard<'_, Desk>> {
        match self.desk.try_lock() {
            Ok(desk) => Some(desk),
            Err(TryLockError::Poisoned(desk)) => Some(desk.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// What others have handed in.
    #[expect(clippy::vec_box, reason = "boxed they come and boxed they go: only the pointer moves")]
    pub(super) fn basket(&self) -> Vec<Box<Exchange>> {
        std::mem::take(&mut *lock(&self.basket))
    }

    /// When the desk was left last.
    pub(super) fn left_at(&self) -> Time {
        Time::from_micros(self.left_at.load(SeqCst))
    }

    /// Has the keeper look at the desk.
    fn watch(&self) {
        if !self.is_watched.swap(true, SeqCst) {
            self.wake_keeper();
        }
    }

    /// Whether the keeper is to look at the desk within its patience.
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched.load(SeqCst)
    }

    /// The keeper will, or it sleeps until it is woken. Whoever leaves the desk looks at this after it has noted that
    /// it leaves.
    pub(super) fn set_watched(&self, is_watched: bool) {
        self.is_watched.store(is_watched, SeqCst);
    }

    /// Asks whoever leads to have the worker replaced.
    pub(super) fn give_up(&self) {
        self.gives_up.store(true, SeqCst);
        self.wake_leader();
    }

    /// Whether the worker is to be replaced; asking clears it.
    pub(super) fn take_wish(&self) -> bool {
        self.gives_up.load(Relaxed) && self.gives_up.swap(false, SeqCst)
    }

    /// The worker ends with this code, or with the one that was told before.
    pub(super) fn end(&self, code: i32) {
        self.exit_code.get_or_init(|| code);
        // Under the lock: who is about to wait has not missed it.
        drop(lock(&self.bench));
        self.call.notify_all();
        self.wake_leader();
        self.wake_keeper();
    }

    /// The code that the worker is to end with, once that is known.
    pub(super) fn exit_code(&self) -> Option<i32> {
        self.exit_code.get().copied()
    }

    pub(super) fn wake_leader(&self) {
        if let Err(error) = self.leader.wake() {
            log::error!("Cannot wake the thread that polls: {error}");
        }
    }

    fn wake_keeper(&self) {
        if let Err(error) = eventfd::raise(&self.keeper) {
            log::error!("Cannot wake the main thread: {error}");
        }
    }

    /// What becomes readable when the keeper is to wake.
    pub(super) fn keeper(&self) -> &OwnedFd {
        &self.keeper
    }

    /// What becomes readable when there is something to tend.
    pub(super) fn reactor(&self) -> &OwnedFd {
        &self.reactor
    }

    /// Waits, after the end, until all threads have left; gives the number of those that have not, being in the
    /// application.
    pub(super) fn wait_for_threads(&self, limit: Duration) -> usize {
        let until = clock::now() + limit;
        let mut bench = lock(&self.bench);
        loop {
            let (here, left) = (bench.started - bench.ended, until - clock::now());
            if here == 0 || left.is_zero() {
                return here;
            }
            bench = self.leaving.wait_timeout(bench, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Counts a thread as ended, however it ends.
struct Leaving<'c>(&'c Crew);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        lock(&self.0.bench).ended += 1;
        self.0.leaving.notify_all();
        if std::thread::panicking() {
            // What it held is in no state to go on with.
            log::critical!("A thread has panicked: the worker ends");
            self.0.end(BROKEN);
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("bench", &self.bench).finish_non_exhaustive()
    }
}

/// A lock that is held for moments only, over what is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
