//! How precise a program will be, predicted without encrypting anything.
//!
//! Every error that CKKS adds is close to normal with mean zero and nearly independent of the others, so
//! variances add up. They are followed slot by slot: an error in slot s moves with a rotation, is multiplied by
//! the factor of its slot, and is weighed by the derivative of what is applied to it, at the values that a
//! calibration sample has there. In the slots a polynomial with coefficient variance V has, in the real part,
//! variance `N·V/2`, divided by the square of the scale. The sources, as variances of a coefficient:
//!
//! - encryption: 21/2, that of the centred binomial distribution;
//! - rounding to integers, of an encoding, and of both parts after a division: 1/12 and `(1 + 2N/3)/12`, a secret of
//!   uniform ternary coefficients having 2N/3 that are not zero;
//! - a key switch: for each digit of product Q, uniform in ±Q/2, `21/2·N·Q²/12/P²`, and the rounding after the division
//!   by P.
//!
//! Errors are complex, and their imaginary parts are followed too: a transform in pairs of rotations moves them to the
//! real parts, and leaves none but that of its rescaling.
//!
//! What is added before a rescaling counts by the larger scale it has there, and so not at all for relinearizations
//! and outer rotations.
//!
//! Source: Costache, Curtis, Hales, Murphy, Ogilvie, Player, "On the precision loss in approximate homomorphic
//! encryption" (eprint 2022/162), the average-case analysis with variances in the canonical embedding; the
//! operations there are those of textbook CKKS, and rotations of a shared decomposition are added here.

mod pairs;

use ckks_core::{
    Instruction, Level, LinearTransform, Params, ParamsSpec, Polynomial, PolynomialBasis, Program, Register,
};

use crate::error::CompileError;

/// Variance of a coefficient of an encryption error.
const FRESH: f64 = 10.5;
/// Variance of what is lost by rounding to an integer.
const ROUNDING: f64 = 1.0 / 12.0;

/// The variance of every slot of every output of a program on some inputs, in plain numbers of slots.
///
/// `dropped_bits` are those cut off the result.
///
/// # Errors
/// [`CompileError::Program`] when the program does not run on the parameters.
pub(crate) fn variances(
    program: &Program,
    params: &Params,
    inputs: &[Vec<f64>],
    dropped_bits: u8,
) -> Result<Vec<Vec<f64>>, CompileError> {
    let facts = program.check(params).map_err(CompileError::program)?;
    let mut all = program.clone();
    all.outputs = (0..program.registers() as u32).map(Register).collect();
    let slots = params.slots() / program.batch as usize;
    let values = all.evaluate_clear(slots, inputs).map_err(CompileError::program)?;
    let noise = Noise { params, program, values: &values, levels: &facts.levels };
    let fresh = noise.slot(FRESH + ROUNDING, program.input_level);
    let fresh = [(); 2].map(|()| vec![fresh; slots]);
    let mut variances: Vec<Parts> = vec![fresh; program.inputs as usize];
    for instruction in &program.instructions {
        let results = noise.after(instruction, &variances);
        variances.extend(results);
    }
    let outputs = program.outputs.iter().map(|output| {
        let level = facts.levels[output.index()];
        let cut = f64::from(dropped_bits).exp2().powi(2) - 1.0;
        let more = noise.slot(cut * noise.division(), level);
        let [real, _] = &variances[output.index()];
        real.iter().map(|variance| variance + more).collect()
    });
    Ok(outputs.collect())
}

/// Whether no key switch adds more than the division after it does.
pub(crate) fn is_quiet(spec: &ParamsSpec) -> bool {
    key_switch(spec, spec.levels.len()) <= division(spec)
}

fn degree(spec: &ParamsSpec) -> f64 {
    f64::from(spec.log_degree).exp2()
}

/// Of a coefficient after a division, by which both parts are rounded.
fn division(spec: &ParamsSpec) -> f64 {
    ROUNDING * (1.0 + degree(spec) * 2.0 / 3.0)
}

/// Of a coefficient of a key switch of so many groups of primes before the division by P, divided by it.
fn key_switch(spec: &ParamsSpec, groups: usize) -> f64 {
    let primes: Vec<f64> = spec.levels[..groups].iter().flatten().map(|&prime| f64::from(prime)).collect();
    let special: f64 = spec.special_primes.iter().map(|&prime| f64::from(prime)).product();
    let digits = primes.chunks(usize::from(spec.digit_primes));
    let digits = digits.map(|digit| (digit.iter().product::<f64>() / special).powi(2) * ROUNDING);
    digits.sum::<f64>() * FRESH * degree(spec)
}

/// Variances of the real and of the imaginary part of every slot: errors have both, whatever they are errors of, and
/// pairs of rotations bring the second into what is read.
type Parts = [Vec<f64>; 2];

struct Noise<'a> {
    params: &'a Params,
    program: &'a Program,
    /// By register.
    values: &'a [Vec<f64>],
    levels: &'a [Level],
}

impl Noise<'_> {
    /// The variance in a slot of a variance in every coefficient.
    fn slot(&self, coefficient: f64, level: Level) -> f64 {
        coefficient * self.params.degree() as f64 / 2.0 / self.params.scale_at(level).value().powi(2)
    }

    /// Of a coefficient after a division.
    fn division(&self) -> f64 {
        division(self.params.spec())
    }

    /// In a slot after the rescaling to `level`.
    fn rescaling(&self, level: Level) -> f64 {
        self.slot(self.division(), level)
    }

    /// Of a coefficient of a key switch.
    fn key_switch(&self, level: Level) -> f64 {
        key_switch(self.params.spec(), usize::from(level.0) + 1)
    }

    /// In a slot after a rotation by itself.
    fn rotation(&self, level: Level) -> f64 {
        self.slot(self.key_switch(level) + self.division(), level)
    }

    fn after(&self, instruction: &Instruction, variances: &[Parts]) -> Vec<Parts> {
        if let Instruction::LinearTransform { inputs, outputs, transform } = instruction {
            let transform = &self.program.transforms[*transform as usize];
            if let Some(distance) = transform.paired_by {
                return self.pairs(transform, distance, inputs, *outputs as usize, variances);
            }
        }
        let [re, im] = [0, 1].map(|part| self.part_after(instruction, part, variances));
        re.into_iter().zip(im).map(|(re, im)| [re, im]).collect()
    }

    /// One part after an instruction that does the same to both.
    fn part_after(&self, instruction: &Instruction, part: usize, variances: &[Parts]) -> Vec<Vec<f64>> {
        let of = |register: &Register| &variances[register.index()][part];
        let value = |register: &Register| &self.values[register.index()];
        let level = |register: &Register| self.levels[register.index()];
        let added = |a: &[f64], more: f64| a.iter().map(|a| a + more).collect::<Vec<f64>>();
        let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f64>>();
        let result = match instruction {
            Instruction::LinearTransform { inputs, outputs, transform } => {
                let transform = &self.program.transforms[*transform as usize];
                return self.transform(transform, inputs, *outputs as usize, &of);
            }
            Instruction::RotateSum { input, steps } => {
                let more = self.rotation(level(input));
                steps.iter().fold(of(input).clone(), |sum_so_far, &steps| {
                    let rotated = rotated(&sum_so_far, steps);
                    added(&sum(&sum_so_far, &rotated), more)
                })
            }
            Instruction::Rotate { input, steps } => {
                added(&rotated(of(input), *steps), self.rotation(level(input)))
            }
            Instruction::AddPlain { input, .. } => added(of(input), self.slot(ROUNDING, level(input))),
            Instruction::MultiplyPlain { input, constant } => {
                let (below, encoding) =
                    (self.rescaling(down(level(input))), self.slot(ROUNDING, level(input)));
                let factors = self.program.constants[*constant as usize].iter().cycle();
                let terms = of(input).iter().zip(value(input)).zip(factors);
                terms.map(|((v, x), c)| c * c * v + x * x * encoding + below).collect()
            }
            Instruction::Add { left, right } | Instruction::Subtract { left, right } => {
                sum(of(left), of(right))
            }
            Instruction::Multiply { left, right } => {
                let below = self.rescaling(down(level(left)));
                let (x, y) = (value(left).iter().zip(of(left)), value(right).iter().zip(of(right)));
                let same = if left == right { 2.0 } else { 1.0 };
                x.zip(y).map(|((x, v), (y, w))| same * (x * x * w + y * y * v) + v * w + below).collect()
            }
            Instruction::Polynomial { input, polynomial } => {
                let polynomial = &self.program.polynomials[*polynomial as usize];
                let target = Level(level(input).0.saturating_sub(polynomial.depth() as u8));
                let below = self.rescaling(target);
                let terms = value(input).iter().zip(of(input));
                terms.map(|(&x, v)| through(polynomial, x, *v, below)).collect()
            }
            Instruction::DropLevel { input, level } => {
                // Where scales differ, the ciphertext is multiplied by a constant and rescaled.
                let scales =
                    [self.levels[input.index()], *level].map(|level| self.params.scale_at(level).value());
                let more = if scales[0] == scales[1] { 0.0 } else { self.rescaling(*level) };
                added(of(input), more)
            }
        };
        vec![result]
    }

    /// Inner rotations are switched at the level's scale and then multiplied; outer ones come after.
    fn transform<'v>(
        &self,
        transform: &LinearTransform,
        inputs: &[Register],
        outputs: usize,
        of: &dyn Fn(&Register) -> &'v Vec<f64>,
    ) -> Vec<Vec<f64>> {
        let level = self.levels[inputs[0].index()];
        let squares = |keep: &dyn Fn(u32) -> bool, square: &dyn Fn(f64) -> f64| LinearTransform {
            diagonals: transform
                .diagonals
                .iter()
                .filter(|(diagonal, _)| keep(diagonal.rotation))
                .map(|(diagonal, factors)| {
                    (*diagonal, factors.iter().map(|&factor| square(factor)).collect())
                })
                .collect(),
            ..transform.clone()
        };
        let apply = |transform: &LinearTransform, of: Vec<Vec<f64>>| {
            let of: Vec<&[f64]> = of.iter().map(Vec::as_slice).collect();
            transform.apply(&of, outputs)
        };
        let each = |of: &dyn Fn(&Register) -> Vec<f64>| inputs.iter().map(of).collect::<Vec<_>>();
        let moved = apply(&squares(&|_| true, &|f| f * f), each(&|x| of(x).clone()));
        // Encoding a diagonal rounds it, whatever it is multiplied with.
        let encoding = self.slot(ROUNDING, level);
        let rounded = apply(
            &squares(&|_| true, &|_| encoding),
            each(&|x| self.values[x.index()].iter().map(|x| x * x).collect()),
        );
        let switched = self.slot(self.key_switch(level), level);
        let slots = self.values[inputs[0].index()].len();
        let inner = apply(
            &squares(&|rotation| rotation % transform.baby_steps != 0, &|f| f * f),
            each(&|_| vec![switched; slots]),
        );
        let below = self.rescaling(down(level));
        let sums = moved.into_iter().zip(rounded).zip(inner);
        sums.map(|((moved, rounded), inner)| {
            let terms = moved.iter().zip(rounded).zip(inner);
            terms.map(|((a, b), c)| a + b + c + below).collect()
        })
        .collect()
    }
}

fn down(level: Level) -> Level {
    Level(level.0.saturating_sub(1))
}

fn rotated(slots: &[f64], steps: u32) -> Vec<f64> {
    slots.iter().copied().cycle().skip(steps as usize).take(slots.len()).collect()
}

/// The variance after a polynomial: that of the argument by the derivative, and that of the rescaling of each
/// power, or Chebyshev polynomial, that it is put together of.
fn through(polynomial: &Polynomial, x: f64, variance: f64, rescaling: f64) -> f64 {
    let (t, factor) = match polynomial.basis {
        PolynomialBasis::Power => (x, 1.0),
        PolynomialBasis::Chebyshev { low, high } => {
            ((2.0 * x - low - high) / (high - low), 2.0 / (high - low))
        }
    };
    let chebyshev = !matches!(polynomial.basis, PolynomialBasis::Power);
    // Value, derivative, and variance apart from the argument's, of T_n.
    let mut powers = vec![(1.0, 0.0, 0.0), (t, 1.0, 0.0)];
    for n in 2..polynomial.coefficients.len() {
        let a = n.next_power_of_two() / 2;
        let ((p, dp, vp), (q, dq, vq)) = (powers[a], powers[n - a]);
        let (value, slope, own) = (p * q, p * dq + q * dp, p * p * vq + q * q * vp);
        powers.push(if chebyshev {
            let (r, dr, vr) = powers[2 * a - n];
            (2.0 * value - r, 2.0 * slope - dr, 4.0 * own + vr + rescaling)
        } else {
            (value, slope, own + rescaling)
        });
    }
    let terms = polynomial.coefficients.iter().zip(&powers);
    let (slope, own) =
        terms.fold((0.0, 0.0), |(slope, own), (c, (_, d, v))| (slope + c * d, own + c * c * v));
    (slope * factor).powi(2) * variance + own + rescaling
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chebyshev(coefficients: &[f64]) -> Polynomial {
        let basis = PolynomialBasis::Chebyshev { low: -1.0, high: 1.0 };
        Polynomial { basis, coefficients: coefficients.to_vec() }
    }

    #[test]
    fn the_error_of_the_argument_is_weighed_by_the_slope() {
        let polynomial = chebyshev(&[0.25, -0.5, 0.75, 0.5, -0.125, 0.375, 0.0, 1.0]);
        for x in [-0.9, -0.2, 0.0, 0.55] {
            let slope = (polynomial.evaluate(x + 1e-6) - polynomial.evaluate(x - 1e-6)) / 2e-6;
            let found = through(&polynomial, x, 1e-10, 0.0).sqrt();
            assert!((found - slope.abs() * 1e-5).abs() < 1e-9, "{found} {slope}");
        }
        let power = Polynomial { basis: PolynomialBasis::Power, coefficients: vec![1.0, 2.0, 0.0, 4.0] };
        assert!((through(&power, 0.5, 1.0, 0.0) - 25.0).abs() < 1e-12);
    }

    #[test]
    fn every_product_adds_the_error_of_its_rescaling() {
        // T₂ has one, 2·T₁·T₂ − T₁ four of it and its own, and the sum one more.
        let found = through(&chebyshev(&[0.0, 0.0, 0.0, 1.0]), 0.5, 0.0, 1.0);
        assert!((found - (4.0 * 0.25 + 1.0 + 1.0)).abs() < 1e-12, "{found}");
    }
}
