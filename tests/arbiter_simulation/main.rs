//! The arbiter against a world in which everything goes wrong that can.
//!
//! A seed makes a world: zygotes, workers, an operator, a clock ([`world`]). The arbiter runs in it as it runs in the
//! master. After each event its invariants are checked, and an observer ([`judge`]) checks from outside what it has
//! ordered. A run that ends in a calm world must settle there; one that is stopped must end.
//!
//! `GUNICORN_RS_SEED=n cargo test --test arbiter_simulation -- --nocapture` replays one seed and prints every step.

#![allow(clippy::unwrap_used)]

mod judge;
mod random;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use gunicorn::arbiter::{Arbiter, Event, Signal};
use gunicorn::time::Time;

use judge::Judge;
use world::{STOPPING, World};

/// Seeds in each test run.
const SEEDS: u64 = 512;

/// Steps of a failed run that are printed.
const SHOWN: usize = 60;

/// Time in which a calm world must have settled: an unanswered fork, the longest back-off, a hung boot, a stuck worker.
const SETTLING: Duration = Duration::from_secs(300);

/// Time in which a stop must be through: the longest graceful timeout, the latest news, a silent zygote, and some jumps
/// of the clock.
const STOPPING_TIME: Duration = Duration::from_secs(600);

/// What every run of all seeds must have met, or it has tested less than it says.
const MUST_BE_SEEN: [&str; 25] = [
    "a KILL",
    "a WorkerReady after its exit",
    "a WorkerReady before its Forked",
    "a back-off",
    "a boot that fails",
    "a cancelled reload",
    "a commit of a reload",
    "a death",
    "a lost zygote",
    "a reload",
    "a resignation",
    "a resignation after its exit",
    "a resignation before its Forked",
    "a resignation before its WorkerReady",
    "a resignation of one who leaves",
    "a resignation once more",
    "a resignation that is none",
    "a resigned worker that is relieved",
    "a shutdown",
    "a signal",
    "a silent zygote",
    "a start that fails by a worker",
    "a stop in the midst of it",
    "a timeout",
    "an exit before its Forked",
];

/// One arbiter in one world.
struct Run {
    world: World,
    arbiter: Arbiter,
    judge: Judge,
    trace: Vec<String>,
    aloud: bool,
}

impl Run {
    fn new(seed: u64, aloud: bool) -> Self {
        let mut world = World::new(seed);
        let slots = u32::try_from(world.random.between(2, 24)).unwrap();
        Self { world, arbiter: Arbiter::new(slots), judge: Judge::default(), trace: Vec::new(), aloud }
    }

    /// A life: trouble, and then either a stop in the midst of it, or calm, a last reload, and a stop.
    fn live(&mut self) -> Result<(), String> {
        let trouble = self.world.random.millis(0, 600_000);
        self.pass(trouble)?;
        if self.world.random.chance(50) {
            self.settle()?;
            self.reload_well()?;
        } else if !self.is_over() {
            self.world.operator = Some(STOPPING);
            *self.judge.seen.entry("a stop in the midst of it").or_default() += 1;
        }
        self.stop()
    }

    fn is_over(&self) -> bool {
        self.judge.over.is_some()
    }

    /// Lets the time pass, or less if the master ends.
    fn pass(&mut self, time: Duration) -> Result<(), String> {
        let end = self.world.now + time;
        while !self.is_over() && self.world.now < end {
            let deadline = self.arbiter.next_deadline();
            let event = self.world.next_event(deadline).ok_or("nothing will ever happen again")?;
            self.feed(event)?;
        }
        Ok(())
    }

    fn feed(&mut self, event: Event) -> Result<(), String> {
        self.judge.hear(&event, &self.world);
        let now = self.world.now;
        let actions = self.arbiter.on_event(now, event.clone());
        self.note(now, &format!("{event:?} -> {actions:?}"));
        self.arbiter.check_invariants()?;
        self.judge.judge(&actions, &self.arbiter, &self.world)?;
        actions.iter().for_each(|action| self.world.perform(action));
        Ok(())
    }

    fn note(&mut self, now: Time, what: &str) {
        let line = format!("{:>11.6} {what}", Duration::from_micros(now.as_micros()).as_secs_f64());
        if self.aloud {
            println!("{line}");
        }
        self.trace.push(line);
    }

    /// In a calm world the pool becomes what is wanted. A build that never ends is what an operator ends by HUP.
    fn settle(&mut self) -> Result<(), String> {
        self.world.calm_down();
        if self.judge.candidate.is_some() && !self.is_over() {
            self.feed(Event::Signal(Signal::Hup))?;
        }
        self.pass(SETTLING)?;
        if self.is_over() || self.judge.stopping || self.arbiter.is_starting() {
            return Ok(());
        }
        self.judge.judge_calm(&self.arbiter, &self.world)
    }

    /// In a calm world a reload succeeds.
    fn reload_well(&mut self) -> Result<(), String> {
        if self.is_over() || self.judge.stopping || self.arbiter.is_starting() {
            return Ok(());
        }
        let before = self.arbiter.serving();
        self.feed(Event::Signal(Signal::Hup))?;
        self.pass(SETTLING)?;
        if self.arbiter.serving() <= before {
            return Err("a reload in a calm world has not committed".to_owned());
        }
        self.judge.judge_calm(&self.arbiter, &self.world)
    }

    /// Told to stop, the master ends, and then does nothing more.
    fn stop(&mut self) -> Result<(), String> {
        let signal = self.world.random.pick(&[(2, Signal::Term), (1, Signal::Int), (1, Signal::Quit)]);
        if !self.is_over() {
            self.feed(Event::Signal(signal))?;
        }
        self.pass(STOPPING_TIME)?;
        if !self.is_over() {
            return Err("told to stop, and still there".to_owned());
        }
        for signal in [Signal::Hup, Signal::Term, Signal::Ttin] {
            self.feed(Event::Signal(signal))?;
        }
        self.feed(Event::Timer)
    }
}

/// Lives one seed; panics with the seed and the last steps if something is wrong.
fn live(seed: u64, aloud: bool) -> BTreeMap<&'static str, u32> {
    let mut run = Run::new(seed, aloud);
    if let Err(wrong) = run.live() {
        let last = run.trace.len().saturating_sub(SHOWN);
        let trace = run.trace[last..].join("\n");
        panic!("{trace}\n\nseed {seed}: {wrong}\nreplay it with GUNICORN_RS_SEED={seed}\n");
    }
    run.judge.seen
}

#[test]
fn holds_in_every_world() {
    if let Ok(seed) = std::env::var("GUNICORN_RS_SEED") {
        live(seed.parse().unwrap(), true);
        return;
    }
    let mut seen: BTreeMap<&'static str, u32> = BTreeMap::new();
    for seed in 0..SEEDS {
        for (what, count) in live(seed, false) {
            *seen.entry(what).or_default() += count;
        }
    }
    println!("{seen:#?}");
    for what in MUST_BE_SEEN {
        assert!(seen.contains_key(what), "no seed has met {what}");
    }
}

#[test]
fn is_the_same_for_the_same_seed() {
    let trace = |seed| {
        let mut run = Run::new(seed, false);
        run.live().unwrap();
        run.trace
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}
