//! What the arbiter does, as scenarios: an event in, exactly these actions out. The invariants are checked on the way.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::Action::{Build, CloseListeners, Commit, Exit, Fork, Kill, ReadDeadlines, ReopenLogs, Report, Retire};
use super::Report::{
    BackOff, BootFailed, Handling, ReloadCancelled, ReloadDone, ShuttingDown, WorkerDied, WorkerTimeout, ZygoteLost,
    ZygoteSilent,
};
use super::Signal::{Hup, Int, Quit, Term, Ttin, Ttou, Usr1};
use super::WorkerSignal as To;
use super::*;

const GRACEFUL: Duration = Duration::from_secs(20);
const TIMEOUT: Duration = Duration::from_secs(30);
const G1: GenerationId = GenerationId(1);
const G2: GenerationId = GenerationId(2);
const G3: GenerationId = GenerationId(3);

/// An arbiter with its clock.
struct Scene {
    arbiter: Arbiter,
    now: Time,
}

impl Scene {
    fn new() -> Self {
        Self { arbiter: Arbiter::new(16), now: Time::from_micros(1_000_000_000) }
    }

    /// A service of generation 1 whose workers, pids 100 and on, are all ready.
    fn serving(workers: u32) -> Self {
        let mut scene = Self::new();
        scene.on(Event::Started);
        scene.on(built(G1, workers));
        for slot in 0..workers {
            scene.forked(G1, slot);
        }
        for slot in 0..workers {
            scene.ready(G1, slot);
        }
        assert!(!scene.arbiter.is_starting());
        scene
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        let actions = self.arbiter.on_event(self.now, event);
        self.arbiter.check_invariants().unwrap();
        actions
    }

    fn signal(&mut self, signal: Signal) -> Vec<Action> {
        let mut actions = self.on(Event::Signal(signal));
        if matches!(actions.first(), Some(Report(Handling(_)))) {
            actions.remove(0);
        }
        actions
    }

    fn forked(&mut self, generation: GenerationId, slot: u32) -> Vec<Action> {
        self.on(Event::Forked { generation, slot: Slot(slot), pid: pid(generation, slot) })
    }

    fn ready(&mut self, generation: GenerationId, slot: u32) -> Vec<Action> {
        self.on(Event::WorkerReady { slot: Slot(slot), pid: pid(generation, slot) })
    }

    fn exited(&mut self, generation: GenerationId, slot: u32, exit: super::Exit) -> Vec<Action> {
        self.on(Event::ChildExited { pid: pid(generation, slot), exit })
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Sleeps until the next deadline, as the master does.
    fn sleep(&mut self) -> Vec<Action> {
        self.now = self.arbiter.next_deadline().unwrap();
        self.on(Event::Timer)
    }

    fn pids(&self) -> Vec<Pid> {
        self.arbiter.workers().map(|worker| worker.pid).collect()
    }
}

/// Worker pids tell where they are from: 100 and on for generation 1, 200 and on for the next.
fn pid(generation: GenerationId, slot: u32) -> Pid {
    Pid(i32::try_from(generation.0 * 100 + slot).unwrap())
}

fn built(generation: GenerationId, workers: u32) -> Event {
    Event::Built { generation, plan: Plan { workers, timeout: Some(TIMEOUT), graceful_timeout: GRACEFUL } }
}

fn fork(generation: GenerationId, slot: u32) -> Action {
    Fork { generation, slot: Slot(slot) }
}

fn kill(generation: GenerationId, slot: u32, signal: To) -> Action {
    Kill { pid: pid(generation, slot), signal }
}

fn died(generation: GenerationId, slot: u32, exit: super::Exit) -> Action {
    Report(WorkerDied { slot: Slot(slot), pid: pid(generation, slot), exit })
}

const OOM: super::Exit = super::Exit::Signal(9);
const CLEAN: super::Exit = super::Exit::Code(0);

mod start {
    use super::*;

    #[test]
    fn builds_commits_and_forks_the_pool() {
        let mut scene = Scene::new();
        assert_eq!(scene.on(Event::Started), [Build(G1)]);
        assert_eq!(scene.on(built(G1, 2)), [Commit(G1), fork(G1, 0), fork(G1, 1)]);
        assert_eq!(scene.forked(G1, 0), []);
        assert_eq!(scene.ready(G1, 0), []);
        assert!(scene.arbiter.is_starting());
        scene.forked(G1, 1);
        scene.ready(G1, 1);
        assert!(!scene.arbiter.is_starting());
    }

    #[test]
    fn ends_with_the_code_of_a_build_that_fails() {
        let mut scene = Scene::new();
        scene.on(Event::Started);
        assert_eq!(scene.on(Event::BuildFailed { generation: G1, exit_code: 1 }), [Exit(1)]);
        assert_eq!(scene.on(built(G1, 2)), []);
        assert_eq!(scene.signal(Term), []);
    }

    #[test]
    fn ends_when_a_worker_cannot_load_the_app_and_stops_the_others_first() {
        let mut scene = Scene::new();
        scene.on(Event::Started);
        scene.on(built(G1, 2));
        scene.forked(G1, 0);
        scene.forked(G1, 1);
        scene.ready(G1, 0);
        let exit = super::super::Exit::Code(4);
        let told = scene.exited(G1, 1, exit);
        let report = Report(BootFailed { pid: pid(G1, 1), exit, fatal: true });
        assert_eq!(told, [report, CloseListeners, kill(G1, 0, To::Term)]);
        assert_eq!(scene.exited(G1, 0, CLEAN), [Report(ShuttingDown), Retire(G1), Exit(4)]);
    }

    #[test]
    fn survives_a_worker_that_just_dies() {
        let mut scene = Scene::new();
        scene.on(Event::Started);
        scene.on(built(G1, 1));
        scene.forked(G1, 0);
        assert_eq!(scene.exited(G1, 0, OOM), [died(G1, 0, OOM), fork(G1, 0)]);
    }

    #[test]
    fn ends_when_its_zygote_is_lost() {
        let mut scene = Scene::new();
        scene.on(Event::Started);
        scene.on(built(G1, 1));
        let lost = scene.on(Event::ZygoteExited { generation: G1, exit: OOM });
        let report = Report(ZygoteLost { generation: G1, exit: OOM });
        assert_eq!(lost, [report, CloseListeners, Report(ShuttingDown), Retire(G1), Exit(3)]);
    }

    #[test]
    fn queues_a_reload_until_it_is_through() {
        let mut scene = Scene::new();
        scene.on(Event::Started);
        scene.on(built(G1, 1));
        assert_eq!(scene.signal(Hup), []);
        scene.forked(G1, 0);
        assert_eq!(scene.ready(G1, 0), [Build(G2)]);
    }

    #[test]
    fn is_stopped_before_anything_was_built() {
        let mut scene = Scene::new();
        scene.on(Event::Started);
        assert_eq!(scene.signal(Int), [CloseListeners, Retire(G1), Report(ShuttingDown), Exit(0)]);
    }
}

mod scale {
    use super::*;

    #[test]
    fn ttin_adds_a_worker_and_ttou_takes_the_oldest() {
        let mut scene = Scene::serving(2);
        assert_eq!(scene.signal(Ttin), [fork(G1, 2)]);
        scene.pass(Duration::from_secs(1));
        scene.forked(G1, 2);
        scene.ready(G1, 2);
        assert_eq!(scene.signal(Ttou), [kill(G1, 0, To::Term)]);
        assert_eq!(scene.exited(G1, 0, CLEAN), []);
        assert_eq!(scene.signal(Ttin), [fork(G1, 0)]);
    }

    #[test]
    fn ttou_leaves_one() {
        let mut scene = Scene::serving(2);
        assert_eq!(scene.signal(Ttou), [kill(G1, 0, To::Term)]);
        assert_eq!(scene.signal(Ttou), []);
    }

    #[test]
    fn ttou_takes_back_a_ttin_without_touching_who_serves() {
        let mut scene = Scene::serving(2);
        scene.signal(Ttin);
        assert_eq!(scene.signal(Ttou), []);
        assert_eq!(scene.forked(G1, 2), [kill(G1, 2, To::Term)]);
    }

    #[test]
    fn never_wants_more_than_the_slots_allow() {
        let mut scene = Scene::new();
        scene.on(Event::Started);
        assert_eq!(scene.on(built(G1, 10_000)).len(), 1 + 15);
        assert_eq!(scene.signal(Ttin), []);
    }
}

mod deaths {
    use super::*;

    #[test]
    fn are_replaced_at_once_in_the_same_slot() {
        let mut scene = Scene::serving(3);
        scene.pass(Duration::from_secs(20));
        assert_eq!(scene.exited(G1, 1, OOM), [died(G1, 1, OOM), fork(G1, 1)]);
    }

    #[test]
    fn right_after_the_boot_again_and_again_have_to_wait() {
        let mut scene = Scene::serving(1);
        assert_eq!(scene.exited(G1, 0, OOM), [died(G1, 0, OOM), fork(G1, 0)]);
        for millis in [500, 1000, 2000] {
            scene.forked(G1, 0);
            let delay = Duration::from_millis(millis);
            assert_eq!(scene.exited(G1, 0, OOM), [died(G1, 0, OOM), Report(BackOff { delay })]);
            assert_eq!(scene.arbiter.next_deadline(), Some(scene.now + delay));
            assert_eq!(scene.sleep(), [fork(G1, 0)]);
        }
    }

    #[test]
    fn by_max_requests_never_wait() {
        let mut scene = Scene::serving(1);
        for _ in 0..20 {
            assert_eq!(scene.exited(G1, 0, CLEAN), [died(G1, 0, CLEAN), fork(G1, 0)]);
            scene.forked(G1, 0);
            scene.ready(G1, 0);
        }
    }

    #[test]
    fn after_the_start_are_never_fatal() {
        let mut scene = Scene::serving(1);
        scene.pass(Duration::from_secs(5));
        scene.exited(G1, 0, OOM);
        scene.forked(G1, 0);
        let exit = super::super::Exit::Code(3);
        let report = Report(BootFailed { pid: pid(G1, 0), exit, fatal: false });
        assert_eq!(scene.exited(G1, 0, exit), [report, fork(G1, 0)]);
    }

    #[test]
    fn of_strangers_are_ignored() {
        let mut scene = Scene::serving(1);
        assert_eq!(scene.on(Event::ChildExited { pid: Pid(4711), exit: CLEAN }), []);
    }

    #[test]
    fn forks_that_fail_are_tried_again_later() {
        let mut scene = Scene::serving(1);
        let failed = Event::ForkFailed { generation: G1, slot: Slot(1), errno: 11 };
        assert_eq!(scene.signal(Ttin), [fork(G1, 1)]);
        assert_eq!(scene.on(failed.clone()), [fork(G1, 1)]);
        assert_eq!(scene.on(failed), [Report(BackOff { delay: Duration::from_millis(500) })]);
        assert_eq!(scene.sleep(), [fork(G1, 1)]);
    }
}

mod order_of_news {
    use super::*;

    #[test]
    fn an_exit_may_overtake_the_answer() {
        let mut scene = Scene::serving(1);
        scene.signal(Ttin);
        assert_eq!(scene.exited(G1, 1, OOM), []);
        assert_eq!(scene.forked(G1, 1), [died(G1, 1, OOM), fork(G1, 1)]);
        assert_eq!(scene.ready(G1, 1), []);
    }

    #[test]
    fn readiness_may_overtake_the_answer() {
        let mut scene = Scene::serving(1);
        scene.signal(Hup);
        assert_eq!(scene.on(built(G2, 1)), [fork(G2, 1)]);
        assert_eq!(scene.ready(G2, 1), []);
        assert_eq!(scene.forked(G2, 1), [Commit(G2), kill(G1, 0, To::Term)]);
    }

    #[test]
    fn who_has_ended_is_not_ready_any_more() {
        let mut scene = Scene::serving(1);
        scene.pass(Duration::from_secs(5));
        scene.exited(G1, 0, OOM);
        assert_eq!(scene.ready(G1, 0), []);
        assert_eq!(scene.pids(), []);
    }

    #[test]
    fn a_worker_of_a_given_up_generation_is_killed_when_it_turns_up() {
        let mut scene = Scene::serving(1);
        scene.signal(Hup);
        scene.on(built(G2, 1));
        assert_eq!(scene.signal(Hup), [Retire(G2), Build(G3)]);
        assert_eq!(scene.forked(G2, 1), [kill(G2, 1, To::Kill)]);
        assert_eq!(scene.signal(Term), [CloseListeners, Retire(G3), kill(G1, 0, To::Term)]);
        assert_eq!(scene.exited(G1, 0, CLEAN), []);
        assert_eq!(scene.exited(G2, 1, OOM), [Report(ShuttingDown), Retire(G1), Exit(0)]);
    }
}

mod hung {
    use super::*;

    fn reading(deadlines: &[Option<Time>]) -> Event {
        Event::Deadlines((0..).map(Slot).zip(deadlines.iter().copied()).collect())
    }

    #[test]
    fn workers_get_abrt_and_then_kill_and_their_slot_a_successor() {
        let mut scene = Scene::serving(2);
        assert_eq!(scene.arbiter.next_deadline(), Some(scene.now + TIMEOUT));
        assert_eq!(scene.sleep(), [ReadDeadlines]);
        let late = Report(WorkerTimeout { slot: Slot(1), pid: pid(G1, 1) });
        assert_eq!(scene.on(reading(&[None, Some(scene.now)])), [late, kill(G1, 1, To::Abrt)]);
        assert_eq!(scene.arbiter.next_deadline(), Some(scene.now + Duration::from_secs(1)));
        assert_eq!(scene.sleep(), [kill(G1, 1, To::Kill)]);
        assert_eq!(scene.exited(G1, 1, OOM), [fork(G1, 1)]);
    }

    #[test]
    fn is_nobody_who_is_idle_or_in_time() {
        let mut scene = Scene::serving(2);
        scene.sleep();
        let soon = scene.now + Duration::from_secs(3);
        assert_eq!(scene.on(reading(&[None, Some(soon)])), []);
        assert_eq!(scene.arbiter.next_deadline(), Some(soon));
        assert_eq!(scene.sleep(), [ReadDeadlines]);
        assert_eq!(scene.on(reading(&[None, None])), []);
        assert_eq!(scene.arbiter.next_deadline(), Some(scene.now + TIMEOUT));
    }

    #[test]
    fn is_who_does_not_boot_in_time() {
        let mut scene = Scene::serving(1);
        scene.signal(Ttin);
        scene.forked(G1, 1);
        scene.sleep();
        let late = Report(WorkerTimeout { slot: Slot(1), pid: pid(G1, 1) });
        assert_eq!(scene.on(reading(&[None])), [late, kill(G1, 1, To::Abrt)]);
    }

    #[test]
    fn a_reading_that_does_not_come_is_asked_for_again_and_a_second_one_is_not_believed() {
        let mut scene = Scene::serving(1);
        scene.sleep();
        assert_eq!(scene.sleep(), [ReadDeadlines]);
        assert_eq!(scene.on(reading(&[None])), []);
        assert_eq!(scene.on(reading(&[Some(scene.now)])), []);
    }

    #[test]
    fn zygotes_are_replaced_with_all_their_workers() {
        let mut scene = Scene::serving(1);
        scene.signal(Ttin);
        scene.pass(Duration::from_secs(30));
        let silent = scene.on(Event::Timer);
        assert_eq!(silent, [Report(ZygoteSilent(G1)), ReadDeadlines, Build(G2)]);
    }
}

mod reload {
    use super::*;

    /// Two workers, and generation 2 is built and has a ready worker: the commit.
    fn committed() -> Scene {
        let mut scene = Scene::serving(2);
        assert_eq!(scene.signal(Hup), [Build(G2)]);
        assert_eq!(scene.on(built(G2, 2)), [fork(G2, 2)]);
        assert_eq!(scene.forked(G2, 2), []);
        assert_eq!(scene.ready(G2, 2), [Commit(G2), fork(G2, 3), kill(G1, 0, To::Term)]);
        scene
    }

    fn cancelled(actions: &[Action], id: GenerationId) -> bool {
        actions.ends_with(&[Retire(id), Report(ReloadCancelled(id))])
    }

    #[test]
    fn exchanges_the_workers_one_by_one() {
        let mut scene = committed();
        assert_eq!(scene.exited(G1, 0, CLEAN), []);
        scene.forked(G2, 3);
        assert_eq!(scene.ready(G2, 3), [kill(G1, 1, To::Term)]);
        assert_eq!(scene.exited(G1, 1, CLEAN), [Retire(G1), Report(ReloadDone(G2))]);
        assert_eq!(scene.arbiter.serving(), Some(G2));
    }

    #[test]
    fn to_fewer_workers_lets_the_surplus_go_when_the_new_pool_is_complete() {
        let mut scene = Scene::serving(3);
        scene.signal(Hup);
        scene.on(built(G2, 1));
        scene.forked(G2, 3);
        let all = [Commit(G2), kill(G1, 0, To::Term), kill(G1, 1, To::Term), kill(G1, 2, To::Term)];
        assert_eq!(scene.ready(G2, 3), all);
    }

    #[test]
    fn goes_back_to_the_number_of_workers_in_the_plan() {
        let mut scene = Scene::serving(2);
        scene.signal(Ttin);
        scene.signal(Hup);
        scene.on(built(G2, 2));
        scene.forked(G2, 3);
        scene.ready(G2, 3);
        assert_eq!(scene.arbiter.wanted(), 2);
    }

    #[test]
    fn is_cancelled_by_a_build_that_fails() {
        let mut scene = Scene::serving(2);
        scene.signal(Hup);
        let actions = scene.on(Event::BuildFailed { generation: G2, exit_code: 1 });
        assert_eq!(actions, [Retire(G2), Report(ReloadCancelled(G2))]);
        assert_eq!(scene.arbiter.serving(), Some(G1));
    }

    #[test]
    fn is_cancelled_by_a_first_worker_that_cannot_boot_hangs_or_cannot_be_forked() {
        let outcomes: [fn(&mut Scene) -> Vec<Action>; 4] = [
            |scene| scene.exited(G2, 1, super::super::Exit::Code(3)),
            |scene| scene.on(Event::ZygoteExited { generation: G2, exit: OOM }),
            |scene| scene.on(Event::BuildFailed { generation: G2, exit_code: 3 }),
            |scene| {
                scene.sleep();
                scene.on(Event::Deadlines(vec![(Slot(0), None), (Slot(1), Some(scene.now))]))
            },
        ];
        for outcome in outcomes {
            let mut scene = Scene::serving(1);
            scene.signal(Hup);
            scene.on(built(G2, 1));
            scene.forked(G2, 1);
            assert!(cancelled(&outcome(&mut scene), G2));
            assert_eq!(scene.arbiter.serving(), Some(G1));
        }
        let mut scene = Scene::serving(1);
        scene.signal(Hup);
        scene.on(built(G2, 1));
        let failed = Event::ForkFailed { generation: G2, slot: Slot(1), errno: 12 };
        assert!(cancelled(&scene.on(failed), G2));
    }

    #[test]
    fn replaces_old_workers_that_die_before_the_commit() {
        let mut scene = Scene::serving(1);
        scene.signal(Hup);
        scene.pass(Duration::from_secs(5));
        assert_eq!(scene.exited(G1, 0, OOM), [died(G1, 0, OOM), fork(G1, 0)]);
    }

    #[test]
    fn asked_for_again_before_the_commit_starts_over() {
        let mut scene = Scene::serving(1);
        scene.signal(Hup);
        scene.on(built(G2, 1));
        scene.forked(G2, 1);
        assert_eq!(scene.signal(Hup), [kill(G2, 1, To::Term), Retire(G2), Build(G3)]);
    }

    #[test]
    fn asked_for_again_after_the_commit_waits_and_counts_once() {
        let mut scene = committed();
        assert_eq!(scene.signal(Hup), []);
        assert_eq!(scene.signal(Hup), []);
        scene.exited(G1, 0, CLEAN);
        scene.forked(G2, 3);
        scene.ready(G2, 3);
        assert_eq!(scene.exited(G1, 1, CLEAN), [Retire(G1), Report(ReloadDone(G2)), Build(G3)]);
    }

    #[test]
    fn asked_for_again_does_not_wait_for_a_roll_that_is_stuck() {
        let mut scene = committed();
        scene.forked(G2, 3);
        scene.exited(G2, 3, OOM);
        assert_eq!(scene.signal(Hup), [Build(G3)]);
    }

    #[test]
    fn kills_old_workers_that_do_not_finish() {
        let mut scene = committed();
        assert_eq!(scene.arbiter.next_deadline(), Some(scene.now + GRACEFUL));
        assert_eq!(scene.sleep(), [kill(G1, 0, To::Kill)]);
    }

    #[test]
    fn is_how_a_lost_zygote_is_replaced_and_keeps_the_number_of_workers() {
        let mut scene = Scene::serving(1);
        scene.signal(Ttin);
        scene.forked(G1, 1);
        scene.ready(G1, 1);
        let exit = OOM;
        let lost = scene.on(Event::ZygoteExited { generation: G1, exit });
        assert_eq!(lost, [Report(ZygoteLost { generation: G1, exit }), Build(G2)]);
        scene.on(built(G2, 1));
        scene.forked(G2, 2);
        assert_eq!(scene.ready(G2, 2), [Commit(G2), fork(G2, 3), kill(G1, 0, To::Term)]);
    }

    #[test]
    fn for_a_lost_zygote_that_fails_is_tried_again_with_a_back_off() {
        let mut scene = Scene::serving(1);
        scene.on(Event::ZygoteExited { generation: G1, exit: OOM });
        let failed = scene.on(Event::BuildFailed { generation: G2, exit_code: 1 });
        let delay = Duration::from_millis(500);
        assert_eq!(failed, [Retire(G2), Report(ReloadCancelled(G2)), Report(BackOff { delay })]);
        assert_eq!(scene.sleep(), [Build(G3)]);
    }
}

mod stop {
    use super::*;

    #[test]
    fn by_term_lets_workers_finish() {
        let mut scene = Scene::serving(2);
        assert_eq!(scene.signal(Term), [CloseListeners, kill(G1, 0, To::Term), kill(G1, 1, To::Term)]);
        assert_eq!(scene.exited(G1, 1, CLEAN), []);
        assert_eq!(scene.exited(G1, 0, CLEAN), [Report(ShuttingDown), Retire(G1), Exit(0)]);
        assert_eq!(scene.arbiter.next_deadline(), None);
    }

    #[test]
    fn kills_who_does_not_finish_in_time() {
        let mut scene = Scene::serving(1);
        scene.signal(Term);
        assert_eq!(scene.arbiter.next_deadline(), Some(scene.now + GRACEFUL));
        assert_eq!(scene.sleep(), [kill(G1, 0, To::Kill)]);
        assert_eq!(scene.exited(G1, 0, OOM), [Report(ShuttingDown), Retire(G1), Exit(0)]);
    }

    #[test]
    fn by_int_and_quit_is_quick() {
        for signal in [Int, Quit] {
            let mut scene = Scene::serving(1);
            assert_eq!(scene.signal(signal), [CloseListeners, kill(G1, 0, To::Quit)]);
        }
    }

    #[test]
    fn is_hastened_by_int_once() {
        let mut scene = Scene::serving(1);
        scene.signal(Term);
        assert_eq!(scene.signal(Int), [kill(G1, 0, To::Quit)]);
        assert_eq!(scene.arbiter.next_deadline(), Some(scene.now + Duration::from_secs(2)));
        assert_eq!(scene.signal(Quit), []);
    }

    #[test]
    fn hears_no_other_signal() {
        let mut scene = Scene::serving(1);
        scene.signal(Term);
        for signal in [Term, Hup, Ttin, Ttou, Usr1] {
            assert_eq!(scene.signal(signal), []);
        }
    }

    #[test]
    fn waits_for_a_fork_that_was_ordered_and_ends_its_worker() {
        let mut scene = Scene::serving(1);
        scene.signal(Ttin);
        scene.signal(Term);
        assert_eq!(scene.exited(G1, 0, CLEAN), []);
        assert_eq!(scene.forked(G1, 1), [kill(G1, 1, To::Term)]);
        assert_eq!(scene.exited(G1, 1, CLEAN), [Report(ShuttingDown), Retire(G1), Exit(0)]);
    }

    #[test]
    fn waits_for_a_zygote_only_so_long() {
        let mut scene = Scene::serving(1);
        scene.signal(Ttin);
        scene.signal(Term);
        scene.exited(G1, 0, CLEAN);
        assert_eq!(scene.sleep(), [Report(ShuttingDown), Retire(G1), Exit(0)]);
    }

    #[test]
    fn during_a_reload_ends_both_generations() {
        let mut scene = Scene::serving(1);
        scene.signal(Hup);
        scene.on(built(G2, 1));
        scene.forked(G2, 1);
        assert_eq!(scene.signal(Term), [CloseListeners, kill(G2, 1, To::Term), kill(G1, 0, To::Term)]);
        assert_eq!(scene.ready(G2, 1), []);
        scene.exited(G1, 0, CLEAN);
        assert_eq!(scene.exited(G2, 1, CLEAN), [Report(ShuttingDown), Retire(G1), Retire(G2), Exit(0)]);
    }
}

mod logs {
    use super::*;

    #[test]
    fn are_reopened_by_all_and_by_who_boots_when_it_can() {
        let mut scene = Scene::serving(1);
        scene.signal(Ttin);
        scene.forked(G1, 1);
        assert_eq!(scene.signal(Usr1), [ReopenLogs, kill(G1, 0, To::Usr1)]);
        assert_eq!(scene.ready(G1, 1), [kill(G1, 1, To::Usr1)]);
    }
}
