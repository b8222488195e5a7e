//! Keys that are read without waiting.

use bytes::Bytes;

use super::{AMPLE, alice, bob, key_set, ok};
use crate::{
    id::{KeyName, KeySetId, TenantId},
    port::Timestamp,
    store::{Horizon, KeySet, StagedKeys, Store},
};

const FIVE: KeyName = KeyName::Galois(5);

/// Longer than a row of some stores, and no multiple of it.
const LONG: usize = 5_000_001;

fn long(seed: usize) -> Bytes {
    (0..LONG).map(|index| (index * 31 + seed) as u8).collect()
}

async fn put(store: &impl Store, set: KeySetId, name: KeyName, bytes: &Bytes) {
    ok!(store.put_key(&alice(), set, name, bytes.clone()));
}

/// What is read of two keys.
async fn staged(store: &impl Store, tenant: &TenantId, set: KeySetId) -> [Option<Bytes>; 2] {
    let names = [KeyName::Relinearization, FIVE];
    let staged = ok!(store.stage_keys(tenant, set, names.to_vec()));
    names.map(|name| staged.key(name).expect("it is read"))
}

pub(super) async fn keys_are_read_without_waiting(store: &impl Store) {
    let set = key_set(50);
    assert_eq!(staged(store, &alice(), set.id).await, [None, None], "there is no set");
    ok!(store.insert_key_set(set.clone(), None, AMPLE));
    assert_eq!(staged(store, &alice(), set.id).await, [None, None], "there are no keys");
    let (relinearization, five) = (long(1), Bytes::from_static(b"five"));
    put(store, set.id, KeyName::Relinearization, &relinearization).await;
    assert_eq!(staged(store, &alice(), set.id).await, [Some(relinearization.clone()), None]);
    put(store, set.id, FIVE, &five).await;
    for _ in 0..2 {
        let both = [Some(relinearization.clone()), Some(five.clone())];
        assert_eq!(staged(store, &alice(), set.id).await, both);
    }
    assert_eq!(staged(store, &bob(), set.id).await, [None, None], "they are not his");
    let one = ok!(store.stage_keys(&alice(), set.id, vec![FIVE]));
    assert_eq!(one.key(FIVE).expect("it is read"), Some(five));
    assert_eq!(one.key(KeyName::Galois(25)).expect("it is read"), None, "the set has no such key");
    assert!(ok!(store.delete_key_set(&alice(), set.id)));
}

pub(super) async fn keys_of_several_tenants_are_staged_side_by_side(store: &impl Store) {
    let set = |number, tenant| KeySet { tenant, ..key_set(number) };
    let sets = [set(52, bob()), set(53, alice()), set(54, alice()), set(55, alice())];
    let bytes = [long(2), Bytes::from_static(b"five"), long(3), Bytes::from_static(b"other five")];
    let mut all = Vec::new();
    for (set, bytes) in sets.iter().zip(&bytes) {
        ok!(store.insert_key_set(set.clone(), None, AMPLE));
        ok!(store.put_key(&set.tenant, set.id, FIVE, bytes.clone()));
        all.push(ok!(store.stage_keys(&set.tenant, set.id, vec![FIVE])));
    }
    for _ in 0..2 {
        for (staged, bytes) in all.iter().zip(&bytes) {
            assert!(staged.key(FIVE).expect("it is read").as_ref() == Some(bytes));
        }
    }
    for set in &sets {
        assert!(ok!(store.delete_key_set(&set.tenant, set.id)));
    }
}

pub(super) async fn keys_that_are_gone_are_not_read(store: &impl Store) {
    let set = key_set(51);
    for round in 0..3 {
        ok!(store.insert_key_set(set.clone(), None, AMPLE));
        let (relinearization, five) = (long(round), Bytes::from(vec![round as u8; 7]));
        put(store, set.id, KeyName::Relinearization, &relinearization).await;
        put(store, set.id, FIVE, &five).await;
        assert_eq!(staged(store, &alice(), set.id).await, [Some(relinearization), Some(five)]);
        if round == 0 {
            assert!(ok!(store.delete_key_set(&alice(), set.id)));
        } else {
            let end = Timestamp(1 << 40);
            ok!(store.sweep(Horizon { finished: Timestamp(0), key_sets: end }));
        }
        assert_eq!(staged(store, &alice(), set.id).await, [None, None]);
    }
}
