//! The start, the number of workers, their deaths, their logs.

use super::*;

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
        let exit = ended(4);
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
        for exit in [OOM, CLEAN] {
            let mut scene = Scene::serving(1);
            assert_eq!(scene.exited(G1, 0, exit), [died(G1, 0, exit), fork(G1, 0)]);
            for millis in [500, 1000, 2000] {
                scene.forked(G1, 0);
                scene.ready(G1, 0);
                let delay = Duration::from_millis(millis);
                assert_eq!(scene.exited(G1, 0, exit), [died(G1, 0, exit), Report(BackOff { delay })]);
                assert_eq!(scene.arbiter.next_deadline(), Some(scene.now + delay));
                assert_eq!(scene.sleep(), [fork(G1, 0)]);
            }
        }
    }

    #[test]
    fn by_max_requests_never_wait() {
        let mut scene = Scene::serving_by(Plan { recycles: true, ..plan(1) });
        let ended = Report(WorkerEnded { pid: pid(G1, 0) });
        for _ in 0..20 {
            assert_eq!(scene.exited(G1, 0, CLEAN), [ended.clone(), fork(G1, 0)]);
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
        let exit = ended(3);
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
