//! A cache with a byte budget that forgets what was used longest ago.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Keeps values up to a number of bytes. What is in use elsewhere stays alive when it is evicted.
#[derive(Debug)]
pub(crate) struct ByteCache<K, V> {
    budget: usize,
    entries: Mutex<Entries<K, V>>,
}

#[derive(Debug)]
struct Entries<K, V> {
    by_key: HashMap<K, Entry<V>>,
    bytes: usize,
    /// Counts uses; the entry with the smallest number was used longest ago.
    uses: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    bytes: usize,
    used: u64,
}

impl<K: Hash + Eq + Copy, V> ByteCache<K, V> {
    /// Makes an empty cache.
    pub(crate) fn new(budget: usize) -> Self {
        Self { budget, entries: Mutex::new(Entries { by_key: HashMap::new(), bytes: 0, uses: 0 }) }
    }

    fn entries(&self) -> MutexGuard<'_, Entries<K, V>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks a value up and notes its use.
    pub(crate) fn get(&self, key: K) -> Option<Arc<V>> {
        let mut entries = self.entries();
        entries.uses += 1;
        let uses = entries.uses;
        let entry = entries.by_key.get_mut(&key)?;
        entry.used = uses;
        Some(Arc::clone(&entry.value))
    }

    /// The bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.entries().bytes
    }

    /// Evicts what was used longest ago until so many bytes more are within the budget, and counts it;
    /// to be called before the value takes its memory.
    pub(crate) fn make_room(&self, bytes: usize) -> u64 {
        self.entries().make_room(bytes, self.budget)
    }

    /// Adds a value and evicts others until the budget holds, and counts those; a value beyond the
    /// whole budget is not kept.
    pub(crate) fn insert(&self, key: K, value: Arc<V>, bytes: usize) -> u64 {
        let mut entries = self.entries();
        entries.remove(key);
        if bytes > self.budget {
            return 0;
        }
        let evicted = entries.make_room(bytes, self.budget);
        entries.uses += 1;
        let used = entries.uses;
        entries.bytes += bytes;
        entries.by_key.insert(key, Entry { value, bytes, used });
        evicted
    }

    /// Forgets a value.
    pub(crate) fn remove(&self, key: K) {
        self.entries().remove(key);
    }
}

impl<K: Hash + Eq + Copy, V> Entries<K, V> {
    fn make_room(&mut self, bytes: usize, budget: usize) -> u64 {
        let mut evicted = 0;
        while self.bytes + bytes > budget {
            let Some(oldest) = self.by_key.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key)
            else {
                break;
            };
            self.remove(oldest);
            evicted += 1;
        }
        evicted
    }

    fn remove(&mut self, key: K) {
        if let Some(entry) = self.by_key.remove(&key) {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evicts_what_was_used_longest_ago() {
        let cache = ByteCache::new(10);
        for key in 0..3 {
            cache.insert(key, Arc::new(key), 3);
        }
        assert!(cache.get(0).is_some());
        assert_eq!(cache.insert(3, Arc::new(3), 3), 1);
        let kept: Vec<bool> = (0..4).map(|key| cache.get(key).is_some()).collect();
        assert_eq!(kept, [true, false, true, true]);
        assert_eq!(cache.bytes(), 9);
    }

    #[test]
    fn makes_room_before_it_is_needed() {
        let cache = ByteCache::new(10);
        for key in 0..3 {
            cache.insert(key, Arc::new(key), 3);
        }
        assert_eq!(cache.make_room(1), 0);
        assert_eq!(cache.make_room(5), 2);
        assert_eq!((cache.bytes(), cache.get(2).is_some()), (3, true));
        assert_eq!(cache.make_room(11), 1, "more than there is: nothing is left");
    }

    #[test]
    fn keeps_nothing_beyond_the_budget() {
        let cache = ByteCache::new(10);
        cache.insert(1, Arc::new(()), 4);
        cache.insert(2, Arc::new(()), 11);
        assert!(cache.get(1).is_some() && cache.get(2).is_none());
        cache.insert(1, Arc::new(()), 10);
        assert_eq!(cache.bytes(), 10);
        cache.remove(1);
        assert_eq!(cache.bytes(), 0);
    }
}
