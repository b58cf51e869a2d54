//! News out of order, and workers and zygotes that hang.

use super::*;

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
    fn is_nobody_who_was_born_after_the_reading_was_asked_for() {
        let mut scene = Scene::serving(1);
        assert_eq!(scene.sleep(), [ReadDeadlines]);
        scene.exited(G1, 0, OOM);
        scene.pass(Duration::from_millis(1));
        scene.on(Event::Forked { generation: G1, slot: Slot(0), pid: Pid(4711) });
        scene.on(Event::WorkerReady { slot: Slot(0), pid: Pid(4711) });
        assert_eq!(scene.on(reading(&[Some(Time::default())])), []);
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
