//! What a client applies to decrypted values: exact, and free compared to a level of ciphertext.

use serde::{Deserialize, Serialize};

/// A function at the very end of a model. With the operators of ONNX that it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Postprocessing {
    /// Values are used as they are.
    #[default]
    None,
    /// `1/(1 + e^(−x))` of each value (Sigmoid).
    Sigmoid,
    /// `e^xᵢ / Σ e^xⱼ` (Softmax).
    Softmax,
    /// The position of the largest value, the first of equals, as the only value (ArgMax).
    Argmax,
    /// `xᵢ / Σ |xⱼ|`, zeros as they are (Normalizer with norm L1).
    NormalizeL1,
    /// `xᵢ / √(Σ xⱼ²)`, zeros as they are (Normalizer with norm L2).
    NormalizeL2,
    /// `xᵢ / max xⱼ`, as they are if that is zero (Normalizer with norm MAX).
    NormalizeMax,
    /// Sigmoid, then [`NormalizeL1`](Self::NormalizeL1): one-versus-rest classifiers.
    SigmoidNormalizeL1,
}

impl Postprocessing {
    /// Its name in manifests and in answers of the protocol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sigmoid => "sigmoid",
            Self::Softmax => "softmax",
            Self::Argmax => "argmax",
            Self::NormalizeL1 => "normalize_l1",
            Self::NormalizeL2 => "normalize_l2",
            Self::NormalizeMax => "normalize_max",
            Self::SigmoidNormalizeL1 => "sigmoid_normalize_l1",
        }
    }

    /// Applies the function, without overflow at any finite values.
    #[must_use]
    pub fn apply(self, values: &[f64]) -> Vec<f64> {
        match self {
            Self::None => values.to_vec(),
            Self::Sigmoid => values.iter().map(|&x| sigmoid(x)).collect(),
            Self::Softmax => {
                let most = largest(values);
                let powers: Vec<f64> = values.iter().map(|x| (x - most).exp()).collect();
                let sum: f64 = powers.iter().sum();
                powers.iter().map(|power| power / sum).collect()
            }
            Self::Argmax => vec![argmax(values) as f64],
            Self::NormalizeL1 => normalized(values, |x| x.iter().map(|x| x.abs()).sum()),
            Self::NormalizeL2 => normalized(values, |x| x.iter().map(|x| x * x).sum::<f64>().sqrt()),
            Self::NormalizeMax => normalized(values, largest),
            Self::SigmoidNormalizeL1 => Self::NormalizeL1.apply(&Self::Sigmoid.apply(values)),
        }
    }
}

/// The position of the largest value, the first of equals; 0 without values.
#[must_use]
pub fn argmax(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

fn sigmoid(x: f64) -> f64 {
    // The exponent is never positive.
    let power = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + power) } else { power / (1.0 + power) }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Divides values by what they measure, unless that is zero. They are brought to at most 1 first, so that no sum
/// overflows.
fn normalized(values: &[f64], measure: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let most = values.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let small: Vec<f64> = values.iter().map(|x| x / most).collect();
    let size = measure(&small);
    if most == 0.0 || size == 0.0 { values.to_vec() } else { small.iter().map(|x| x / size).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_sums_to_one_even_where_exponentials_overflow() {
        let probabilities = Postprocessing::Softmax.apply(&[1000.0, 999.0, -1000.0]);
        assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((probabilities[0] - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-12);
    }

    #[test]
    fn sigmoid_is_symmetric_and_saturates() {
        let [low, middle, high] = Postprocessing::Sigmoid.apply(&[-800.0, 0.0, 800.0])[..] else {
            panic!("three values in, three out");
        };
        assert_eq!((low, middle, high), (0.0, 0.5, 1.0));
        let [a, b] = Postprocessing::Sigmoid.apply(&[1.3, -1.3])[..] else {
            panic!("two values in, two out")
        };
        assert!((a + b - 1.0).abs() < 1e-15);
    }

    #[test]
    fn argmax_gives_the_first_of_equals() {
        assert_eq!(Postprocessing::Argmax.apply(&[-2.0, 3.0, 3.0, 1.0]), [1.0]);
        assert_eq!(Postprocessing::Argmax.apply(&[-2.0]), [0.0]);
        assert_eq!(argmax(&[]), 0);
    }

    #[test]
    fn norms_divide_and_leave_zeros() {
        use Postprocessing::{NormalizeL1, NormalizeL2, NormalizeMax};
        assert_eq!(NormalizeL1.apply(&[3.0, -1.0]), [0.75, -0.25]);
        assert_eq!(NormalizeL2.apply(&[3e300, -4e300]), [0.6, -0.8]);
        assert_eq!(NormalizeMax.apply(&[1.0, -4.0, 2.0]), [0.5, -2.0, 1.0]);
        assert_eq!(NormalizeMax.apply(&[0.0, -4.0]), [0.0, -4.0]);
        for norm in [NormalizeL1, NormalizeL2, NormalizeMax] {
            assert_eq!(norm.apply(&[0.0, 0.0]), [0.0, 0.0]);
        }
    }

    #[test]
    fn one_versus_rest_sums_to_one() {
        let values = Postprocessing::SigmoidNormalizeL1.apply(&[0.0, 0.0, 800.0]);
        assert_eq!(values, [0.25, 0.25, 0.5]);
    }

    #[test]
    fn names_are_those_of_the_protocol() {
        use Postprocessing::*;
        for postprocessing in
            [None, Sigmoid, Softmax, Argmax, NormalizeL1, NormalizeL2, NormalizeMax, SigmoidNormalizeL1]
        {
            let written = serde_json::to_value(postprocessing).expect("a name");
            assert_eq!(written, postprocessing.name());
        }
    }
}
