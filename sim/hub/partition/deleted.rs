//! Devices that a service has deleted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Ids that are remembered. Whoever creates and deletes devices all day must not take the hub's memory.
const MAX_DELETED: usize = 100_000;

/// Ids of deleted devices, of which the one deleted first is forgotten when there are too many: it may enrol itself
/// again from then on.
#[derive(Debug, Default)]
pub(super) struct Deleted {
    /// When each was deleted, as a count of deletions.
    ids: HashMap<Arc<str>, u64>,
    order: BTreeMap<u64, Arc<str>>,
    last: u64,
}

impl Deleted {
    pub(super) fn contains(&self, id: &str) -> bool {
        self.ids.contains_key(id)
    }

    pub(super) fn insert(&mut self, id: Arc<str>) {
        self.remove(&id);
        self.last += 1;
        self.order.insert(self.last, Arc::clone(&id));
        self.ids.insert(id, self.last);
        if self.ids.len() > MAX_DELETED
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        if let Some(at) = self.ids.remove(id) {
            self.order.remove(&at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_was_deleted_is_forgotten_first() {
        let mut deleted = Deleted::default();
        for n in 0..MAX_DELETED {
            deleted.insert(n.to_string().into());
        }
        assert!(deleted.contains("0"));
        deleted.remove("1");
        deleted.insert("0".into());
        deleted.insert("a".into());
        assert!(["0", "2", "a"].iter().all(|id| deleted.contains(id)) && !deleted.contains("1"));
        deleted.insert("b".into());
        assert!(["0", "3", "a", "b"].iter().all(|id| deleted.contains(id)) && !deleted.contains("2"));
        assert_eq!((deleted.ids.len(), deleted.order.len()), (MAX_DELETED, MAX_DELETED));
    }
}
