use super::*;
use crate::ring::inner_product::{MAX_PRODUCTS, Summand, inner_products, interleaved};
use crate::ring::interleaved::Interleaved;
use alloc::vec::Vec;

const LENGTH: usize = 64;

/// Residues that end with the largest and with the smallest one.
fn residues(m: Modulus, salt: u64) -> Vec<u32> {
    let mut values: Vec<u32> =
        (0..LENGTH as u64).map(|i| m.reduce_public((i + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    (values[0], values[LENGTH - 1], values[LENGTH / 2]) = (m.value() - 1, m.value() - 1, 0);
    values
}

/// `Σ aᵢ·bᵢ/2^32` mod q, by division.
fn sum_of_products(m: Modulus, pairs: impl Iterator<Item = (u32, u32)>) -> u32 {
    let sum: u128 = pairs.map(|(a, b)| u128::from(a) * u128::from(b)).sum();
    let radix_inverse = m.invert(m.reduce_public(1 << 32));
    m.mul((sum % u128::from(m.value())) as u32, radix_inverse)
}

#[test]
fn every_operation_agrees_with_division_on_every_backend() {
    for (q, backend) in [1_073_479_681, 1_179_649]
        .into_iter()
        .flat_map(|q| Backend::available().map(move |backend| (q, backend)))
    {
        let m = Modulus::new(q);
        let (a, b) = (residues(m, 1), residues(m, 2));
        let expect = |operation: fn(Modulus, u32, u32) -> u32| -> Vec<u32> {
            a.iter().zip(&b).map(|(&x, &y)| operation(m, x, y)).collect()
        };
        let combined = |operation| {
            let mut out = a.clone();
            combine(backend, m, operation, &mut out, &b);
            out
        };
        assert_eq!(combined(Binary::Add), expect(|m, x, y| m.add(x, y)));
        assert_eq!(combined(Binary::Subtract), expect(|m, x, y| m.sub(x, y)));
        assert_eq!(combined(Binary::SubtractFrom), expect(|m, x, y| m.sub(y, x)));
        let product = |m: Modulus, x, y| sum_of_products(m, core::iter::once((x, y)));
        assert_eq!(combined(Binary::MultiplyMontgomery), expect(product));
        let added = |m: Modulus, x, y| m.add(x, sum_of_products(m, core::iter::once((y, 1))));
        assert_eq!(combined(Binary::AddFromMontgomery), expect(added));
        for (summand, expected) in [
            (None, expect(|m, x, y| m.mul(m.sub(x, y), 12_345))),
            (Some(&a[..]), expect(|m, x, y| m.add(m.mul(m.sub(x, y), 12_345), x))),
        ] {
            let mut out = alloc::vec![0; LENGTH];
            let (w, values, remainders) = (m.shoup(12_345), &a[..], &b[..]);
            quotient(backend, m, Quotient { w, values, remainders, summand }, &mut out);
            assert_eq!(out, expected);
        }

        for (sum, expected) in [
            (Sum::Add, expect(|m, x, y| m.add(sum_of_products(m, core::iter::once((x, y))), y))),
            (Sum::SubtractFrom, expect(|m, x, y| m.sub(y, sum_of_products(m, core::iter::once((x, y)))))),
        ] {
            let mut out = a.clone();
            multiply(backend, m, &mut out, &b, sum, &b);
            assert_eq!(out, expected);
        }
        let mut out = alloc::vec![0; LENGTH];
        write_product(backend, m, [&a, &b], &a, &mut out);
        assert_eq!(out, expect(|m, x, y| m.add(sum_of_products(m, core::iter::once((x, y))), x)));

        let mut out = a.clone();
        shoup_quotients(backend, m, &mut out);
        assert_eq!(out, expect(|m, x, _| ((u64::from(x) << 32) / u64::from(m.value())) as u32));

        let rows: Vec<Vec<u32>> = (0..2 * MAX_PRODUCTS as u64).map(|i| residues(m, i)).collect();
        let rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        // Four products of the largest residues are the most that are reduced in one step.
        for count in [1, 4, 5, MAX_PRODUCTS] {
            let (left, right) = (&rows[..count], &rows[MAX_PRODUCTS..][..count]);
            let [mut first, mut second] = [(); 2].map(|()| alloc::vec![0; LENGTH]);
            inner_products(backend, m, left, [right, left], [&mut first, &mut second]);
            // With rows of a term that nothing is multiplied with.
            let mut key = Interleaved::unwritten(2 * count + 2, LENGTH);
            let both = right.iter().zip(left).flat_map(|(a, b)| [a, b]).chain([&rows[0], &rows[0]]);
            for (i, row) in both.enumerate() {
                // What is written is the row: its Montgomery form, taken back before.
                let mut row = row.to_vec();
                let one = alloc::vec![1; LENGTH];
                combine(backend, m, Binary::MultiplyMontgomery, &mut row, &one);
                write_montgomery_row(backend, m, &row, i, &mut key);
            }
            let [mut x, mut y] = [(); 2].map(|()| alloc::vec![0; LENGTH]);
            interleaved(backend, m, left, &key, None, [&mut x, &mut y]);
            assert_eq!((&x, &y), (&first, &second), "of {count} products with a key");
            let summand = Summand { limbs: [&a, &b], factor: m.value() - 1 };
            interleaved(backend, m, left, &key, Some(summand), [&mut x, &mut y]);
            for k in 0..LENGTH {
                let plus = |sum: u32, entry: u32| {
                    m.add(sum, sum_of_products(m, core::iter::once((entry, summand.factor))))
                };
                assert_eq!((x[k], y[k]), (plus(first[k], a[k]), plus(second[k], b[k])), "with a summand");
            }
            for k in 0..LENGTH {
                let sum =
                    |right: &[&[u32]]| sum_of_products(m, left.iter().zip(right).map(|(x, y)| (x[k], y[k])));
                assert_eq!((first[k], second[k]), (sum(right), sum(left)), "entry {k} of {count} products");
            }
        }

        let mut d = [(); 3].map(|()| alloc::vec![0; LENGTH]);
        tensor(backend, m, [&a, &b], [&b, rows[3]], d.each_mut().map(Vec::as_mut_slice));
        for k in 0..LENGTH {
            let middle = m.add(m.mul(a[k], rows[3][k]), m.mul(b[k], b[k]));
            assert_eq!((d[0][k], d[1][k], d[2][k]), (m.mul(a[k], b[k]), middle, m.mul(b[k], rows[3][k])));
        }
    }
}

#[test]
fn words_that_are_not_reduced_are_multiplied_as_their_residues() {
    for (q, backend) in [1_073_479_681, 1_179_649]
        .into_iter()
        .flat_map(|q| Backend::available().map(move |backend| (q, backend)))
    {
        let m = Modulus::new(q);
        let mut words: Vec<u32> = (0..LENGTH as u32).map(|i| (i + 1).wrapping_mul(0x9E37_79B9)).collect();
        words[..5].copy_from_slice(&[u32::MAX, u32::MAX - 1, q * (u32::MAX / q), q * (u32::MAX / q) - 1, q]);
        let (mut factor, other) = (residues(m, 1), residues(m, 2));
        factor[..5].fill(q - 1);
        let product = |k: usize| sum_of_products(m, core::iter::once((words[k], factor[k])));
        let sums: [(Sum, &dyn Fn(usize) -> u32); 2] = [
            (Sum::Add, &|k| m.add(product(k), other[k])),
            (Sum::SubtractFrom, &|k| m.sub(other[k], product(k))),
        ];
        for (sum, expected) in sums {
            let mut out = words.clone();
            multiply(backend, m, &mut out, &factor, sum, &other);
            assert_eq!(out, (0..LENGTH).map(expected).collect::<Vec<_>>());
        }

        let mut out = words.clone();
        scale(backend, m, m.shoup(q - 2), &mut out);
        let by_division =
            |factor: u64| words.iter().map(move |&x| (u64::from(x) * factor % u64::from(q)) as u32);
        assert_eq!(out, by_division(u64::from(q) - 2).collect::<Vec<_>>());

        let mut rows = Interleaved::unwritten(1, LENGTH);
        write_montgomery_row(backend, m, &words, 0, &mut rows);
        let written: Vec<u32> = rows.blocks().flatten().copied().collect();
        assert_eq!(written, by_division(1 << 32).collect::<Vec<_>>());
    }
}
