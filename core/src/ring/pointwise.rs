//! Entry-by-entry operations on limbs. Residues in, residues out; sums of products are
//! accumulated in 64 bits and reduced once.

use crate::{
    arithmetic::{Modulus, ShoupFactor},
    lanes::{Backend, Kernel, Lanes},
};

/// Most products that one 64-bit sum holds, each of two residues below 2^30.
pub(crate) const MAX_PRODUCTS: usize = 15;

/// What to do with two limbs, entry by entry.
#[derive(Clone, Copy)]
pub(crate) enum Binary {
    /// `a += b`.
    Add,
    /// `a −= b`.
    Subtract,
    /// `a = b − a`.
    SubtractFrom,
    /// `a = a·b/2^32`: the product where one side is in Montgomery form.
    MultiplyMontgomery,
    /// `a += b/2^32`: adds what is in Montgomery form.
    AddFromMontgomery,
}

/// Combines two limbs in place.
pub(crate) fn combine(backend: Backend, modulus: Modulus, operation: Binary, a: &mut [u32], b: &[u32]) {
    backend.run(Combine { modulus, operation, a, b });
}

struct Combine<'a> {
    modulus: Modulus,
    operation: Binary,
    a: &'a mut [u32],
    b: &'a [u32],
}

impl Kernel for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let q = L::splat(self.modulus.value());
        let inverse = L::splat(self.modulus.inverse());
        let pairs = L::chunks_mut(self.a).iter_mut().zip(L::chunks(self.b));
        match self.operation {
            Binary::Add => pairs.for_each(|(x, y)| L::load(x).add(L::load(y)).reduce_once(q).store(x)),
            Binary::Subtract => {
                pairs.for_each(|(x, y)| L::load(x).add(q).sub(L::load(y)).reduce_once(q).store(x));
            }
            Binary::SubtractFrom => {
                pairs.for_each(|(x, y)| L::load(y).add(q).sub(L::load(x)).reduce_once(q).store(x));
            }
            Binary::MultiplyMontgomery => pairs.for_each(|(x, y)| {
                L::montgomery_reduce(L::load(x).mul_wide(L::load(y)), q, inverse).store(x);
            }),
            Binary::AddFromMontgomery => pairs.for_each(|(x, y)| {
                let summand = L::montgomery_reduce(L::load(y).mul_wide(L::splat(1)), q, inverse);
                L::load(x).add(summand).reduce_once(q).store(x);
            }),
        }
    }
}

/// `values·w` entry by entry, in place.
pub(crate) fn scale(backend: Backend, modulus: Modulus, w: ShoupFactor, values: &mut [u32]) {
    backend.run(Scale { modulus, w, values });
}

struct Scale<'a> {
    modulus: Modulus,
    w: ShoupFactor,
    values: &'a mut [u32],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let q = L::splat(self.modulus.value());
        let (factor, quotient) = (L::splat(self.w.value), L::splat(self.w.quotient));
        for x in L::chunks_mut(self.values) {
            L::load(x).mul_shoup(factor, quotient, q).reduce_once(q).store(x);
        }
    }
}

/// `(values − other)·w` entry by entry, in place: the last step of a division.
pub(crate) fn subtract_and_scale(
    backend: Backend,
    modulus: Modulus,
    w: ShoupFactor,
    values: &mut [u32],
    other: &[u32],
) {
    backend.run(SubtractAndScale { modulus, w, values, other });
}

struct SubtractAndScale<'a> {
    modulus: Modulus,
    w: ShoupFactor,
    values: &'a mut [u32],
    other: &'a [u32],
}

impl Kernel for SubtractAndScale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let q = L::splat(self.modulus.value());
        let (factor, quotient) = (L::splat(self.w.value), L::splat(self.w.quotient));
        for (x, y) in L::chunks_mut(self.values).iter_mut().zip(L::chunks(self.other)) {
            let difference = L::load(x).add(q).sub(L::load(y));
            difference.mul_shoup(factor, quotient, q).reduce_once(q).store(x);
        }
    }
}

/// `values += w·other` entry by entry, in place.
pub(crate) fn add_scaled(
    backend: Backend,
    modulus: Modulus,
    w: ShoupFactor,
    values: &mut [u32],
    other: &[u32],
) {
    backend.run(AddScaled { modulus, w, values, other });
}

struct AddScaled<'a> {
    modulus: Modulus,
    w: ShoupFactor,
    values: &'a mut [u32],
    other: &'a [u32],
}

impl Kernel for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let q = L::splat(self.modulus.value());
        let (factor, quotient) = (L::splat(self.w.value), L::splat(self.w.quotient));
        for (x, y) in L::chunks_mut(self.values).iter_mut().zip(L::chunks(self.other)) {
            let product = L::load(y).mul_shoup(factor, quotient, q).reduce_once(q);
            L::load(x).add(product).reduce_once(q).store(x);
        }
    }
}

/// Writes the residues of `low + 2^32·high − 2^62`, entry by entry.
pub(crate) fn reduce_offset(backend: Backend, modulus: Modulus, low: &[u32], high: &[u32], out: &mut [u32]) {
    backend.run(ReduceOffset { modulus, low, high, out });
}

struct ReduceOffset<'a> {
    modulus: Modulus,
    low: &'a [u32],
    high: &'a [u32],
    out: &'a mut [u32],
}

impl Kernel for ReduceOffset<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let m = self.modulus;
        let q = L::splat(m.value());
        let splat = |w: ShoupFactor| (L::splat(w.value), L::splat(w.quotient));
        let (one, one_quotient) = splat(m.shoup(1));
        let (radix, radix_quotient) = splat(m.shoup(m.reduce_public(1 << 32)));
        let offset = L::splat(m.value() - m.reduce_public(1 << 62));
        let words = L::chunks(self.low).iter().zip(L::chunks(self.high));
        for (x, (low, high)) in L::chunks_mut(self.out).iter_mut().zip(words) {
            let low = L::load(low).mul_shoup(one, one_quotient, q).reduce_once(q);
            let high = L::load(high).mul_shoup(radix, radix_quotient, q).reduce_once(q);
            low.add(high).reduce_once(q).add(offset).reduce_once(q).store(x);
        }
    }
}

/// Brings residues into Montgomery form, in place.
pub(crate) fn to_montgomery(backend: Backend, modulus: Modulus, values: &mut [u32]) {
    scale(backend, modulus, modulus.shoup(modulus.reduce_public(1 << 32)), values);
}

/// `Σ_k left[k]·right[k]/2^32` entry by entry, for two right-hand sides that share the left one.
///
/// At most [`MAX_PRODUCTS`] terms; `right` in Montgomery form makes the sums exact.
pub(crate) fn inner_products(
    backend: Backend,
    modulus: Modulus,
    left: &[&[u32]],
    right: [&[&[u32]]; 2],
    out: [&mut [u32]; 2],
) {
    debug_assert!(left.len() <= MAX_PRODUCTS);
    backend.run(InnerProducts { modulus, left, right, out });
}

struct InnerProducts<'a> {
    modulus: Modulus,
    left: &'a [&'a [u32]],
    right: [&'a [&'a [u32]]; 2],
    out: [&'a mut [u32]; 2],
}

impl Kernel for InnerProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let q = L::splat(self.modulus.value());
        let inverse = L::splat(self.modulus.inverse());
        let [out0, out1] = self.out;
        let (out0, out1) = (L::chunks_mut(out0), L::chunks_mut(out1));
        for (j, (x, y)) in out0.iter_mut().zip(out1).enumerate() {
            let zero = L::splat(0).mul_wide(L::splat(0));
            let (mut sum0, mut sum1) = (zero, zero);
            for ((l, r0), r1) in self.left.iter().zip(self.right[0]).zip(self.right[1]) {
                let digit = L::load(&L::chunks(l)[j]);
                sum0 = L::wide_add(sum0, digit.mul_wide(L::load(&L::chunks(r0)[j])));
                sum1 = L::wide_add(sum1, digit.mul_wide(L::load(&L::chunks(r1)[j])));
            }
            L::montgomery_reduce(sum0, q, inverse).store(x);
            L::montgomery_reduce(sum1, q, inverse).store(y);
        }
    }
}

/// `(a₀b₀, a₀b₁ + a₁b₀, a₁b₁)` for one limb, all in ordinary form.
pub(crate) fn tensor(
    backend: Backend,
    modulus: Modulus,
    a: [&[u32]; 2],
    b: [&[u32]; 2],
    out: [&mut [u32]; 3],
) {
    backend.run(Tensor { modulus, a, b, out });
}

struct Tensor<'a> {
    modulus: Modulus,
    a: [&'a [u32]; 2],
    b: [&'a [u32]; 2],
    out: [&'a mut [u32]; 3],
}

impl Kernel for Tensor<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let m = self.modulus;
        let (q, inverse) = (L::splat(m.value()), L::splat(m.inverse()));
        let radix = m.shoup(m.reduce_public(1 << 32));
        let (radix, quotient) = (L::splat(radix.value), L::splat(radix.quotient));
        let [a0, a1] = self.a.map(L::chunks);
        let [b0, b1] = self.b.map(L::chunks);
        let [d0, d1, d2] = self.out.map(L::chunks_mut);
        let inputs = a0.iter().zip(a1).zip(b0.iter().zip(b1));
        let outputs = d0.iter_mut().zip(d1).zip(d2);
        for (((a0, a1), (b0, b1)), ((d0, d1), d2)) in inputs.zip(outputs) {
            let a0 = L::load(a0).mul_shoup(radix, quotient, q).reduce_once(q);
            let a1 = L::load(a1).mul_shoup(radix, quotient, q).reduce_once(q);
            let (b0, b1) = (L::load(b0), L::load(b1));
            let middle = L::wide_add(a0.mul_wide(b1), a1.mul_wide(b0));
            L::montgomery_reduce(a0.mul_wide(b0), q, inverse).store(d0);
            L::montgomery_reduce(middle, q, inverse).store(d1);
            L::montgomery_reduce(a1.mul_wide(b1), q, inverse).store(d2);
        }
    }
}
