//! The generations that exist, each in exactly one stage of its life.
//!
//! ```text
//!   Candidate::Building --Built--> Candidate::Trial --its worker is ready--> serving --the next commits--> retiring
//!            |                          |                                                                     |
//!            '------- cancelled --------'----------------------> Retire <---------- its last worker is gone --'
//! ```
//!
//! The types hold what would else be checked: at most one generation is uncommitted, at most one serves. Who moves a
//! generation on is [`super::reload`]; this file only keeps them.

use std::time::Duration;

use super::backoff::BackOff;
use super::event::{GenerationId, Plan};

/// The time that workers have to finish when no plan is known yet: gunicorn's default.
const DEFAULT_GRACEFUL_TIMEOUT: Duration = Duration::from_secs(30);

/// A generation that could be built.
#[derive(Debug, Clone)]
pub(super) struct Generation {
    pub(super) id: GenerationId,
    pub(super) plan: Plan,
    /// Workers wanted: the plan's number, and then what TTIN and TTOU made of it.
    pub(super) wanted: u32,
    /// Whether its zygote can be told to fork.
    pub(super) zygote: bool,
    /// Waits between workers that die as soon as they start.
    pub(super) backoff: BackOff,
}

/// A generation that does not serve yet.
#[derive(Debug, Clone)]
pub(super) enum Candidate {
    /// Being built.
    Building {
        id: GenerationId,
        /// Workers wanted, if it takes over the number of the one before and not its own plan's.
        wanted: Option<u32>,
    },
    /// Built; its first worker must show that it can serve.
    Trial(Generation),
}

impl Candidate {
    pub(super) fn id(&self) -> GenerationId {
        match self {
            Self::Building { id, .. } => *id,
            Self::Trial(generation) => generation.id,
        }
    }
}

/// All generations that exist.
#[derive(Debug, Clone, Default)]
pub(super) struct Generations {
    last: u32,
    /// The one that shall serve next.
    pub(super) candidate: Option<Candidate>,
    /// The one that serves.
    pub(super) serving: Option<Generation>,
    /// Those that served before and still have workers.
    pub(super) retiring: Vec<Generation>,
}

impl Generations {
    /// Starts the life of a new candidate. The caller has removed the one before.
    pub(super) fn begin(&mut self, wanted: Option<u32>) -> GenerationId {
        self.last = self.last.saturating_add(1);
        let id = GenerationId(self.last);
        self.candidate = Some(Candidate::Building { id, wanted });
        id
    }

    /// Takes the candidate out if it is `id` and still being built: the number of workers it takes over.
    pub(super) fn take_building(&mut self, id: GenerationId) -> Option<Option<u32>> {
        match self.candidate {
            Some(Candidate::Building { id: building, wanted }) if building == id => {
                self.candidate = None;
                Some(wanted)
            }
            _ => None,
        }
    }

    /// Takes the candidate out if it is `id` and on trial.
    pub(super) fn take_trial(&mut self, id: GenerationId) -> Option<Generation> {
        match self.candidate.take() {
            Some(Candidate::Trial(trial)) if trial.id == id => Some(trial),
            other => {
                self.candidate = other;
                None
            }
        }
    }

    /// The generation on trial.
    pub(super) fn trial(&self) -> Option<&Generation> {
        match &self.candidate {
            Some(Candidate::Trial(trial)) => Some(trial),
            _ => None,
        }
    }

    /// The built generation of this id.
    pub(super) fn get(&self, id: GenerationId) -> Option<&Generation> {
        self.serving.iter().chain(self.trial()).chain(&self.retiring).find(|generation| generation.id == id)
    }

    pub(super) fn is_candidate(&self, id: GenerationId) -> bool {
        self.candidate.as_ref().is_some_and(|candidate| candidate.id() == id)
    }

    pub(super) fn is_serving(&self, id: GenerationId) -> bool {
        self.serving.as_ref().is_some_and(|generation| generation.id == id)
    }

    pub(super) fn is_retiring(&self, id: GenerationId) -> bool {
        self.retiring.iter().any(|generation| generation.id == id)
    }

    /// Whether the serving generation has lost its zygote, so that no worker of it can be replaced.
    pub(super) fn is_barren(&self) -> bool {
        self.serving.as_ref().is_some_and(|serving| !serving.zygote)
    }

    /// How long workers may take to finish when all is stopped.
    pub(super) fn graceful_timeout(&self) -> Duration {
        self.serving.as_ref().map_or(DEFAULT_GRACEFUL_TIMEOUT, |serving| serving.plan.graceful_timeout)
    }

    /// Every generation that the master still holds, oldest first.
    pub(super) fn ids(&self) -> Vec<GenerationId> {
        let built = self.retiring.iter().chain(&self.serving).map(|generation| generation.id);
        let mut ids: Vec<GenerationId> = built.chain(self.candidate.as_ref().map(Candidate::id)).collect();
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn generation(id: u32) -> Generation {
        let plan = Plan { workers: 2, timeout: None, graceful_timeout: Duration::from_secs(5), recycles: false };
        Generation { id: GenerationId(id), plan, wanted: 2, zygote: true, backoff: BackOff::default() }
    }

    #[test]
    fn ids_count_from_one_and_never_come_back() {
        let mut generations = Generations::default();
        assert_eq!(generations.begin(None), GenerationId(1));
        generations.candidate = None;
        assert_eq!(generations.begin(None), GenerationId(2));
    }

    #[test]
    fn an_answer_for_another_generation_moves_nothing() {
        let mut generations = Generations::default();
        let id = generations.begin(Some(7));
        assert_eq!(generations.take_building(GenerationId(9)), None);
        assert!(generations.take_trial(id).is_none());
        assert!(generations.is_candidate(id));
        assert_eq!(generations.take_building(id), Some(Some(7)));
        assert!(!generations.is_candidate(id));
    }

    #[test]
    fn all_are_listed_oldest_first() {
        let mut generations = Generations::default();
        generations.retiring.push(generation(1));
        generations.serving = Some(generation(2));
        generations.candidate = Some(Candidate::Trial(generation(3)));
        assert_eq!(generations.ids(), [GenerationId(1), GenerationId(2), GenerationId(3)]);
        assert_eq!(generations.get(GenerationId(3)).unwrap().wanted, 2);
    }
}
