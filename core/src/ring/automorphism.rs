//! The automorphisms `X → X^g` of the ring, on coefficients and on transforms. Knows no keys.

use alloc::vec::Vec;
use core::array::from_fn;

use crate::{
    arithmetic::Modulus,
    lanes::{Backend, Kernel, Lanes},
};

/// Where each entry of a transformed polynomial comes from: `out[i] = in[permutation[i]]`.
///
/// Entry i is the value at ψ^(2·rev(i)+1); `σ_g(p)` has there the value of p at ψ^(g·(2·rev(i)+1)).
/// The high bits of i are the low bits of that exponent, and the low bits of a product depend on the
/// low bits of its factors alone: so entries that agree in their high bits come from entries that do,
/// and every aligned block of a power of two of entries comes from one such block. How a block is permuted depends on
/// where its first entry comes from.
pub(super) fn ntt_permutation(log_degree: u8, element: u32) -> Vec<u32> {
    let unused = u32::BITS - u32::from(log_degree);
    let mask = (2u32 << log_degree) - 1;
    let inside: [[u32; BLOCK]; BLOCK] = from_fn(|first| {
        let step = |place| reversed(place).wrapping_mul(element);
        from_fn(|place| reversed((reversed(first as u32) + step(place as u32)) % BLOCK as u32))
    });
    let mut permutation = Vec::with_capacity(1 << log_degree);
    for i in (0..1u32 << log_degree).step_by(BLOCK) {
        let exponent = 2 * (i.reverse_bits() >> unused) + 1;
        let source = exponent.wrapping_mul(element) & mask;
        let first = (source >> 1).reverse_bits() >> unused;
        let place = first % BLOCK as u32;
        permutation.extend(inside[place as usize].map(|inside| first - place + inside));
    }
    permutation
}

/// Entries that are permuted together: as many as the widest vectors have.
const BLOCK: usize = 16;

/// The bits of a place in a block in reverse.
fn reversed(place: u32) -> u32 {
    place.reverse_bits() >> (u32::BITS - BLOCK.ilog2())
}

/// Applies a permutation to one limb of a transform.
pub(super) fn permute(backend: Backend, permutation: &[u32], input: &[u32], output: &mut [u32]) {
    backend.run(Permute { permutation, input, output });
}

struct Permute<'a> {
    permutation: &'a [u32],
    input: &'a [u32],
    output: &'a mut [u32],
}

impl Kernel for Permute<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let (input, indices) = (L::chunks(self.input), L::chunks(self.permutation).iter());
        for (out, indices) in L::chunks_mut(self.output).iter_mut().zip(indices) {
            let source = L::load(&input[indices.as_ref()[0] as usize / L::WIDTH]);
            source.shuffle(L::load(indices)).store(out);
        }
    }
}

/// Applies `X → X^g` to the coefficients of one limb.
pub(super) fn apply_to_coefficients(modulus: Modulus, element: u32, input: &[u32], output: &mut [u32]) {
    let degree = input.len();
    let mask = 2 * degree - 1;
    for (i, &coefficient) in input.iter().enumerate() {
        let exponent = (i * element as usize) & mask;
        output[exponent & (degree - 1)] =
            if exponent < degree { coefficient } else { modulus.sub(0, coefficient) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_from_where_the_exponent_times_the_element_is() {
        for log_degree in [5, 6, 9, 13] {
            let (degree, reverse) = (1u32 << log_degree, |i: u32| i.reverse_bits() >> (32 - log_degree));
            for element in [1, 3, 5, 25, 2 * degree - 1, degree + 1, 77 % (2 * degree)] {
                let exponents = (0..degree).map(|i| u64::from(2 * reverse(i) + 1) * u64::from(element));
                let sources =
                    exponents.map(|exponent| reverse((exponent % u64::from(2 * degree)) as u32 / 2));
                assert_eq!(ntt_permutation(log_degree as u8, element), sources.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn permutation_is_applied_alike_by_every_backend() {
        let input: Vec<u32> = (0..64).map(|i| i * i).collect();
        for element in [5, 25, 127, 77] {
            let permutation = ntt_permutation(6, element);
            let expected: Vec<u32> = permutation.iter().map(|&i| input[i as usize]).collect();
            for backend in Backend::available() {
                let mut output = alloc::vec![0; 64];
                permute(backend, &permutation, &input, &mut output);
                assert_eq!(output, expected, "element {element} on {}", backend.name());
            }
        }
    }
}
