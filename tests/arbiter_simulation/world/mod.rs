//! The operating system, the zygotes, the workers and the operator, as a model with a virtual clock.
//!
//! Everything that happens is on an agenda, ordered by time. Zygotes hang, die and lose answers; forks fail; workers do
//! not boot, resign as soon as they serve, hang, crash and ignore signals; news comes late, twice and in any order; the clock jumps. What is never
//! wrong is what the kernel guarantees: KILL ends a process, a process is a zombie until it is reaped, and its pid is
//! not given to another before that (nor, as pids are handed out in a cycle, soon after).

mod workers;
mod zygotes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use gunicorn::arbiter::{Action, Event, Exit, GenerationId, Pid, Plan, Signal, Slot};
use gunicorn::time::Time;

use crate::random::Random;

/// A pid comes back no sooner after it was reaped.
const PID_CYCLE: Duration = Duration::from_secs(301);

/// What happens apart from the arbiter.
#[derive(Debug, Clone)]
enum Happening {
    Deliver(Event),
    BuildEnds(GenerationId),
    ZygoteForks(GenerationId, Slot),
    ZygoteCrashes(GenerationId),
    ZygoteDies(GenerationId),
    Boots(Pid),
    Works(Pid),
    Rests(Pid),
    Resigns(Pid),
    Dies(Pid, Exit),
    OperatorActs,
    StrangerEnds,
    ClockJumps,
}

/// A worker process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) slot: Slot,
    pub(crate) booted: bool,
    /// It ignores everything but KILL, and ABRT if it ignores that, too.
    pub(crate) hung: bool,
    ignores_term: bool,
    ignores_abrt: bool,
    /// Whether a reading has shown its slot past the deadline.
    pub(crate) seen_late: bool,
    pub(crate) dead: bool,
    pub(crate) timeout: Option<Duration>,
}

/// How well the workers of a generation boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quality {
    Good,
    Flaky,
    Broken,
}

#[derive(Debug, Clone)]
struct Zygote {
    plan: Plan,
    quality: Quality,
    alive: bool,
    hung: bool,
}

/// The model.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) now: Time,
    /// Nothing new goes wrong any more.
    pub(crate) calm: bool,
    /// Whether the operator gives signals, and whether they may be such as stop the master.
    pub(crate) operator: Option<&'static [(u64, Signal)]>,
    pub(crate) processes: BTreeMap<Pid, Process>,
    agenda: BTreeMap<(Time, u64), Happening>,
    sequence: u64,
    zygotes: BTreeMap<GenerationId, Zygote>,
    scoreboard: BTreeMap<Slot, Option<Time>>,
    /// What the master takes before any other event.
    at_once: VecDeque<Event>,
    reaped: BTreeMap<Pid, Time>,
    last_pid: i32,
}

/// What an operator does to a service that shall go on.
pub(crate) const OPERATING: &[(u64, Signal)] =
    &[(3, Signal::Hup), (3, Signal::Ttin), (3, Signal::Ttou), (1, Signal::Usr1)];

/// What an impatient operator does to one that is being stopped.
pub(crate) const STOPPING: &[(u64, Signal)] = &[
    (3, Signal::Hup),
    (1, Signal::Ttin),
    (1, Signal::Ttou),
    (1, Signal::Usr1),
    (3, Signal::Term),
    (2, Signal::Int),
    (2, Signal::Quit),
];

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut world = Self {
            random: Random::new(seed),
            now: Time::from_micros(3_000_000_000),
            calm: false,
            operator: Some(OPERATING),
            processes: BTreeMap::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
            zygotes: BTreeMap::new(),
            scoreboard: BTreeMap::new(),
            at_once: VecDeque::new(),
            reaped: BTreeMap::new(),
            last_pid: 100,
        };
        world.plan_in(Duration::ZERO, Happening::Deliver(Event::Started));
        world.plan_in(Duration::from_millis(100), Happening::OperatorActs);
        world.plan_in(Duration::from_secs(5), Happening::StrangerEnds);
        world.plan_in(Duration::from_secs(50), Happening::ClockJumps);
        world
    }

    fn plan_in(&mut self, delay: Duration, happening: Happening) {
        self.sequence += 1;
        self.agenda.insert((self.now + delay, self.sequence), happening);
    }

    /// Something goes wrong in `percent` of 100 cases, while the world is not calm.
    fn fault(&mut self, percent: u64) -> bool {
        !self.calm && self.random.chance(percent)
    }

    /// The next event for the master, which sleeps until `deadline` at most; `None`: nothing will ever happen.
    pub(crate) fn next_event(&mut self, deadline: Option<Time>) -> Option<Event> {
        if let Some(event) = self.at_once.pop_front() {
            return Some(self.deliver(event));
        }
        loop {
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let happening_first = match (next, deadline) {
                (None, None) => return None,
                (None, _) => false,
                (_, None) => true,
                // Both overdue, as after a jump of the clock: either may come first.
                (Some(next), Some(deadline)) if next.max(deadline) <= self.now => self.random.chance(50),
                (Some(next), Some(deadline)) => next <= deadline,
            };
            if !happening_first {
                self.now = self.now.max(deadline?);
                return Some(Event::Timer);
            }
            let ((at, _), happening) = self.agenda.pop_first()?;
            self.now = self.now.max(at);
            if let Some(event) = self.happen(happening) {
                return Some(event);
            }
        }
    }

    fn happen(&mut self, happening: Happening) -> Option<Event> {
        match happening {
            Happening::Deliver(event) => return Some(self.deliver(event)),
            Happening::OperatorActs => return self.operator_acts(),
            Happening::StrangerEnds => return self.stranger_ends(),
            Happening::ClockJumps => self.clock_jumps(),
            Happening::BuildEnds(id) => self.build_ends(id),
            Happening::ZygoteForks(id, slot) => self.zygote_forks(id, slot),
            Happening::ZygoteCrashes(_) if self.calm => {}
            Happening::ZygoteCrashes(id) | Happening::ZygoteDies(id) => self.zygote_dies(id),
            Happening::Boots(pid) => self.boots(pid),
            Happening::Works(pid) => self.works(pid),
            Happening::Rests(pid) => self.rests(pid),
            Happening::Resigns(pid) => self.resigns(pid),
            Happening::Dies(pid, exit) => self.dies(pid, exit),
        }
        None
    }

    /// Sends news to the master: mostly soon, sometimes late, sometimes twice.
    fn tell(&mut self, event: Event) {
        let delay = if self.fault(3) { self.random.millis(0, 20_000) } else { self.random.millis(0, 30) };
        self.plan_in(delay, Happening::Deliver(event));
    }

    /// Sends the master news that it may well never hear of.
    fn tell_perhaps(&mut self, event: Event) {
        if !self.fault(5) {
            self.tell(event);
        }
    }

    fn deliver(&mut self, event: Event) -> Event {
        if let Event::ChildExited { pid, .. } = event {
            self.processes.remove(&pid);
            self.reaped.insert(pid, self.now);
        }
        if self.fault(2) {
            self.repeat(&event);
        }
        event
    }

    /// Tells the same once more.
    fn repeat(&mut self, event: &Event) {
        match event {
            // Two failed forks for one slot look like one that is told of twice.
            Event::ForkFailed { .. } => {}
            // Later, its pid may be another's, or what was read may not hold any more.
            Event::Forked { .. } | Event::Deadlines(_) => self.at_once.push_back(event.clone()),
            _ => {
                let delay = self.random.millis(0, 3_000);
                self.plan_in(delay, Happening::Deliver(event.clone()));
            }
        }
    }

    fn operator_acts(&mut self) -> Option<Event> {
        let pause = if self.random.chance(20) { self.random.millis(0, 50) } else { self.random.millis(0, 25_000) };
        self.plan_in(pause, Happening::OperatorActs);
        let signals = self.operator?;
        Some(Event::Signal(self.random.pick(signals)))
    }

    /// A process that is not ours ends: the master is a subreaper and gets the orphans of its workers.
    fn stranger_ends(&mut self) -> Option<Event> {
        let pause = self.random.millis(100, 20_000);
        self.plan_in(pause, Happening::StrangerEnds);
        let pid = self.free_pid();
        self.reaped.insert(pid, self.now);
        Some(Event::ChildExited { pid, exit: Exit::Code(0) })
    }

    fn clock_jumps(&mut self) {
        let pause = self.random.millis(1_000, 200_000);
        self.plan_in(pause, Happening::ClockJumps);
        if !self.calm {
            self.now = self.now + self.random.millis(0, 90_000);
        }
    }

    /// Few pids, so that they come back again and again.
    fn free_pid(&mut self) -> Pid {
        loop {
            self.last_pid = if self.last_pid >= 500 && self.random.chance(50) { 100 } else { self.last_pid + 1 };
            let pid = Pid(self.last_pid);
            let fresh = self.reaped.get(&pid).is_none_or(|at| self.now.since(*at) >= PID_CYCLE);
            if fresh && !self.processes.contains_key(&pid) {
                return pid;
            }
        }
    }

    /// Performs an action as the master would.
    pub(crate) fn perform(&mut self, action: &Action) {
        match action {
            Action::Build(id) => self.build(*id),
            Action::Fork { generation, slot } => {
                let delay = self.random.millis(0, 20);
                self.plan_in(delay, Happening::ZygoteForks(*generation, *slot));
            }
            Action::Kill { pid, signal } => self.signal(*pid, *signal),
            Action::Retire(id) => {
                let delay = self.random.millis(0, 500);
                self.plan_in(delay, Happening::ZygoteDies(*id));
            }
            Action::ReadDeadlines => self.read_deadlines(),
            Action::Commit(_) | Action::ReopenLogs | Action::CloseListeners | Action::Report(_) | Action::Exit(_) => {}
        }
    }

    fn read_deadlines(&mut self) {
        let now = self.now;
        for process in self.processes.values_mut() {
            let deadline = self.scoreboard.get(&process.slot).copied().flatten();
            process.seen_late |= deadline.is_some_and(|deadline| deadline <= now);
        }
        let reading = self.scoreboard.iter().map(|(slot, deadline)| (*slot, *deadline)).collect();
        if !self.fault(3) {
            self.at_once.push_back(Event::Deadlines(reading));
        }
    }

    /// From here on nothing new goes wrong. Who hangs where no timeout was wished, the operator ends by hand.
    pub(crate) fn calm_down(&mut self) {
        self.calm = true;
        self.operator = None;
        let stuck = self.processes.iter().filter(|(_, process)| process.hung && process.timeout.is_none());
        let stuck: BTreeSet<Pid> = stuck.map(|(pid, _)| *pid).collect();
        for pid in stuck {
            self.dies(pid, Exit::Signal(9));
        }
    }
}
