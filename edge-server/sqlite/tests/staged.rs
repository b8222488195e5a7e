//! Keys that are copied into rows: whole or not at all, within their bound, and gone with their set.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;

use bytes::Bytes;
use edge_server::{
    KeyName, KeySetId, ModelKey, TenantId,
    port::Timestamp,
    store::{Horizon, KeyQuota, KeySet, StoreError},
};
use edge_server_sqlite::{self as sqlite, Database, Field, KeyFile, Result, Row, Value};
use rusqlite::{Connection, params_from_iter, types};

const FIVE: KeyName = KeyName::Galois(5);
const QUOTA: KeyQuota = KeyQuota { key_sets: 100, key_bytes: 1 << 40 };
const AMPLE: u64 = 1 << 40;

struct Memory(Connection);

impl Memory {
    fn new() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        for step in sqlite::MIGRATIONS {
            connection.execute_batch(step).unwrap();
        }
        Self(connection)
    }

    /// Stores a set with one key, whose bytes are elsewhere, and says what they are.
    fn set(&self, number: u8, length: usize) -> (KeyFile, Bytes) {
        self.set_of(&TenantId::public(), number, length)
    }

    fn set_of(&self, tenant: &TenantId, number: u8, length: usize) -> (KeyFile, Bytes) {
        let set = KeySet {
            id: KeySetId::from_bytes([number; 16]),
            tenant: tenant.clone(),
            model: ModelKey { model_id: "tiny".to_owned(), version: "1.0.0".to_owned() },
            opened: Timestamp(u64::from(number)),
            announced: 10,
            present: BTreeMap::new(),
        };
        sqlite::insert_key_set(self, &set, None, QUOTA).unwrap();
        let bytes: Bytes = (0..length).map(|index| (index + usize::from(number)) as u8).collect();
        let file = KeyFile::of(set.id, FIVE, &bytes);
        sqlite::put_key(self, tenant, file, length as u64, &[]).unwrap();
        (file, bytes)
    }

    fn unstaged(&self, set: KeySetId) -> Vec<KeyFile> {
        sqlite::unstaged_keys(self, &TenantId::public(), set, &[FIVE]).unwrap()
    }

    fn staged(&self, set: KeySetId) -> Result<Option<Bytes>> {
        sqlite::staged_key(self, &TenantId::public(), set, FIVE)
    }

    /// The sets that have copies, by number.
    fn copied(&self) -> Vec<u8> {
        let sets = self.run("SELECT key_set FROM staged_sets ORDER BY key_set", &[]).unwrap();
        let number = |row: &Row| match &row.0[0] {
            Field::Blob(id) => id[0],
            other => panic!("{other:?} is no set"),
        };
        sets.iter().map(number).collect()
    }

    fn rows(&self, table: &str) -> u64 {
        self.count(&format!("SELECT count(*) FROM {table}"), &[]).unwrap()
    }
}

impl Database for Memory {
    fn run(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        let values = values.iter().map(|value| match *value {
            Value::Null => types::Value::Null,
            Value::Integer(number) => number.into(),
            Value::Text(text) => text.to_owned().into(),
            Value::Blob(bytes) => bytes.to_vec().into(),
        });
        let mut prepared = self.0.prepare(statement).map_err(StoreError::new)?;
        let columns = prepared.column_count();
        let field = |value| match value {
            types::Value::Null => Field::Null,
            types::Value::Integer(number) => Field::Integer(number),
            types::Value::Text(text) => Field::Text(text),
            types::Value::Blob(bytes) => Field::Blob(bytes.into()),
            types::Value::Real(_) => panic!("no table has a fraction"),
        };
        let rows = prepared.query_map(params_from_iter(values), |row| {
            Ok(Row((0..columns).map(|index| Ok(field(row.get(index)?))).collect::<rusqlite::Result<_>>()?))
        });
        rows.map_err(StoreError::new)?.map(|row| row.map_err(StoreError::new)).collect()
    }
}

#[test]
fn a_key_longer_than_a_row_is_split_and_read_as_it_was() {
    let memory = Memory::new();
    for (number, length) in [(1, 1), (2, 1_900_000), (3, 1_900_001), (4, 4_000_000)] {
        let (file, bytes) = memory.set(number, length);
        memory.staged(file.set).expect_err("it was not copied");
        assert_eq!(memory.unstaged(file.set), [file]);
        sqlite::stage_key(&memory, file, &bytes, AMPLE).unwrap();
        sqlite::stage_key(&memory, file, &bytes, AMPLE).unwrap();
        assert_eq!(memory.unstaged(file.set), [], "it is not copied again");
        assert!(memory.staged(file.set).unwrap() == Some(bytes), "{length} bytes");
    }
    assert_eq!(memory.rows("staged_keys"), 1 + 1 + 2 + 3);
}

#[test]
fn a_key_of_which_a_part_is_missing_is_not_read_and_is_copied_again() {
    let memory = Memory::new();
    let (file, bytes) = memory.set(1, 4_000_000);
    sqlite::stage_key(&memory, file, &bytes, AMPLE).unwrap();
    for number in 0..3i64 {
        memory.run("DELETE FROM staged_keys WHERE number = ?1", &[number.into()]).unwrap();
        memory.staged(file.set).expect_err("a part is missing");
        assert_eq!(memory.unstaged(file.set), [file]);
        sqlite::stage_key(&memory, file, &bytes, AMPLE).unwrap();
        assert!(memory.staged(file.set).unwrap().as_ref() == Some(&bytes));
    }
}

#[test]
fn other_bytes_than_those_of_the_key_are_refused() {
    let memory = Memory::new();
    let (file, bytes) = memory.set(1, 100);
    sqlite::stage_key(&memory, file, &bytes[1..], AMPLE).expect_err("a byte is missing");
    memory.staged(file.set).expect_err("nothing was copied");
}

#[test]
fn the_set_used_longest_ago_makes_room() {
    let memory = Memory::new();
    let sets: Vec<_> = (1..=4).map(|number| memory.set(number, 1000)).collect();
    for (file, bytes) in &sets[..3] {
        sqlite::stage_key(&memory, *file, bytes, 3000).unwrap();
    }
    assert_eq!(memory.unstaged(sets[0].0.set), [], "the first is used again");
    let (file, bytes) = &sets[3];
    sqlite::stage_key(&memory, *file, bytes, 3000).unwrap();
    let kept = sets.iter().map(|(file, _)| memory.staged(file.set).is_ok());
    assert_eq!(kept.collect::<Vec<_>>(), [true, false, true, true]);
    let (file, bytes) = memory.set(5, 4000);
    sqlite::stage_key(&memory, file, &bytes, 3000).unwrap();
    assert!(memory.staged(file.set).unwrap() == Some(bytes), "one that is larger than all has its copy");
    assert_eq!((memory.rows("staged_sets"), memory.rows("staged_keys")), (1, 1));
}

#[test]
fn a_tenant_with_many_sets_displaces_its_own() {
    let memory = Memory::new();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(TenantId::new);
    let copy = |tenant, number| {
        let (file, bytes) = memory.set_of(tenant, number, 1000);
        sqlite::stage_key(&memory, file, &bytes, 5000).unwrap();
    };
    // Bob's and carol's are older than all of hers.
    copy(&bob, 1);
    copy(&carol, 2);
    for number in 3..=20 {
        copy(&alice, number);
        assert!(memory.copied().starts_with(&[1, 2]), "{:?}", memory.copied());
    }
    assert_eq!(memory.copied(), [1, 2, 18, 19, 20]);
    copy(&bob, 21);
    assert_eq!(memory.copied(), [1, 2, 19, 20, 21], "she has most");
    copy(&carol, 22);
    assert_eq!(memory.copied(), [2, 19, 20, 21, 22], "all have as much, and his is the oldest");
    copy(&carol, 23);
    assert_eq!(memory.copied(), [19, 20, 21, 22, 23], "now she brings more than the others have");
}

#[test]
fn the_set_that_is_copied_stays_although_its_tenant_has_most() {
    let memory = Memory::new();
    let [alice, bob] = ["alice", "bob"].map(TenantId::new);
    let (small, bytes) = memory.set_of(&bob, 1, 1000);
    sqlite::stage_key(&memory, small, &bytes, 3000).unwrap();
    let (large, bytes) = memory.set_of(&alice, 2, 2500);
    sqlite::stage_key(&memory, large, &bytes, 3000).unwrap();
    assert_eq!(memory.copied(), [2]);
}

#[test]
fn copies_go_with_their_set() {
    let memory = Memory::new();
    let sets: Vec<_> = (1..=3).map(|number| memory.set(number, 2_000_000)).collect();
    for (file, bytes) in &sets {
        sqlite::stage_key(&memory, *file, bytes, AMPLE).unwrap();
    }
    assert_eq!(memory.rows("staged_keys"), 6);
    let deleted = sqlite::delete_key_set(&memory, &TenantId::public(), sets[0].0.set).unwrap();
    assert_eq!(deleted, Some(vec![sets[0].0]));
    assert_eq!((memory.rows("staged_sets"), memory.rows("staged_keys")), (2, 4));
    let other = TenantId::new("other");
    assert_eq!(sqlite::delete_key_set(&memory, &other, sets[1].0.set).unwrap(), None, "it is not his");
    assert_eq!(memory.rows("staged_sets"), 2);
    let horizon = Horizon { finished: Timestamp(0), key_sets: Timestamp(3) };
    while !sqlite::sweep_step(&memory, horizon).unwrap().is_last {}
    assert_eq!((memory.rows("staged_sets"), memory.rows("staged_keys")), (1, 2));
    let (file, bytes) = &sets[0];
    sqlite::stage_key(&memory, *file, bytes, AMPLE).unwrap();
    assert_eq!(memory.rows("staged_sets"), 1, "a set that was deleted meanwhile is not copied");
}
