//! Levels and exact scales of the evaluation of a polynomial: a [`Plan`] with the scale of every
//! factor. Owns the scale arithmetic; knows no ciphertexts.
//!
//! Scales are assigned from the result backwards: the result must have the scale of its level, a
//! sum of products has its value's scale times the level's divisor, and what is multiplied with
//! `T_n` gets the scale that is missing. So nothing is ever approximately equal.
//!
//! Source: Kim, Papadimitriou, Polyakov, "Approximate Homomorphic Encryption with Reduced
//! Approximation Error" (eprint 2020/1118), section 4; Bossuat et al. (eprint 2020/1203), section 5.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    error::InstructionError,
    plan::{Node, Plan, depth_of, factors_of},
    polynomial::{Polynomial, Recurrence},
};
use crate::scheme::{Level, Params, Scale};

/// An encoded coefficient must stay below 2^62.
const MAX_VALUE: f64 = (1u64 << 62) as f64;
const MIN_FACTOR_SCALE: f64 = (1u64 << 10) as f64;
const MAX_FACTOR_SCALE: f64 = (1u64 << 61) as f64;

/// A number for all slots, and the scale it is encoded at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Factor {
    pub(crate) value: f64,
    pub(crate) scale: Scale,
}

/// How a polynomial is evaluated on a ciphertext at one level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Schedule {
    /// `t = factor·x + offset`, one level below x.
    pub(crate) substitution: Option<(Factor, f64)>,
    plan: Plan,
    /// Level of `T₁`.
    argument: Level,
    /// In the order of computation.
    pub(crate) powers: Vec<Power>,
    pub(crate) root: Sum,
}

/// `T_n = rescale(T_a·T_b)`, or `rescale(2·T_a·T_b − correction·T_(a−b)) + offset`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Power {
    pub(crate) index: usize,
    pub(crate) factors: (usize, usize),
    pub(crate) double: bool,
    /// Index and factor of what is added before the rescaling.
    pub(crate) correction: Option<(usize, Factor)>,
    /// Added after the rescaling.
    pub(crate) offset: f64,
    /// Level of the factors.
    pub(crate) level: Level,
}

/// `rescale(Σ direct·T_n + Σ quotient·T_n) + offset`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sum {
    pub(crate) direct: Vec<(usize, Factor)>,
    pub(crate) products: Vec<(usize, Sum)>,
    /// Added after the rescaling.
    pub(crate) offset: f64,
    /// Level of the terms.
    pub(crate) level: Level,
}

impl Schedule {
    /// Schedules the evaluation of a valid polynomial on an argument at `level`.
    ///
    /// # Errors
    /// [`InstructionError::LevelExhausted`], [`InstructionError::ScaleOutOfRange`],
    /// [`InstructionError::ValueOutOfRange`].
    pub(crate) fn new(
        params: &Params,
        polynomial: &Polynomial,
        level: Level,
    ) -> Result<Self, InstructionError> {
        let (depth, reduced) = (polynomial.depth(), polynomial.reduced());
        if depth > u32::from(level.0) {
            return Err(InstructionError::LevelExhausted { needed: depth, found: level });
        }
        let target = Level(level.0 - depth as u8);
        let (substitution, argument) = match reduced.substitution {
            None => (None, level),
            Some(map) => {
                let below = Level(level.0 - 1);
                check_value(map.offset, params.scale_at(below))?;
                (Some((factor(map.factor, params.scale_at(level))?, map.offset)), below)
            }
        };
        let plan = Plan::new(reduced.recurrence, &reduced.coefficients, u32::from(argument.0 - target.0));
        let mut scales = Scales { params, argument, scales: BTreeMap::new() };
        scales.scales.insert(1, params.scale_at(argument));
        let powers =
            plan.powers.iter().map(|&n| scales.power(plan.recurrence, n)).collect::<Result<_, _>>()?;
        let root = scales.sum(&plan.root, params.scale_at(target))?;
        Ok(Self { substitution, plan, argument, powers, root })
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The level of the result; a sum has terms, so its level is above 0.
    pub(crate) fn target(&self) -> Level {
        Level(self.root.level.0 - 1)
    }

    /// The level of each relinearization.
    pub(crate) fn relinearization_levels(&self) -> Vec<Level> {
        let mut levels: Vec<Level> = self.powers.iter().map(|power| power.level).collect();
        self.root.visit(&mut |sum| levels.extend((!sum.products.is_empty()).then_some(sum.level)));
        levels
    }

    /// The level of each rescaling.
    pub(crate) fn rescaling_levels(&self) -> Vec<Level> {
        let argument = self.substitution.map(|_| Level(self.argument.0 + 1));
        let mut levels: Vec<Level> = self.powers.iter().map(|power| power.level).chain(argument).collect();
        self.root.visit(&mut |sum| levels.push(sum.level));
        levels
    }
}

impl Sum {
    fn visit(&self, see: &mut dyn FnMut(&Self)) {
        see(self);
        self.products.iter().for_each(|(_, quotient)| quotient.visit(see));
    }
}

struct Scales<'a> {
    params: &'a Params,
    /// Level of `T₁`.
    argument: Level,
    /// The scale of each `T_n`, wherever it is used: dropping limbs does not change it.
    scales: BTreeMap<usize, Scale>,
}

impl Scales<'_> {
    fn power(&mut self, recurrence: Recurrence, index: usize) -> Result<Power, InstructionError> {
        let (a, b) = factors_of(index);
        let level = Level(self.argument.0 - depth_of(index) as u8 + 1);
        let product_scale = self.scales[&a].value() * self.scales[&b].value();
        let scale = to_scale(product_scale / self.params.level_divisor(level))?;
        self.scales.insert(index, scale);
        let double = recurrence == Recurrence::Chebyshev;
        let (mut correction, mut offset) = (None, 0.0);
        match (double, a - b) {
            (false, _) => {}
            (true, 0) => offset = -1.0,
            (true, c) => {
                correction = Some((c, factor(-1.0, to_scale(product_scale / self.scales[&c].value())?)?))
            }
        }
        Ok(Power { index, factors: (a, b), double, correction, offset, level })
    }

    fn sum(&self, node: &Node, scale: Scale) -> Result<Sum, InstructionError> {
        let level = Level(self.argument.0 - node.depth as u8 + 1);
        let sum_scale = scale.value() * self.params.level_divisor(level);
        let missing = |n: usize| to_scale(sum_scale / self.scales[&n].value());
        let direct =
            node.direct.iter().map(|&(n, c)| Ok((n, factor(c, missing(n)?)?))).collect::<Result<_, _>>()?;
        let quotients = node.products.iter().map(|(n, quotient)| Ok((*n, self.sum(quotient, missing(*n)?)?)));
        let products = quotients.collect::<Result<_, _>>()?;
        check_value(node.constant, scale)?;
        Ok(Sum { direct, products, offset: node.constant, level })
    }
}

/// Tells whether going from one level's scale to another's takes a product with 1 at a scale that
/// makes up the difference, and a rescaling; else discarding limbs is enough.
pub(crate) fn drop_takes_rescaling(
    params: &Params,
    from: Level,
    to: Level,
) -> Result<bool, InstructionError> {
    if params.scale_at(from).matches(params.scale_at(to)) {
        return Ok(false);
    }
    let product = params.scale_at(to).value() * params.level_divisor(Level(to.0 + 1));
    to_scale(product / params.scale_at(from).value()).map(|_| true)
}

/// Checks that a value can be encoded.
pub(crate) fn check_value(value: f64, scale: Scale) -> Result<(), InstructionError> {
    let product = value.abs() * scale.value();
    if product < MAX_VALUE {
        Ok(())
    } else {
        Err(InstructionError::ValueOutOfRange { log2: libm::log2(product) })
    }
}

fn factor(value: f64, scale: Scale) -> Result<Factor, InstructionError> {
    check_value(value, scale)?;
    Ok(Factor { value, scale })
}

/// Below the lower bound a factor would be rounded too coarsely, above the upper one it would not fit.
fn to_scale(scale: f64) -> Result<Scale, InstructionError> {
    let valid = (MIN_FACTOR_SCALE..=MAX_FACTOR_SCALE).contains(&scale);
    Scale::new(scale).filter(|_| valid).ok_or(InstructionError::ScaleOutOfRange { found: scale })
}
