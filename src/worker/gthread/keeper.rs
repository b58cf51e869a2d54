//! The keeper: the main thread of a worker with threads. It runs no request, so it can always act on signals, show that
//! the worker lives, and see to it that somebody leads.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::crew::Crew;
use super::{BROKEN, Ended, PATIENCE, Team};
use crate::log;
use crate::scoreboard::SlotCells;
use crate::sys::{clock, eventfd, poll};
use crate::time::Time;
use crate::worker::WorkerContext;
use crate::worker::control::{Control, Stop};
use crate::worker::lifecycle;

/// After so many looks at a desk at which the same leader waits nobody needs to look.
const LOOKS: u32 = 4;

/// How long threads may take to leave in the end: those that can take moments.
const LEAVING: Duration = Duration::from_secs(1);

/// The main thread's part.
#[derive(Debug)]
pub(super) struct Keeper {
    crew: Arc<Crew>,
    times: Times,
    control: &'static Control,
    slot: &'static SlotCells,
    signals: File,
    /// Until it is closed: from then on it would be readable for ever.
    parent: Option<File>,
    /// When to show next that the worker lives.
    beat_at: Time,
    /// When whatever is still in flight is given up.
    stop_at: Option<Time>,
    /// When the desk was left as of the last look, and the looks since then.
    seen: (Time, u32),
    /// All threads are in the application, and the reactor is tended from here.
    tends: bool,
    /// When to tend it at the latest.
    tend_at: Option<Time>,
    /// For each thread the start of the last request that was found to take too long.
    late: Vec<Option<Time>>,
}

/// The settings that the keeper keeps to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    timeout: Option<Duration>,
    graceful_timeout: Duration,
    request_timeout: Option<Duration>,
}

impl Times {
    pub(super) fn of(context: &WorkerContext<'_>, team: &Team) -> Self {
        let WorkerContext { timeout, graceful_timeout, .. } = *context;
        Self { timeout, graceful_timeout, request_timeout: team.request_timeout }
    }
}

impl Keeper {
    pub(super) fn new(
        crew: Arc<Crew>,
        times: Times,
        control: &'static Control,
        slot: &'static SlotCells,
        team: Team,
    ) -> Self {
        let late = vec![None; crew.seats.len()];
        Self {
            crew,
            times,
            control,
            slot,
            signals: team.signals.into(),
            parent: Some(team.parent.into()),
            beat_at: clock::now(),
            stop_at: None,
            seen: (Time::default(), 0),
            tends: false,
            tend_at: None,
            late,
        }
    }

    /// Keeps until the worker is to end.
    pub(super) fn keep(mut self) -> Ended {
        let mut ended = Ended { code: BROKEN, stuck: 0 };
        let app = Arc::clone(&self.crew.app);
        app.wait(&mut || {
            self.look_until_the_end();
            let Times { timeout, graceful_timeout, .. } = self.times;
            lifecycle::finish(self.control, self.slot, timeout.unwrap_or(graceful_timeout));
            ended.stuck = self.crew.wait_for_threads(LEAVING);
            ended.code = self.crew.exit_code().unwrap_or(BROKEN);
        });
        ended
    }

    fn look_until_the_end(&mut self) {
        while self.crew.exit_code().is_none() {
            if let Err(error) = self.wait() {
                log::critical!("The worker cannot wait for its signals: {error}");
                return self.crew.end(BROKEN);
            }
            let now = clock::now();
            self.follow_orders(now);
            self.show_life(now);
            self.check_requests(now);
            self.look_at_the_desk(now);
        }
    }

    /// Sleeps until there is something to do, and has the handlers of signals run that have come.
    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.next_look().map(|time| time - clock::now());
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.signals.as_fd(), self.crew.keeper().as_fd()];
        fds.extend(self.tends.then(|| self.crew.reactor().as_fd()));
        fds.extend(self.parent.as_ref().map(File::as_fd));
        let ready = poll::readable(&fds, timeout)?;
        let [signal, call, ..] = ready[..] else { return Ok(()) };
        if call {
            eventfd::take(self.crew.keeper());
        }
        if ready.last() == Some(&true) && self.parent.as_mut().is_some_and(is_closed) {
            self.parent = None;
            if self.control.stopping() == Stop::No {
                log::info!("Parent changed, shutting down: <Worker {}>", std::process::id());
                self.control.stop(Stop::Graceful);
            }
        }
        if signal {
            is_closed(&mut self.signals);
            self.run_handlers();
            // It may be an order for who leads, too.
            self.crew.wake_leader();
        }
        Ok(())
    }

    fn run_handlers(&self) {
        if !self.crew.app.check_signals() {
            self.crew.end(0);
        }
        if self.control.take_reopen() {
            log::reopen();
        }
    }

    /// When to look again, whatever happens.
    fn next_look(&self) -> Option<Time> {
        let watch = self.crew.is_watched().then(|| clock::now() + PATIENCE);
        let beat = self.times.timeout.map(|_| self.beat_at);
        let tend = self.tend_at.filter(|_| self.tends);
        [watch, beat, tend, self.stop_at, self.next_late()].into_iter().flatten().min()
    }

    /// Follows what the worker has been told, where nobody else might: whoever leads does most of it.
    fn follow_orders(&mut self, now: Time) {
        match self.control.stopping() {
            Stop::No => {}
            Stop::Quick => self.crew.end(0),
            Stop::Graceful => {
                if self.stop_at.is_none() {
                    self.crew.wake_leader();
                }
                let stop_at = *self.stop_at.get_or_insert(now + self.times.graceful_timeout);
                if now >= stop_at {
                    self.crew.end(0);
                }
            }
        }
    }

    /// Shows that the worker lives: its interpreter can be had, too.
    fn show_life(&mut self, now: Time) {
        let Some(timeout) = self.times.timeout.filter(|_| now >= self.beat_at) else { return };
        self.run_handlers();
        let nap = timeout / 2;
        self.beat_at = now + nap;
        self.slot.set_deadline(Some(self.beat_at + timeout));
    }

    /// When the next request will have taken too long.
    fn next_late(&self) -> Option<Time> {
        let limit = self.times.request_timeout?;
        let seats = self.crew.seats.iter().zip(&self.late);
        let since = seats.filter_map(|(seat, late)| seat.lane.since().filter(|since| Some(*since) != *late));
        since.min().map(|since| since + limit)
    }

    /// Requests that take too long are told with what they are in, once, and the worker is to be replaced.
    fn check_requests(&mut self, now: Time) {
        let Some(limit) = self.times.request_timeout else { return };
        for (seat, late) in self.crew.seats.iter().zip(&mut self.late) {
            let Some(since) = seat.lane.since().filter(|since| now - *since >= limit && Some(*since) != *late) else {
                continue;
            };
            *late = Some(since);
            let in_flight = || seat.lane.in_flight().filter(|in_flight| in_flight.since == since);
            let Some(request) = in_flight().map(|in_flight| in_flight.request) else { continue };
            let (pid, request, took) = (std::process::id(), request.escape_ascii(), (now - since).as_secs_f64());
            log::error!("REQUEST TIMEOUT (pid:{pid}) in {request} for {took:.1} s, replacing the worker");
            self.crew.give_up();
            // The request may hold the interpreter: then this waits, and the stack is where it lets go.
            let stack = self.crew.app.stack(seat.thread.load(Relaxed));
            if in_flight().is_some() {
                let took = (clock::now() - since).as_secs_f64();
                log::error!("{request} (pid:{pid}) is, after {took:.1} s, in\n{stack}");
            }
        }
    }

    /// Sees to it that somebody leads.
    fn look_at_the_desk(&mut self, now: Time) {
        let Some(mut desk) = self.crew.desk() else { return self.leave_it_to_the_leader() };
        desk.take_back(self.crew.basket());
        let left_at = self.crew.left_at();
        // Somebody has been back: whoever that was may be so again.
        self.tends &= self.seen.0 == left_at;
        self.seen = (left_at, 0);
        if now - left_at < PATIENCE && !self.tends {
            return self.crew.set_watched(true);
        }
        drop(desk);
        match Crew::call(&self.crew) {
            Ok(true) => {
                self.tends = false;
                self.crew.set_watched(true);
            }
            Ok(false) | Err(_) => self.tend(),
        }
    }

    /// Somebody leads. After a while there is nothing to see any more, until the desk is left.
    fn leave_it_to_the_leader(&mut self) {
        self.tends = false;
        let left_at = self.crew.left_at();
        self.seen = if self.seen.0 == left_at { (left_at, self.seen.1 + 1) } else { (left_at, 0) };
        if self.seen.1 >= LOOKS {
            self.crew.set_watched(false);
            if self.crew.left_at() != left_at {
                self.crew.set_watched(true);
            }
        }
    }

    /// All threads are in the application: keeps the connections going until one of them is back.
    fn tend(&mut self) {
        let Some(mut desk) = self.crew.desk() else { return self.crew.set_watched(true) };
        // Whoever comes back and leaves again has this looked at.
        self.crew.set_watched(false);
        self.tends = true;
        let tended = desk.tend(self.crew.take_wish());
        self.tend_at = desk.next_timer();
        drop(desk);
        // Who came back meanwhile found the desk taken, and its call for the leader may have ended in here.
        if self.crew.is_anybody_resting() {
            self.crew.set_watched(true);
        }
        if let Err(code) = tended {
            self.crew.end(code);
        }
    }
}

/// Empties a pipe; whether its other end is closed.
fn is_closed(pipe: &mut File) -> bool {
    let mut bytes = [0; 64];
    loop {
        match pipe.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}
