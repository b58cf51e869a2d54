//! From one generation to the next, and to the end.

use super::*;

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
            |scene| scene.exited(G2, 1, ended(3)),
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
    fn by_int_hastens_those_who_are_leaving_already() {
        let mut scene = Scene::serving(2);
        scene.signal(Ttou);
        assert_eq!(scene.signal(Int), [CloseListeners, kill(G1, 0, To::Quit), kill(G1, 1, To::Quit)]);
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
