//! Workers that have resigned: they are replaced first and leave then.

use super::*;

impl Scene {
    fn resigned(&mut self, generation: GenerationId, slot: u32) -> Vec<Action> {
        self.on(Event::WorkerResigned { slot: Slot(slot), pid: pid(generation, slot) })
    }

    /// Forked and ready: what the readiness leads to.
    fn boots(&mut self, generation: GenerationId, slot: u32) -> Vec<Action> {
        assert_eq!(self.forked(generation, slot), []);
        self.ready(generation, slot)
    }
}

mod one_worker {
    use super::*;

    #[test]
    fn is_replaced_before_it_leaves() {
        let mut scene = Scene::serving(2);
        assert_eq!(scene.resigned(G1, 0), [fork(G1, 2)]);
        assert_eq!(scene.forked(G1, 2), []);
        assert_eq!(scene.ready(G1, 2), [kill(G1, 0, To::Term)]);
        assert_eq!(scene.exited(G1, 0, CLEAN), []);
        assert_eq!(scene.pids(), [pid(G1, 1), pid(G1, 2)]);
    }

    #[test]
    fn is_killed_if_it_does_not_leave_in_time() {
        let mut scene = Scene::serving(1);
        scene.resigned(G1, 0);
        scene.boots(G1, 1);
        assert_eq!(scene.arbiter.next_deadline(), Some(scene.now + GRACEFUL));
        assert_eq!(scene.sleep(), [kill(G1, 0, To::Kill)]);
        assert_eq!(scene.exited(G1, 0, OOM), []);
    }

    #[test]
    fn resigns_once_and_only_for_itself() {
        let mut scene = Scene::serving(2);
        assert_eq!(scene.on(Event::WorkerResigned { slot: Slot(0), pid: Pid(4711) }), []);
        assert_eq!(scene.on(Event::WorkerResigned { slot: Slot(1), pid: pid(G1, 0) }), []);
        assert_eq!(scene.resigned(G1, 0), [fork(G1, 2)]);
        assert_eq!(scene.resigned(G1, 0), []);
        scene.boots(G1, 2);
        assert_eq!(scene.resigned(G1, 0), []);
        scene.exited(G1, 0, CLEAN);
        assert_eq!(scene.resigned(G1, 0), []);
    }

    #[test]
    fn serves_on_while_its_successors_cannot_boot() {
        let mut scene = Scene::serving(1);
        assert_eq!(scene.resigned(G1, 0), [fork(G1, 1)]);
        let exit = ended(3);
        let report = Report(BootFailed { pid: pid(G1, 1), exit, fatal: false });
        scene.forked(G1, 1);
        assert_eq!(scene.exited(G1, 1, exit), [report.clone(), fork(G1, 1)]);
        scene.forked(G1, 1);
        let delay = Duration::from_millis(500);
        assert_eq!(scene.exited(G1, 1, exit), [report, Report(BackOff { delay })]);
        assert_eq!(scene.sleep(), [fork(G1, 1)]);
        assert_eq!(scene.pids(), [pid(G1, 0)]);
        assert_eq!(scene.boots(G1, 1), [kill(G1, 0, To::Term)]);
    }

    #[test]
    fn may_resign_before_it_is_known_and_as_its_first_word() {
        let mut scene = Scene::serving(1);
        scene.signal(Ttin);
        assert_eq!(scene.resigned(G1, 1), []);
        assert_eq!(scene.ready(G1, 1), []);
        assert_eq!(scene.forked(G1, 1), [fork(G1, 2)]);
        assert_eq!(scene.boots(G1, 2), [kill(G1, 1, To::Term)]);
    }

    #[test]
    fn that_dies_is_not_replaced_twice() {
        let mut scene = Scene::serving(2);
        scene.pass(Duration::from_secs(5));
        scene.resigned(G1, 0);
        assert_eq!(scene.exited(G1, 0, OOM), [died(G1, 0, OOM)]);
        assert_eq!(scene.boots(G1, 2), []);
        assert_eq!(scene.pids(), [pid(G1, 1), pid(G1, 2)]);
    }

    #[test]
    fn that_hangs_is_not_replaced_twice() {
        let mut scene = Scene::serving(1);
        scene.sleep();
        assert_eq!(scene.resigned(G1, 0), [fork(G1, 1)]);
        let late = Report(WorkerTimeout { slot: Slot(0), pid: pid(G1, 0) });
        let actions = scene.on(Event::Deadlines(vec![(Slot(0), Some(scene.now))]));
        assert_eq!(actions, [late, kill(G1, 0, To::Abrt)]);
        assert_eq!(scene.exited(G1, 0, OOM), []);
        assert_eq!(scene.boots(G1, 1), []);
    }

    #[test]
    fn leaves_at_once_where_its_successor_can_have_no_slot_but_its_own() {
        let mut scene = Scene::new();
        scene.arbiter = Arbiter::new(1);
        scene.on(Event::Started);
        scene.on(built(G1, 1));
        scene.boots(G1, 0);
        assert_eq!(scene.resigned(G1, 0), [Report(NoSlot { pid: pid(G1, 0) }), kill(G1, 0, To::Term)]);
        assert_eq!(scene.exited(G1, 0, CLEAN), [fork(G1, 0)]);
    }
}

mod many_workers {
    use super::*;

    #[test]
    fn are_replaced_side_by_side_and_leave_one_by_one() {
        let mut scene = Scene::serving(2);
        assert_eq!(scene.resigned(G1, 0), [fork(G1, 2)]);
        assert_eq!(scene.resigned(G1, 1), [fork(G1, 3)]);
        assert_eq!(scene.boots(G1, 3), [kill(G1, 0, To::Term)]);
        assert_eq!(scene.boots(G1, 2), [kill(G1, 1, To::Term)]);
    }

    #[test]
    fn stand_in_for_one_that_dies() {
        let mut scene = Scene::serving(2);
        scene.pass(Duration::from_secs(5));
        scene.resigned(G1, 0);
        assert_eq!(scene.exited(G1, 1, OOM), [died(G1, 1, OOM), fork(G1, 1)]);
        assert_eq!(scene.boots(G1, 2), []);
        scene.on(Event::Forked { generation: G1, slot: Slot(1), pid: Pid(4711) });
        assert_eq!(scene.on(Event::WorkerReady { slot: Slot(1), pid: Pid(4711) }), [kill(G1, 0, To::Term)]);
    }

    #[test]
    fn share_the_slots_that_there_are() {
        let mut scene = Scene::new();
        scene.arbiter = Arbiter::new(3);
        scene.on(Event::Started);
        scene.on(built(G1, 2));
        scene.boots(G1, 0);
        scene.boots(G1, 1);
        assert_eq!(scene.resigned(G1, 0), [fork(G1, 2)]);
        assert_eq!(scene.resigned(G1, 1), []);
        assert_eq!(scene.boots(G1, 2), [kill(G1, 0, To::Term)]);
        assert_eq!(scene.exited(G1, 0, CLEAN), [fork(G1, 0)]);
    }

    #[test]
    fn are_the_first_whom_ttou_takes() {
        let mut scene = Scene::serving(2);
        scene.resigned(G1, 1);
        assert_eq!(scene.signal(Ttou), [kill(G1, 1, To::Term)]);
        assert_eq!(scene.forked(G1, 2), [kill(G1, 2, To::Term)]);
    }

    #[test]
    fn that_leave_are_told_again_when_more_of_them_do_than_serve() {
        let mut scene = Scene::serving(1);
        scene.resigned(G1, 0);
        assert_eq!(scene.boots(G1, 1), [kill(G1, 0, To::Term)]);
        scene.pass(Duration::from_secs(1));
        assert_eq!(scene.resigned(G1, 1), [fork(G1, 2)]);
        assert_eq!(scene.boots(G1, 2), [kill(G1, 1, To::Term), kill(G1, 0, To::Term)]);
        assert_eq!(scene.on(Event::Timer), []);
    }

    #[test]
    fn that_leave_are_told_again_by_a_reload() {
        let mut scene = Scene::serving(1);
        scene.resigned(G1, 0);
        scene.boots(G1, 1);
        scene.signal(Hup);
        scene.on(built(G2, 1));
        assert_eq!(scene.boots(G2, 2), [Commit(G2), kill(G1, 0, To::Term), kill(G1, 1, To::Term)]);
    }

    #[test]
    fn that_leave_are_told_again_when_everything_stops() {
        for (signal, to) in [(Term, To::Term), (Int, To::Quit)] {
            let mut scene = Scene::serving(1);
            scene.resigned(G1, 0);
            scene.boots(G1, 1);
            assert_eq!(scene.signal(signal), [CloseListeners, kill(G1, 0, to), kill(G1, 1, to)]);
        }
    }

    #[test]
    fn are_stopped_like_all_others() {
        let mut scene = Scene::serving(1);
        scene.resigned(G1, 0);
        assert_eq!(scene.signal(Term), [CloseListeners, kill(G1, 0, To::Term)]);
        assert_eq!(scene.forked(G1, 1), [kill(G1, 1, To::Term)]);
        assert_eq!(scene.resigned(G1, 1), []);
        scene.exited(G1, 0, CLEAN);
        assert_eq!(scene.exited(G1, 1, CLEAN), [Report(ShuttingDown), Retire(G1), Exit(0)]);
    }
}

mod with_a_change_of_generation {
    use super::*;

    #[test]
    fn resigned_workers_of_the_old_one_leave_first_and_are_not_replaced() {
        let mut scene = Scene::serving(3);
        scene.signal(Hup);
        scene.on(built(G2, 3));
        scene.forked(G2, 3);
        assert_eq!(scene.resigned(G1, 2), [fork(G1, 4)]);
        let commit = [Commit(G2), fork(G2, 5), fork(G2, 6), kill(G1, 2, To::Term)];
        assert_eq!(scene.ready(G2, 3), commit);
        assert_eq!(scene.forked(G1, 4), [kill(G1, 4, To::Term)]);
        assert_eq!(scene.resigned(G1, 1), []);
        assert_eq!(scene.boots(G2, 5), [kill(G1, 1, To::Term)]);
        assert_eq!(scene.boots(G2, 6), [kill(G1, 0, To::Term)]);
    }

    #[test]
    fn one_that_resigns_on_trial_has_passed_it() {
        let mut scene = Scene::serving(1);
        scene.signal(Hup);
        scene.on(built(G2, 1));
        scene.forked(G2, 1);
        assert_eq!(scene.resigned(G2, 1), [Commit(G2), fork(G2, 2), kill(G1, 0, To::Term)]);
        assert_eq!(scene.ready(G2, 1), []);
        scene.exited(G1, 0, CLEAN);
        assert_eq!(scene.boots(G2, 2), [kill(G2, 1, To::Term)]);
    }

    #[test]
    fn one_that_resigns_during_the_start_has_booted() {
        let mut scene = Scene::new();
        scene.on(Event::Started);
        scene.on(built(G1, 1));
        scene.forked(G1, 0);
        assert_eq!(scene.resigned(G1, 0), [fork(G1, 1)]);
        assert!(!scene.arbiter.is_starting());
    }

    #[test]
    fn one_whose_zygote_is_lost_serves_until_the_next_generation_does() {
        let mut scene = Scene::serving(1);
        let exit = OOM;
        let lost = scene.on(Event::ZygoteExited { generation: G1, exit });
        assert_eq!(lost, [Report(ZygoteLost { generation: G1, exit }), Build(G2)]);
        assert_eq!(scene.resigned(G1, 0), []);
        scene.on(built(G2, 1));
        scene.forked(G2, 1);
        assert_eq!(scene.ready(G2, 1), [Commit(G2), kill(G1, 0, To::Term)]);
    }
}
