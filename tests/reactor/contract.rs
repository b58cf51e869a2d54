//! What the reactor promises to a loop that is not its own: whatever is due, its poll descriptor is readable for it or
//! `next_deadline` names the time. Nothing else may be needed.
//!
//! A driver by chance keeps to that: it calls `turn` only when it was told to. Its clients send, stop, read slowly, end
//! their side and go; its application attends to its exchanges and waits as one on an event loop does. At the end, when
//! each client does what its nature is, nothing may be left. `GUNICORN_RS_SEED=n cargo test --test reactor contract`
//! replays one seed, as far as the kernel's part in it allows.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use gunicorn::reactor::{Exchange, Reactor, ReactorConfig, ResponseHead};
use gunicorn::sys::clock;
use gunicorn::time::Time;
use mio::Poll;
use socket2::SockRef;

use super::foreign::{listening_at, watched};
use super::peer::{Nature, Peer};
use super::random::Random;

const SEEDS: u64 = 20;
const STEPS: u32 = 800;
const PEERS: u64 = 24;
/// How long anybody may pause in a world whose clients come to all ends.
const SHORT: Duration = Duration::from_millis(80);
/// The same where they all go on: there no deadline may help out.
const LONG: Duration = Duration::from_secs(60);
/// In the end somebody moves within this time, or nobody ever will: it is longer than the server lingers.
const STILL: Duration = Duration::from_secs(5);
/// Longer than all of it takes; who is not through then turns in a circle.
const END: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Reading,
    Writing,
    Draining,
}

/// An exchange in the application, as a task of an event loop.
struct Task {
    exchange: Box<Exchange>,
    stage: Stage,
    /// Bytes of the response that are still to be made.
    left: usize,
    /// By when it wants to be told in any case.
    due: Option<Time>,
    /// It has something to do: it was woken, or has just begun.
    is_woken: bool,
    is_late: bool,
}

struct World {
    random: Random,
    reactor: Reactor,
    poll: Poll,
    address: SocketAddr,
    /// How long anybody may pause.
    patience: Duration,
    peers: Vec<Peer>,
    tasks: BTreeMap<usize, Task>,
    turns: u32,
    answered: u32,
}

fn config(random: &mut Random, patience: Duration) -> ReactorConfig {
    ReactorConfig {
        keepalive: Some(patience),
        head_timeout: patience,
        body_timeout: patience,
        write_timeout: patience,
        waits: false,
        streams_bodies: true,
        max_connections: usize::try_from(random.between(2, 12)).unwrap(),
        keepalive_requests: random.chance(30).then_some(3),
        ..ReactorConfig::default()
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Its connections have the same: so a client that does not keep up shows soon.
        let buffers = SockRef::from(&listener);
        let bytes = random.pick(&[(2, 16 << 10), (1, 4 << 20)]);
        buffers.set_send_buffer_size(bytes).and_then(|()| buffers.set_recv_buffer_size(bytes)).unwrap();
        let patience = if random.chance(50) { LONG } else { SHORT };
        let (reactor, address) = listening_at(listener, config(&mut random, patience));
        let poll = watched(&reactor);
        let (peers, tasks) = (Vec::new(), BTreeMap::new());
        Self { random, reactor, poll, address, patience, peers, tasks, turns: 0, answered: 0 }
    }

    /// Turns if, and only if, it was told to; whether it was.
    fn turn_if_told(&mut self, wait: Duration) -> bool {
        let left = self.reactor.next_deadline().map_or(wait, |due| due - clock::now());
        let mut events = mio::Events::with_capacity(1);
        self.poll.poll(&mut events, Some(left.min(wait))).unwrap();
        let is_due = self.reactor.next_deadline().is_some_and(|due| due <= clock::now());
        if events.is_empty() && !is_due {
            return false;
        }
        self.turns += 1;
        self.reactor.turn(Some(Duration::ZERO)).unwrap();
        for news in self.reactor.take_attention() {
            if let Some(task) = self.tasks.get_mut(&news.place) {
                task.is_woken = true;
                task.is_late |= news.is_due;
            }
        }
        while let Some(exchange) = self.reactor.next_exchange() {
            let left = response_bytes(&exchange);
            let task = Task { stage: Stage::Fresh, left, due: None, is_woken: true, is_late: false, exchange };
            let earlier = self.tasks.insert(task.exchange.place(), task);
            assert!(earlier.is_none(), "a place that is out was handed out again");
        }
        true
    }

    /// One task of those that were woken, by chance, goes as far as it can.
    fn run_a_task(&mut self) -> bool {
        let woken: Vec<usize> = self.tasks.iter().filter(|(_, task)| task.is_woken).map(|(place, _)| *place).collect();
        if woken.is_empty() {
            return false;
        }
        let place = woken[usize::try_from(self.random.between(0, woken.len() as u64 - 1)).unwrap()];
        let mut task = self.tasks.remove(&place).unwrap();
        task.is_woken = false;
        if task.run(&mut self.reactor, self.patience) {
            self.answered += 1;
            self.reactor.complete(task.exchange);
        } else {
            self.reactor.set_deadline(place, task.due);
            self.tasks.insert(place, task);
        }
        true
    }

    fn act(&mut self) {
        match self.random.between(0, 9) {
            0 => {
                let most = PEERS.saturating_sub(self.peers.len() as u64);
                for _ in 0..self.random.between(0, 12).min(most) {
                    let peer = Peer::new(self.address, self.patience == SHORT, &mut self.random);
                    self.peers.push(peer);
                }
            }
            1..=4 if !self.peers.is_empty() => {
                let at = usize::try_from(self.random.between(0, self.peers.len() as u64 - 1)).unwrap();
                if self.peers[at].act(&mut self.random) {
                    self.peers.swap_remove(at);
                }
            }
            5..=6 => drop(self.run_a_task()),
            _ => {
                let wait = self.random.between(0, 500);
                self.turn_if_told(Duration::from_micros(wait));
            }
        }
    }

    /// Everybody comes to an end. The clients that are silent stay: they are the server's to get rid of.
    fn end(&mut self) -> Result<(), String> {
        let (began, mut moved, mut bytes) = (Instant::now(), Instant::now(), 0);
        loop {
            self.peers.retain_mut(|peer| !peer.finish());
            while self.run_a_task() {
                moved = Instant::now();
            }
            let now: usize = self.peers.iter().map(Peer::moved).sum();
            let has_moved = std::mem::replace(&mut bytes, now) != now;
            let is_told = self.turn_if_told(Duration::from_millis(u64::from(!has_moved)));
            let waits = self.peers.iter().any(|peer| peer.nature() == Nature::Good);
            if !waits && !is_told && self.tasks.is_empty() && self.reactor.is_empty() {
                return Ok(());
            }
            if has_moved || is_told {
                moved = Instant::now();
            }
            if moved.elapsed() > STILL || began.elapsed() > END {
                return Err(self.what_is_left());
            }
        }
    }

    /// What is stuck, and whether a turn that nobody has asked for would help.
    fn what_is_left(&mut self) -> String {
        let due = self.reactor.next_deadline().map(|due| due - clock::now());
        let tasks: Vec<_> = self.tasks.iter().map(|(place, task)| (*place, task.stage, task.is_woken)).collect();
        let peers: Vec<_> = self.peers.iter().map(Peer::state).collect();
        self.reactor.turn(Some(Duration::ZERO)).unwrap();
        let (news, next) = (self.reactor.take_attention(), self.reactor.next_exchange().is_some());
        let is_empty = self.reactor.is_empty();
        format!(
            "next turn in {due:?}, empty: {is_empty}, tasks {tasks:?}, peers {peers:?}; a turn brings {news:?}, {next}"
        )
    }

    fn live(&mut self) -> Result<(), String> {
        (0..STEPS).for_each(|_| self.act());
        self.end()
    }
}

impl Task {
    /// Goes on as far as it can without waiting; whether it is through.
    fn run(&mut self, reactor: &mut Reactor, patience: Duration) -> bool {
        let is_late = std::mem::take(&mut self.is_late) && self.due.is_some_and(|due| due <= clock::now());
        loop {
            let goes_on = match self.stage {
                Stage::Fresh => self.begin(reactor),
                Stage::Reading => self.read(is_late),
                Stage::Writing => self.write(reactor, patience),
                Stage::Draining => self.drain(is_late, patience),
            };
            match goes_on {
                Some(Step::Further) => {}
                Some(Step::Through) => return true,
                None => return false,
            }
        }
    }

    fn begin(&mut self, reactor: &mut Reactor) -> Option<Step> {
        reactor.attend(&mut self.exchange).unwrap();
        drop(self.exchange.take_body());
        self.stage = if self.exchange.is_body_open() { Stage::Reading } else { Stage::Writing };
        Some(Step::Further)
    }

    fn read(&mut self, is_late: bool) -> Option<Step> {
        if is_late {
            self.exchange.give_up_body();
        }
        match self.exchange.try_body() {
            Ok(Some(_)) => {
                self.due = None;
                self.stage = if self.exchange.is_body_open() { Stage::Reading } else { Stage::Writing };
                Some(Step::Further)
            }
            Ok(None) => {
                let due = self.exchange.body_due(clock::now());
                self.due.get_or_insert(due);
                None
            }
            Err(error) => {
                self.exchange.refuse(error.status(), "");
                Some(Step::Through)
            }
        }
    }

    fn write(&mut self, reactor: &mut Reactor, patience: Duration) -> Option<Step> {
        const OK: ResponseHead<'static> = ResponseHead { status: 200, reason: b"OK", fields: &[] };
        let part = self.left.min(200_000);
        let is_first = !self.exchange.is_head_sent();
        let started = if is_first { self.exchange.start(&OK, Some(self.left as u64)) } else { Ok(()) };
        if started.and_then(|()| self.exchange.write(&vec![b'x'; part])).is_err() {
            self.exchange.abort();
            return Some(Step::Through);
        }
        self.left -= part;
        if self.left == 0 {
            // What waits is the reactor's to send.
            let _ = self.exchange.finish();
            return Some(Step::Through);
        }
        if !self.exchange.is_flushed() {
            reactor.attend(&mut self.exchange).unwrap();
            self.due = Some(clock::now() + patience);
            self.stage = Stage::Draining;
        }
        Some(Step::Further)
    }

    fn drain(&mut self, is_late: bool, patience: Duration) -> Option<Step> {
        match self.exchange.try_flush() {
            Ok(_) if self.exchange.is_flushed() => {
                (self.due, self.stage) = (None, Stage::Writing);
                Some(Step::Further)
            }
            Ok(0) if is_late => {
                let _ = self.exchange.lose();
                Some(Step::Through)
            }
            Ok(moved) => {
                if moved > 0 {
                    self.due = Some(clock::now() + patience);
                }
                None
            }
            Err(_) => Some(Step::Through),
        }
    }
}

enum Step {
    Further,
    Through,
}

/// The target names it: `/n`.
fn response_bytes(exchange: &Exchange) -> usize {
    str::from_utf8(exchange.head().target()).unwrap().trim_start_matches('/').parse().unwrap()
}

#[test]
fn nothing_is_ever_stuck() {
    let seeds: Vec<u64> = match std::env::var("GUNICORN_RS_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    };
    let (mut turns, mut answered) = (0, 0);
    std::thread::scope(|scope| {
        let live = |seed| {
            let mut world = World::new(seed);
            let lived = world.live();
            (seed, lived, world.turns, world.answered)
        };
        let worlds: Vec<_> = seeds.iter().map(|seed| scope.spawn(move || live(*seed))).collect();
        for world in worlds {
            let (seed, lived, its_turns, its_answers) = world.join().unwrap();
            assert_eq!(lived, Ok(()), "seed {seed}: replay it with GUNICORN_RS_SEED={seed}");
            (turns, answered) = (turns + its_turns, answered + its_answers);
        }
    });
    println!("{turns} turns, {answered} answers");
    assert!(seeds.len() == 1 || answered > 100, "only {answered} requests came to an answer");
}
