//! Transforms that do two diagonals by one product.

use super::*;

#[test]
fn paired_transforms_agree_for_every_distance_and_split() {
    let (mut bench, mut numbers) = (Bench::single(7, 2), Numbers(21));
    let input = vec![numbers.vector(64)];
    for paired_by in [1, 2, 3, 4, 5, 8, 31, 32, 63].map(Some) {
        for baby_steps in [1, 2, 4, 5, 16, 64] {
            let of = |transform| with_transform(2, LinearTransform { paired_by, ..transform });
            let all: Vec<u32> = (0..16).collect();
            let dense = of(transform(&all, baby_steps, 16, &mut numbers));
            assert_precision!(bench, dense, &input, 17);
            let mut some: Vec<u32> = (0..9).map(|_| numbers.below(64)).collect();
            some.push(63);
            let sparse = of(transform(&some, baby_steps, 64, &mut numbers));
            assert_precision!(bench, sparse, &input, 17);
            let folds = vec![16, 0, 5];
            let folded = LinearTransform { folds, ..transform(&[0, 1, 9], baby_steps, 64, &mut numbers) };
            assert_precision!(bench, of(folded), &input, 11);
        }
    }
}

#[test]
fn halves_of_different_periods_and_halves_alone_make_pairs() {
    let (mut bench, mut numbers) = (Bench::double(7, 1), Numbers(22));
    let input = vec![numbers.vector(64)];
    let diagonals = [(0, 64), (3, 4), (6, 2), (9, 1), (15, 8), (18, 32)];
    let diagonals = diagonals.map(|(rotation, period)| (rotation.into(), numbers.vector(period)));
    for baby_steps in [1, 2, 64] {
        let paired = LinearTransform {
            diagonals: diagonals.clone().into(),
            baby_steps,
            paired_by: Some(3),
            folds: vec![],
        };
        assert_eq!(paired.products().len(), 4);
        assert_precision!(bench, with_transform(1, paired), &input, 38);
    }
}

#[test]
fn pairs_of_several_vectors_make_several() {
    let (mut bench, mut numbers) = (Bench::single(7, 2), Numbers(23));
    let inputs: Vec<_> = (0..3).map(|_| numbers.vector(64)).collect();
    for paired_by in [1, 8, 40].map(Some) {
        let transform = LinearTransform { paired_by, ..blocks([3, 2], &[0, 1, 9, 40], &mut numbers) };
        let folded = LinearTransform { folds: vec![32], ..transform.clone() };
        assert_precision!(bench, of_blocks(2, [3, 2], transform), &inputs, 16);
        assert_precision!(bench, of_blocks(2, [3, 2], folded), &inputs, 15);
    }
    // An input that has no pair is not rotated for one, and one that plays no part is not looked at.
    let mut alone = LinearTransform { paired_by: Some(8), ..blocks([3, 2], &[0, 1, 9], &mut numbers) };
    alone.diagonals.retain(|at, _| at.input == 0 || at.input == 2 && at.rotation < 8);
    alone.diagonals.insert(Diagonal { output: 1, input: 2, rotation: 0 }, vec![0.25]);
    assert_eq!(alone.paired_inputs(), [0].into());
    assert_precision!(bench, of_blocks(1, [3, 2], alone), &inputs, 17);
}

#[test]
fn pairs_of_samples_of_a_batch_do_not_meet() {
    let (mut bench, mut numbers) = (Bench::double(7, 1), Numbers(24));
    for batch in [1, 2, 8] {
        let slots = 64 / batch;
        let all: Vec<u32> = (0..8).collect();
        let paired = LinearTransform { paired_by: Some(2), ..transform(&all, 4, slots, &mut numbers) };
        let program = Program { batch: batch as u32, ..with_transform(1, paired) };
        let input = vec![numbers.vector(64)];
        assert_precision!(bench, program, &input, 38);
    }
}

#[test]
fn no_imaginary_part_is_left() {
    let (mut bench, mut numbers) = (Bench::double(7, 1), Numbers(25));
    let all: Vec<u32> = (0..16).collect();
    let paired = LinearTransform { paired_by: Some(4), ..transform(&all, 4, 64, &mut numbers) };
    let prepared = PreparedProgram::new(&bench.params, &with_transform(1, paired)).expect("valid");
    let keys = bench.keys(&prepared.facts().keys);
    let input = bench.encrypt(&numbers.vector(64), Level(1));
    let output = prepared.evaluate(&[input], &keys).expect("levels and keys suffice").remove(0);
    let plaintext = decrypt(&bench.params, &bench.secret, &output).expect("same parameters");
    let slots = bench.encoder.decode_complex(&plaintext).expect("its own parameters");
    assert!(slots.iter().all(|slot| slot.im.abs() < 2f64.powi(-38)));
}

#[test]
fn imaginary_parts_of_the_input_are_mixed_into_pairs() {
    const DISTANCE: usize = 4;
    let (mut bench, mut numbers) = (Bench::double(7, 1), Numbers(28));
    let [x, y, a, b] = [(); 4].map(|()| numbers.vector(64));
    let pair = LinearTransform {
        diagonals: [(0.into(), a.clone()), ((DISTANCE as u32).into(), b.clone())].into(),
        baby_steps: 1,
        paired_by: Some(DISTANCE as u32),
        folds: vec![],
    };
    let prepared = PreparedProgram::new(&bench.params, &with_transform(1, pair)).expect("valid");
    let keys = bench.keys(&prepared.facts().keys);
    let values: Vec<_> = x.iter().zip(&y).map(|(&re, &im)| Complex { re, im }).collect();
    let scale = bench.params.scale_at(Level(1));
    let plaintext = bench.encoder.encode_complex(&values, Level(1), scale).expect("fits");
    let input = encrypt_symmetric(&bench.params, &bench.secret, &plaintext, &mut bench.seeds).expect("valid");
    let input = input.expand(&bench.params).expect("its own parameters");
    let output = prepared.evaluate(&[input], &keys).expect("levels and keys suffice").remove(0);
    let plaintext = decrypt(&bench.params, &bench.secret, &output).expect("same parameters");
    let slots = bench.encoder.decode_complex(&plaintext).expect("its own parameters");
    for (s, slot) in slots.iter().enumerate() {
        let rotated = (s + DISTANCE) % 64;
        let expected = a[s] * (x[s] - y[rotated]) + b[s] * (x[rotated] + y[s]);
        let error = (slot.re - expected).hypot(slot.im);
        assert!(error < 2f64.powi(-36), "slot {s}: {slot:?}, expected {expected}");
    }
}

#[test]
fn pairs_take_half_of_the_products_and_giant_steps_and_two_more_key_switches() {
    let bench = Bench::single(7, 1);
    let counts = |inputs, outputs, paired_by| {
        let all = (0..inputs * outputs * 64).map(|k| Diagonal {
            output: k / 64 / inputs,
            input: k / 64 % inputs,
            rotation: k % 64,
        });
        let diagonals = all.map(|at| (at, vec![0.5])).collect();
        let transform = LinearTransform { diagonals, baby_steps: 8, paired_by, folds: vec![] };
        let facts = of_blocks(1, [inputs, outputs], transform).check(&bench.params).expect("valid");
        (facts.key_switches, facts.hoisted, facts.plain_multiplications, facts.keys.galois.len())
    };
    assert_eq!(counts(1, 1, None), (7 + 7, 6, 64, 8));
    assert_eq!(counts(1, 1, Some(8)), (1 + 7 + 3 + 1, 6, 32, 7 + 3));
    // Neighbours: half of the baby steps instead.
    assert_eq!(counts(1, 1, Some(1)), (1 + 3 + 7 + 1, 2, 32, 1 + 3 + 2));
    // Each input has its pairs, and each output its conjugate.
    assert_eq!(counts(3, 2, Some(8)), (3 + 21 + 6 + 2, 18, 192, 7 + 3));
}

#[test]
fn keys_of_pairs_are_exactly_enough() {
    let (mut bench, mut numbers) = (Bench::single(6, 2), Numbers(26));
    for (paired_by, rotations) in [(4, &[0, 1, 4, 9][..]), (1, &[2, 3]), (8, &[0, 8]), (16, &[0, 3])] {
        let paired =
            LinearTransform { paired_by: Some(paired_by), ..transform(rotations, 4, 32, &mut numbers) };
        assert_keys_are_tight(&mut bench, &with_transform(2, paired));
    }
}

#[test]
fn pairs_are_the_same_bits_with_every_kind_of_vector_instructions() {
    let all: Vec<u32> = (0..16).collect();
    let paired = LinearTransform { paired_by: Some(4), ..transform(&all, 4, 64, &mut Numbers(27)) };
    let program = with_transform(1, paired);
    let outputs = Backend::available().map(|backend| {
        let mut bench = Bench::on(backend, 7, &[vec![28]], 28);
        let prepared = PreparedProgram::new(&bench.params, &program).expect("valid");
        let keys = bench.keys(&prepared.facts().keys);
        let input = bench.encrypt(&[0.25, -0.5], Level(1));
        prepared.evaluate(&[input], &keys).expect("levels and keys suffice")
    });
    let outputs: Vec<_> = outputs.collect();
    assert!(outputs.iter().all(|output| *output == outputs[0]));
}
