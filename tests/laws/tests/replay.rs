//! The committed corpora of the fuzz targets, replayed.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{fs, path::Path};

use decoder_laws::{LAWS, check, seeds};

#[test]
fn every_input_of_every_corpus_obeys_its_law() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut total = 0;
    for law in LAWS {
        let folder = corpora.join(law.name);
        let mut count = 0;
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            eprintln!("{}", path.display());
            (law.check)(&fs::read(path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{}: an empty corpus", law.name);
        total += count;
    }
    println!("{total} inputs of {} corpora", LAWS.len());
}

#[test]
fn every_law_has_seeds_and_every_target_a_law() {
    let (mut laws, mut seeded): (Vec<_>, Vec<_>) =
        (LAWS.iter().map(|law| law.name).collect(), seeds().into_iter().map(|seed| seed.0).collect());
    laws.sort_unstable();
    seeded.sort_unstable();
    assert_eq!(laws, seeded);
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/targets");
    let mut targets: Vec<String> = fs::read_dir(targets)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    targets.sort_unstable();
    assert_eq!(targets, laws);
}

#[test]
fn seeds_and_what_is_near_them_obey() {
    for (name, seeds) in seeds() {
        for seed in seeds {
            check(name, &seed);
            let step = (seed.len() / 64).max(1);
            for at in (0..seed.len()).step_by(step) {
                for change in [1u8, 0x80, 0xff] {
                    let mut damaged = seed.clone();
                    damaged[at] ^= change;
                    check(name, &damaged);
                }
                check(name, &seed[..at]);
            }
        }
    }
}
