//! Which connections may give way to a newcomer when the table is full, the one that has waited longest first.
//!
//! Four queues over the places of the table, linked through one vector: a place enters and leaves in constant time,
//! whatever the number of connections.

/// Why a connection may give way: who loses least goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// It has its answer, and has not closed its side.
    Answered,
    /// It is between two requests.
    Kept,
    /// Its first request, or the head of the next one, has not arrived.
    Arriving,
    /// It is slow to send its body or to take its response.
    Stalled,
}

#[derive(Debug, Clone, Copy, Default)]
struct Node {
    rank: Option<Rank>,
    before: Option<usize>,
    after: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Queue {
    first: Option<usize>,
    last: Option<usize>,
}

/// The places that may give way.
#[derive(Debug, Default)]
pub(super) struct Idle {
    nodes: Vec<Node>,
    queues: [Queue; 4],
}

impl Idle {
    /// Puts a place at the end of the queue of this rank, whether it is in that or not.
    pub(super) fn renew(&mut self, place: usize, rank: Rank) {
        self.set(place, None);
        self.set(place, Some(rank));
    }

    /// Puts a place at the end of the queue of this rank, if it is not in it; `None` takes it out.
    pub(super) fn set(&mut self, place: usize, rank: Option<Rank>) {
        if place >= self.nodes.len() {
            self.nodes.resize(place + 1, Node::default());
        }
        let former = self.nodes[place].rank;
        if former == rank {
            return;
        }
        if let Some(former) = former {
            self.unlink(place, former);
        }
        if let Some(rank) = rank {
            self.append(place, rank);
        }
    }

    /// The place that is to give way first, and its rank.
    pub(super) fn oldest(&self) -> Option<(usize, Rank)> {
        let place = self.queues.iter().find_map(|queue| queue.first)?;
        Some((place, self.nodes[place].rank?))
    }

    fn append(&mut self, place: usize, rank: Rank) {
        let before = self.queues[rank as usize].last.replace(place);
        self.nodes[place] = Node { rank: Some(rank), before, after: None };
        match before {
            Some(before) => self.nodes[before].after = Some(place),
            None => self.queues[rank as usize].first = Some(place),
        }
    }

    fn unlink(&mut self, place: usize, rank: Rank) {
        let Node { before, after, .. } = std::mem::take(&mut self.nodes[place]);
        let queue = &mut self.queues[rank as usize];
        match before {
            Some(before) => self.nodes[before].after = after,
            None => queue.first = after,
        }
        match after {
            Some(after) => self.nodes[after].before = before,
            None => queue.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(idle: &mut Idle) -> Vec<usize> {
        std::iter::from_fn(|| {
            let (place, _) = idle.oldest()?;
            idle.set(place, None);
            Some(place)
        })
        .collect()
    }

    #[test]
    fn who_has_waited_longest_is_first_and_kept_ones_before_others() {
        let mut idle = Idle::default();
        assert_eq!(idle.oldest(), None);
        let ranks = [Rank::Stalled, Rank::Arriving, Rank::Kept, Rank::Kept, Rank::Arriving, Rank::Answered];
        for (place, rank) in [9, 3, 0, 7, 1, 5].into_iter().zip(ranks) {
            idle.set(place, Some(rank));
        }
        idle.set(0, Some(Rank::Kept));
        idle.renew(3, Rank::Arriving);
        assert_eq!(drained(&mut idle), [5, 0, 7, 1, 3, 9]);
    }

    #[test]
    fn a_place_leaves_wherever_it_stands() {
        for gone in 0..4 {
            let mut idle = Idle::default();
            (0..4).for_each(|place| idle.set(place, Some(Rank::Kept)));
            idle.set(gone, None);
            idle.set(gone, None);
            idle.set(9, Some(Rank::Kept));
            let expected: Vec<_> = (0..4).filter(|place| *place != gone).chain([9]).collect();
            assert_eq!(drained(&mut idle), expected);
            assert_eq!(idle.oldest(), None);
        }
    }

    #[test]
    fn a_change_of_rank_is_a_new_wait() {
        let mut idle = Idle::default();
        (0..3).for_each(|place| idle.set(place, Some(Rank::Kept)));
        idle.set(0, Some(Rank::Arriving));
        idle.set(0, Some(Rank::Kept));
        assert_eq!(drained(&mut idle), [1, 2, 0]);
    }
}
