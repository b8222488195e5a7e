//! What a client applies to decrypted values: exact, and free compared to a level of ciphertext.

use serde::{Deserialize, Serialize};

/// A function at the very end of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Postprocessing {
    /// Values are used as they are.
    #[default]
    None,
    /// `1/(1 + e^(−x))` of each value.
    Sigmoid,
    /// `e^xᵢ / Σ e^xⱼ`.
    Softmax,
}

impl Postprocessing {
    /// Applies the function, without overflow at any finite values.
    #[must_use]
    pub fn apply(self, values: &[f64]) -> Vec<f64> {
        match self {
            Self::None => values.to_vec(),
            Self::Sigmoid => values.iter().map(|&x| sigmoid(x)).collect(),
            Self::Softmax => {
                let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = values.iter().map(|x| (x - most).exp()).collect();
                let sum: f64 = powers.iter().sum();
                powers.iter().map(|power| power / sum).collect()
            }
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    // The exponent is never positive.
    let power = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + power) } else { power / (1.0 + power) }
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
}
