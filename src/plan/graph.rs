//! The graph of steps: which may begin, and what a failure keeps from beginning. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Index of a step in its plan.
pub type Index = usize;

/// Which steps wait for which.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// For each step those that it needs, and whether it cannot do without.
    needs: Vec<BTreeMap<Index, bool>>,
}

impl Graph {
    /// Adds a step that needs others, which have all been added before: so there can be no cycle.
    pub fn add(&mut self, needs: impl IntoIterator<Item = Index>) -> Index {
        let index = self.needs.len();
        self.needs.push(needs.into_iter().filter(|need| *need < index).map(|need| (need, true)).collect());
        index
    }

    /// A step waits for another one, but begins also where that fails. What it cannot do without stays so.
    pub fn wish(&mut self, index: Index, need: Index) {
        if need < index {
            self.needs[index].entry(need).or_insert(false);
        }
    }

    /// What a step waits for itself.
    pub fn needs(&self, index: Index) -> impl Iterator<Item = Index> + '_ {
        self.needs[index].keys().copied()
    }

    /// A walk over all steps.
    pub fn walk(&self) -> Walk {
        let mut dependants: BTreeMap<Index, Vec<(Index, bool)>> = BTreeMap::new();
        for (index, needs) in self.needs.iter().enumerate() {
            for (need, hard) in needs {
                dependants.entry(*need).or_default().push((index, *hard));
            }
        }
        let missing: Vec<usize> = self.needs.iter().map(BTreeMap::len).collect();
        let ready = missing.iter().enumerate().filter(|(_, n)| **n == 0).map(|(index, _)| index).collect();
        Walk { missing, dependants, ready, lost: BTreeSet::new() }
    }
}

/// A walk under way: steps become ready as soon as what they need themselves is done.
#[derive(Debug)]
pub struct Walk {
    missing: Vec<usize>,
    dependants: BTreeMap<Index, Vec<(Index, bool)>>,
    ready: BTreeSet<Index>,
    lost: BTreeSet<Index>,
}

impl Walk {
    /// The next step that may begin now; each is given once.
    pub fn take(&mut self) -> Option<Index> {
        self.ready.pop_first()
    }

    /// A step is done: what waited for it alone may begin.
    pub fn done(&mut self, index: Index) {
        self.settle(index, true);
    }

    /// A step has failed: what cannot do without it will not begin, nor what cannot do without that.
    pub fn failed(&mut self, index: Index) {
        self.settle(index, false);
    }

    /// Steps that will not begin, since something that they need has failed.
    pub fn lost(&self) -> &BTreeSet<Index> {
        &self.lost
    }

    fn settle(&mut self, index: Index, well: bool) {
        for (dependant, hard) in self.dependants.remove(&index).unwrap_or_default() {
            self.missing[dependant] -= 1;
            if hard && !well && self.lost.insert(dependant) {
                self.ready.remove(&dependant);
                self.settle(dependant, false);
            }
            if self.missing[dependant] == 0 && !self.lost.contains(&dependant) {
                self.ready.insert(dependant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_begins_as_soon_as_its_own_needs_are_done() {
        let mut graph = Graph::default();
        let docker = graph.add([]);
        let one = graph.add([docker]);
        let two = graph.add([docker]);
        let last = graph.add([two]);
        let mut walk = graph.walk();
        assert_eq!((walk.take(), walk.take()), (Some(docker), None));
        walk.done(docker);
        assert_eq!((walk.take(), walk.take(), walk.take()), (Some(one), Some(two), None));
        walk.done(two);
        assert_eq!(walk.take(), Some(last), "it does not wait for its sibling");
    }

    #[test]
    fn a_failure_keeps_back_what_cannot_do_without_and_nothing_else() {
        let mut graph = Graph::default();
        let bad = graph.add([]);
        let other = graph.add([]);
        let needs_bad = graph.add([bad]);
        let wishes = graph.add([other]);
        graph.wish(wishes, needs_bad);
        let mut walk = graph.walk();
        assert_eq!((walk.take(), walk.take(), walk.take()), (Some(bad), Some(other), None));
        walk.failed(bad);
        walk.done(other);
        assert_eq!((walk.take(), walk.take()), (Some(wishes), None));
        assert_eq!(walk.lost().iter().copied().collect::<Vec<_>>(), [needs_bad]);
    }
}
