//! Functions of one number put together of others, as chains of elementwise operators write them:
//! `x·(erf(x/√2) + 1)/2` is one function to fit, not two and a product.

use std::{fmt, sync::Arc};

use super::Function;

/// More terms than any activation is written with; above, parts are fitted one by one.
const MAX_TERMS: usize = 64;

/// A formula of x.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// x.
    Argument,
    /// `Σ factor·term + offset`.
    Sum(Vec<(f64, Arc<Expression>)>, f64),
    /// A function of an expression.
    Apply(Function, Arc<Expression>),
    /// The product of two.
    Product(Arc<Expression>, Arc<Expression>),
}

impl Expression {
    /// The value at `x`.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        match self {
            Self::Argument => x,
            Self::Sum(terms, offset) => {
                terms.iter().fold(*offset, |sum, (factor, term)| sum + factor * term.at(x))
            }
            Self::Apply(function, of) => function.at(of.at(x)),
            Self::Product(a, b) => a.at(x) * b.at(x),
        }
    }

    /// Whether it is a polynomial, so that there is nothing to fit.
    pub(crate) fn is_polynomial(&self) -> bool {
        match self {
            Self::Argument => true,
            Self::Sum(terms, _) => terms.iter().all(|(_, term)| term.is_polynomial()),
            Self::Apply(function, of) => matches!(function, Function::Power(_)) && of.is_polynomial(),
            Self::Product(a, b) => a.is_polynomial() && b.is_polynomial(),
        }
    }

    /// Whether it is x, scaled and shifted at most.
    pub(crate) fn is_affine(&self) -> bool {
        match self {
            Self::Argument => true,
            Self::Sum(terms, _) => terms.iter().all(|(_, term)| term.is_affine()),
            Self::Apply(..) | Self::Product(..) => false,
        }
    }

    /// Whether it is small enough to be evaluated at every point of a fit.
    pub(crate) fn is_short(&self) -> bool {
        self.terms_within(MAX_TERMS).is_some()
    }

    /// What is left of so many terms, if it has no more.
    fn terms_within(&self, most: usize) -> Option<usize> {
        let rest = most.checked_sub(1)?;
        match self {
            Self::Argument => Some(rest),
            Self::Sum(terms, _) => terms.iter().try_fold(rest, |rest, (_, term)| term.terms_within(rest)),
            Self::Apply(_, of) => of.terms_within(rest),
            Self::Product(a, b) => b.terms_within(a.terms_within(rest)?),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => f.write_str("x"),
            Self::Sum(terms, offset) => {
                for (at, (factor, term)) in terms.iter().enumerate() {
                    let sign = match (at, *factor < 0.0) {
                        (0, false) => "",
                        (0, true) => "-",
                        (_, false) => " + ",
                        (_, true) => " - ",
                    };
                    let size = rounded(factor.abs());
                    let times = if size == "1" { String::new() } else { format!("{size}·") };
                    write!(f, "{sign}{times}{}", term.as_factor())?;
                }
                match offset {
                    0.0 => Ok(()),
                    _ if *offset < 0.0 => write!(f, " - {}", rounded(-offset)),
                    _ => write!(f, " + {}", rounded(*offset)),
                }
            }
            Self::Apply(function, of) => write!(f, "{}({of})", function.name()),
            Self::Product(a, b) => write!(f, "{}·{}", a.as_factor(), b.as_factor()),
        }
    }
}

impl Expression {
    fn as_factor(&self) -> String {
        if matches!(self, Self::Sum(..)) { format!("({self})") } else { self.to_string() }
    }
}

/// Three digits, without zeros at the end.
fn rounded(number: f64) -> String {
    let digits = (2 - number.log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{number:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gelu() -> Expression {
        let x = || Arc::new(Expression::Argument);
        let scaled = Expression::Sum(vec![(std::f64::consts::FRAC_1_SQRT_2, x())], 0.0);
        let erf = Expression::Apply(Function::Erf, Arc::new(scaled));
        let gate = Expression::Sum(vec![(0.5, Arc::new(erf))], 0.5);
        Expression::Product(x(), Arc::new(gate))
    }

    #[test]
    fn is_read_as_people_write_it() {
        assert_eq!(gelu().to_string(), "x·(0.5·Erf(0.707·x) + 0.5)");
        let negative = Expression::Sum(vec![(-1.0, Arc::new(Expression::Argument))], -0.25);
        assert_eq!(negative.to_string(), "-x - 0.25");
    }

    #[test]
    fn has_the_value_of_its_parts() {
        for x in [-2.0, -0.3, 0.0, 1.7] {
            assert!((gelu().at(x) - Function::Gelu.at(x)).abs() < 1e-12);
        }
    }

    #[test]
    fn what_doubles_with_every_step_is_not_short() {
        let mut expression = Arc::new(gelu());
        assert!(expression.is_short() && !expression.is_polynomial());
        for _ in 0..60 {
            expression = Arc::new(Expression::Product(Arc::clone(&expression), expression));
        }
        assert!(!expression.is_short());
    }
}
