//! Functions of one number that models apply to each element.

mod expression;

use std::sync::Arc;

pub use expression::Expression;

/// A function of one number.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// `x^n`, n at least 2; exact.
    Power(u32),
    /// `max(x, 0)`.
    Relu,
    /// `x` above 0, `alpha·x` below.
    LeakyRelu {
        /// The slope below 0.
        alpha: f64,
    },
    /// `x` held between two bounds.
    Clip {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// `1/(1 + e^(−x))`.
    Sigmoid,
    /// `alpha·x + beta` held between 0 and 1.
    HardSigmoid {
        /// The slope.
        alpha: f64,
        /// The value at 0.
        beta: f64,
    },
    /// `tanh x`.
    Tanh,
    /// `x` above 0, `alpha·(e^x − 1)` below.
    Elu {
        /// Minus the limit at −∞.
        alpha: f64,
    },
    /// `gamma` times the Elu of `alpha`.
    Selu {
        /// As of Elu.
        alpha: f64,
        /// The slope above 0.
        gamma: f64,
    },
    /// `ln(1 + e^x)`.
    Softplus,
    /// `x/(1 + |x|)`.
    Softsign,
    /// `x·sigmoid(x)`.
    Silu,
    /// `x·max(0, min(1, x/6 + 1/2))`.
    HardSwish,
    /// `x·tanh(softplus(x))`.
    Mish,
    /// `x·Φ(x)`, Φ being the normal distribution.
    Gelu,
    /// Gelu by the usual expression with tanh.
    GeluTanh,
    /// The error function.
    Erf,
    /// `e^x`.
    Exp,
    /// `√x`, 0 below 0.
    Sqrt,
    /// `|x|`.
    Abs,
    /// A function put together of others.
    Composed(Arc<Expression>),
}

impl Function {
    /// The value at `x`.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        // Neither term overflows.
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        let elu = |alpha: f64| if x > 0.0 { x } else { alpha * x.exp_m1() };
        match *self {
            Self::Power(n) => x.powi(n.cast_signed()),
            Self::Relu => x.max(0.0),
            Self::LeakyRelu { alpha } => {
                if x > 0.0 {
                    x
                } else {
                    alpha * x
                }
            }
            Self::Clip { low, high } => x.max(low).min(high),
            Self::Sigmoid => sigmoid(x),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::Tanh => x.tanh(),
            Self::Elu { alpha } => elu(alpha),
            Self::Selu { alpha, gamma } => gamma * elu(alpha),
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Silu => x * sigmoid(x),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Mish => x * softplus(x).tanh(),
            Self::Gelu => x * 0.5 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                x * 0.5 * (1.0 + inner.tanh())
            }
            Self::Erf => libm::erf(x),
            Self::Exp => x.exp(),
            Self::Sqrt => x.max(0.0).sqrt(),
            Self::Abs => x.abs(),
            Self::Composed(ref expression) => expression.at(x),
        }
    }

    /// The ONNX operator that it comes from, or the formula.
    #[must_use]
    pub fn name(&self) -> String {
        let operator = match self {
            Self::Power(_) => "Pow",
            Self::Relu => "Relu",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Clip { .. } => "Clip",
            Self::Sigmoid => "Sigmoid",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::Tanh => "Tanh",
            Self::Elu { .. } => "Elu",
            Self::Selu { .. } => "Selu",
            Self::Softplus => "Softplus",
            Self::Softsign => "Softsign",
            Self::Silu => "Silu",
            Self::HardSwish => "HardSwish",
            Self::Mish => "Mish",
            Self::Gelu | Self::GeluTanh => "Gelu",
            Self::Erf => "Erf",
            Self::Exp => "Exp",
            Self::Sqrt => "Sqrt",
            Self::Abs => "Abs",
            Self::Composed(expression) => return expression.to_string(),
        };
        operator.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the definitions in the ONNX specification, computed apart from this crate.
    #[test]
    fn functions_have_the_values_of_their_definitions() {
        let expected = [
            (Function::Relu, [0.0, 1.5]),
            (Function::LeakyRelu { alpha: 0.1 }, [-0.05, 1.5]),
            (Function::Clip { low: -0.25, high: 1.0 }, [-0.25, 1.0]),
            (Function::Sigmoid, [0.377_540_668_798_145_4, 0.817_574_476_193_643_7]),
            (Function::HardSigmoid { alpha: 0.2, beta: 0.5 }, [0.4, 0.8]),
            (Function::Elu { alpha: 1.0 }, [-0.393_469_340_287_366_6, 1.5]),
            (Function::Selu { alpha: 2.0, gamma: 0.5 }, [-0.393_469_340_287_366_6, 0.75]),
            (Function::Softplus, [0.474_076_984_180_107, 1.701_413_277_982_752_5]),
            (Function::Softsign, [-1.0 / 3.0, 0.6]),
            (Function::Silu, [-0.188_770_334_399_072_7, 1.226_361_714_290_465_5]),
            (Function::HardSwish, [-0.208_333_333_333_333_34, 1.125]),
            (Function::Mish, [-0.220_743_774_651_73, 1.403_378_266_395_802_8]),
            (Function::Gelu, [-0.154_268_769_362_993_44, 1.399_789_198_096_713_4]),
            (Function::GeluTanh, [-0.154_285_990_174_856_06, 1.399_571_576_980_232_8]),
            (Function::Erf, [-0.520_499_877_813_046_5, 0.966_105_146_475_310_7]),
            (Function::Exp, [0.606_530_659_712_633_4, 4.481_689_070_338_065]),
            (Function::Sqrt, [0.0, 1.224_744_871_391_589]),
            (Function::Abs, [0.5, 1.5]),
        ];
        for (function, values) in expected {
            for (x, value) in [-0.5, 1.5].into_iter().zip(values) {
                let found = function.at(x);
                assert!((found - value).abs() < 1e-12, "{function:?} at {x}: {found}, not {value}");
            }
        }
    }

    #[test]
    fn functions_stay_finite_far_from_zero() {
        for function in
            [Function::Softplus, Function::Mish, Function::Silu, Function::Gelu, Function::GeluTanh]
        {
            assert!(function.at(-1e3).abs() < 1e-9 && function.at(1e3) == 1e3, "{function:?}");
        }
    }
}
