//! How a polynomial is evaluated with few multiplications at the least depth: Paterson–Stockmeyer
//! over powers, or Chebyshev polynomials, of the argument. Owns the shape of the computation,
//! without levels and scales; those are in `schedule`.
//!
//! Depth is counted from the argument: `T₁` has depth 0, and a sum of products whose factors
//! have depth at most t − 1 has depth t. Both recurrences are written with `T`, which in the power
//! basis means the power.
//!
//! Source: Paterson, Stockmeyer, "On the number of nonscalar multiplications necessary to evaluate
//! polynomials" (1973); at optimal depth and in the Chebyshev basis: Bossuat et al., "Efficient
//! Bootstrapping for Approximate Homomorphic Encryption with Non-Sparse Keys" (eprint 2020/1203),
//! section 5.

use alloc::{boxed::Box, collections::BTreeSet, vec, vec::Vec};

use super::polynomial::Recurrence;

/// The evaluation of one polynomial.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) recurrence: Recurrence,
    /// The n > 1 whose `T_n` are computed, ascending; each from the ones before.
    pub(crate) powers: Vec<usize>,
    pub(crate) root: Node,
}

/// `constant + Σ direct·T_n + Σ quotient·T_n`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Depth of the value.
    pub(crate) depth: u32,
    pub(crate) constant: f64,
    /// Index n of `T_n` and its coefficient.
    pub(crate) direct: Vec<(usize, f64)>,
    /// Index n of `T_n` and what it is multiplied with, of depth one less.
    pub(crate) products: Vec<(usize, Box<Node>)>,
}

/// Depth of `T_n`: ⌈log₂ n⌉.
pub(crate) fn depth_of(n: usize) -> u32 {
    n.next_power_of_two().trailing_zeros()
}

/// The two factors of `T_n` for n > 1: the largest power of two below n, and the rest.
pub(crate) fn factors_of(n: usize) -> (usize, usize) {
    let large = n.next_power_of_two() / 2;
    (large, n - large)
}

impl Plan {
    /// Finds the cheapest plan that ends at `depth`; the coefficients have no trailing zeros and
    /// there are 2 to `2^depth` of them.
    pub(crate) fn new(recurrence: Recurrence, coefficients: &[f64], depth: u32) -> Self {
        let candidate = |log_babies| {
            let root = Node::new(recurrence, coefficients.to_vec(), depth, log_babies);
            let mut powers = BTreeSet::new();
            root.collect_powers(&mut powers);
            Self { recurrence, powers: close(recurrence, powers), root }
        };
        let cheapest =
            (1..=depth).map(candidate).min_by_key(|plan| (plan.relinearizations(), plan.multiplications()));
        cheapest.unwrap_or_else(|| candidate(1))
    }

    /// The number of key switches. Products of one sum share theirs.
    pub(crate) fn relinearizations(&self) -> usize {
        self.powers.len() + self.root.count(&|node| usize::from(!node.products.is_empty()))
    }

    /// The number of products of two ciphertexts.
    pub(crate) fn multiplications(&self) -> usize {
        self.powers.len() + self.root.count(&|node| node.products.len())
    }
}

/// Adds what the recurrence needs to compute each `T_n`, and removes `T₁`.
fn close(recurrence: Recurrence, mut wanted: BTreeSet<usize>) -> Vec<usize> {
    let mut powers = Vec::new();
    while let Some(n) = wanted.pop_last() {
        if n < 2 {
            break;
        }
        let (a, b) = factors_of(n);
        wanted.extend([a, b]);
        if recurrence == Recurrence::Chebyshev && a != b {
            wanted.insert(a - b);
        }
        powers.push(n);
    }
    powers.reverse();
    powers
}

impl Node {
    fn new(recurrence: Recurrence, mut coefficients: Vec<f64>, depth: u32, log_babies: u32) -> Self {
        let mut node = Self { depth, constant: 0.0, direct: vec![], products: vec![] };
        loop {
            let degree = coefficients.iter().rposition(|&c| c != 0.0).unwrap_or(0);
            coefficients.truncate(degree + 1);
            if degree == 0 {
                break;
            }
            // Only the chain of leading quotients is short of depth for all its powers.
            if degree >> log_babies == 0 && depth_of(degree) < depth {
                let terms = coefficients.iter().enumerate().skip(1).filter(|(_, c)| **c != 0.0);
                node.direct.extend(terms.map(|(n, &c)| (n, c)));
                break;
            }
            let n = degree.next_power_of_two() >> usize::from(!degree.is_power_of_two());
            let (quotient, remainder) = divide(recurrence, &coefficients, n);
            match quotient[..] {
                [constant] => node.direct.push((n, constant)),
                _ => {
                    node.products.push((n, Box::new(Self::new(recurrence, quotient, depth - 1, log_babies))))
                }
            }
            coefficients = remainder;
        }
        node.constant = coefficients.first().copied().unwrap_or(0.0);
        node
    }

    fn collect_powers(&self, powers: &mut BTreeSet<usize>) {
        powers.extend(self.direct.iter().map(|(n, _)| n));
        for (n, quotient) in &self.products {
            powers.insert(*n);
            quotient.collect_powers(powers);
        }
    }

    fn count(&self, weight: &dyn Fn(&Self) -> usize) -> usize {
        weight(self) + self.products.iter().map(|(_, quotient)| quotient.count(weight)).sum::<usize>()
    }
}

/// Divides by `T_n`: `p = quotient·T_n + remainder`, for a degree of n to 2n − 1.
fn divide(recurrence: Recurrence, coefficients: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let (low, high) = coefficients.split_at(n);
    let (mut quotient, mut remainder) = (high.to_vec(), low.to_vec());
    if recurrence == Recurrence::Chebyshev {
        // T_(n+i) = 2·T_i·T_n − T_(n−i)
        for (i, coefficient) in quotient.iter_mut().enumerate().skip(1) {
            remainder[n - i] -= *coefficient;
            *coefficient *= 2.0;
        }
    }
    (quotient, remainder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuits::polynomial::{Polynomial, PolynomialBasis};

    /// `T_n(x)` by the recurrence that the plan uses.
    fn value(recurrence: Recurrence, n: usize, x: f64) -> f64 {
        let (a, b) = match n {
            0 => return 1.0,
            1 => return x,
            _ => factors_of(n),
        };
        let product = value(recurrence, a, x) * value(recurrence, b, x);
        match recurrence {
            Recurrence::Power => product,
            Recurrence::Chebyshev => 2.0 * product - value(recurrence, a - b, x),
        }
    }

    fn evaluate(plan: &Plan, node: &Node, x: f64) -> f64 {
        let power = |n: usize| {
            assert!(n == 1 || plan.powers.contains(&n));
            value(plan.recurrence, n, x)
        };
        let direct: f64 = node.direct.iter().map(|&(n, c)| c * power(n)).sum();
        let products: f64 =
            node.products.iter().map(|(n, quotient)| power(*n) * evaluate(plan, quotient, x)).sum();
        node.constant + direct + products
    }

    fn assert_depths(node: &Node) {
        for (n, _) in &node.direct {
            assert!(depth_of(*n) < node.depth);
        }
        for (n, quotient) in &node.products {
            assert!(depth_of(*n) < node.depth && quotient.depth < node.depth);
            assert_depths(quotient);
        }
    }

    fn plan_of(recurrence: Recurrence, coefficients: &[f64]) -> Plan {
        Plan::new(recurrence, coefficients, usize::BITS - (coefficients.len() - 1).leading_zeros())
    }

    #[test]
    fn computes_the_polynomial_at_its_depth_in_both_bases() {
        for degree in 1..=70usize {
            for (recurrence, basis) in [
                (Recurrence::Power, PolynomialBasis::Power),
                (Recurrence::Chebyshev, PolynomialBasis::Chebyshev { low: -1.0, high: 1.0 }),
            ] {
                let coefficients: Vec<f64> =
                    (0..=degree).map(|i| ((i * i + 3) % 11) as f64 / 8.0 - 0.6).collect();
                let plan = plan_of(recurrence, &coefficients);
                assert_depths(&plan.root);
                let polynomial = Polynomial { basis, coefficients };
                for x in [-1.0, -0.7, -0.1, 0.0, 0.4, 0.95] {
                    let difference = evaluate(&plan, &plan.root, x) - polynomial.evaluate(x);
                    assert!(difference.abs() < 1e-10, "degree {degree}, {recurrence:?}: {difference}");
                }
            }
        }
    }

    #[test]
    fn takes_few_key_switches() {
        let counts =
            |degree: usize| plan_of(Recurrence::Chebyshev, &vec![1.0; degree + 1]).relinearizations();
        assert_eq!([1, 2, 3, 7, 15, 31, 63].map(counts), [0, 1, 2, 4, 6, 8, 10]);
    }

    #[test]
    fn odd_polynomials_skip_even_powers() {
        let coefficients: Vec<f64> = (0..16).map(|i| f64::from(i % 2)).collect();
        let plan = plan_of(Recurrence::Chebyshev, &coefficients);
        assert!(plan.powers.iter().all(|n| n % 2 == 1 || n.is_power_of_two()), "{:?}", plan.powers);
    }
}
