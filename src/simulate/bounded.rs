//! A map with a bound: the entry that came first goes first.

use std::collections::{HashMap, VecDeque};

pub(super) struct Bounded<V> {
    most: usize,
    order: VecDeque<String>,
    values: HashMap<String, V>,
}

impl<V> Bounded<V> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            order: VecDeque::new(),
            values: HashMap::new(),
        }
    }

    /// Adds or replaces; a replaced entry keeps its age. Tells whether the key is new.
    pub(super) fn insert(&mut self, key: String, value: V) -> bool {
        let is_new = self.values.insert(key.clone(), value).is_none();
        if is_new {
            self.order.push_back(key);
        }
        while self.order.len() > self.most {
            if let Some(oldest) = self.order.pop_front() {
                self.values.remove(&oldest);
            }
        }
        is_new
    }

    pub(super) fn get(&self, key: &str) -> Option<&V> {
        self.values.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.values.get_mut(key)
    }

    /// All entries, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.order
            .iter()
            .filter_map(|key| Some((key.as_str(), self.values.get(key)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::Bounded;

    #[test]
    fn the_oldest_entry_makes_room() {
        let mut map = Bounded::new(2);
        assert!(map.insert("a".into(), 1));
        assert!(map.insert("b".into(), 2));
        assert!(!map.insert("a".into(), 3));
        assert_eq!(map.get("a"), Some(&3));
        assert!(map.insert("c".into(), 4));
        let left: Vec<_> = map.iter().collect();
        assert_eq!(left, [("b", &2), ("c", &4)]);
        assert_eq!(map.get("a"), None);
    }
}
