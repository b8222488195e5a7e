//! In which order scales and packings are tried: the cheapest first. Pairs of rotations are cheaper and less precise,
//! larger scales more precise and, but for the tenth that costs of one scale may differ by, no cheaper.

use std::vec::IntoIter;

use crate::{assemble::Choice, error::CompileError, pack::Prices};

/// What can be tried, and what decides when.
pub(crate) struct Attempt<C> {
    cost: f64,
    /// Whether pairs were worth their price.
    has_pairs: bool,
    choice: C,
}

impl From<Choice> for Attempt<Choice> {
    fn from(choice: Choice) -> Self {
        let mut transforms = choice.program.1.program.transforms.iter();
        let has_pairs = transforms.any(|transform| transform.paired_by.is_some());
        Self { cost: choice.cost, has_pairs, choice }
    }
}

/// What is still to be tried.
pub(crate) struct Attempts<C, F> {
    choose: F,
    prices: Prices,
    scales: IntoIter<u8>,
    /// Chosen, and not given yet.
    waiting: Vec<Attempt<C>>,
    /// What larger scales cost at least, once there was one, to within a tenth.
    least: Option<f64>,
}

impl<C, F: FnMut(u8, Prices) -> Result<Attempt<C>, CompileError>> Attempts<C, F> {
    /// Of scales that rise; `choose` finds the cheapest of one scale at these prices.
    pub(crate) fn new(scales: Vec<u8>, prices: Prices, choose: F) -> Self {
        Self { choose, prices, scales: scales.into_iter(), waiting: vec![], least: None }
    }

    /// The cheapest that was not given yet, of equal ones that of the smallest scale.
    ///
    /// # Errors
    /// As `choose`, for the smallest scale; a larger one that does not fit is left out.
    pub(crate) fn next(&mut self) -> Result<Option<C>, CompileError> {
        while self.waiting.iter().all(|attempt| self.least.is_some_and(|least| attempt.cost > least)) {
            let Some(scale_bits) = self.scales.next() else { break };
            match self.add(scale_bits) {
                Err(error) if self.least.is_none() => return Err(error),
                // Nor does one that is larger still.
                Err(_) => self.scales = vec![].into_iter(),
                Ok(()) => {}
            }
        }
        let order = |(_, a): &(usize, &Attempt<C>), (_, b): &(usize, &Attempt<C>)| a.cost.total_cmp(&b.cost);
        let cheapest = self.waiting.iter().enumerate().min_by(order).map(|(at, _)| at);
        Ok(cheapest.map(|at| self.waiting.remove(at).choice))
    }

    /// Adds what there is of a scale: levels and slots decide whether it fits, with pairs as without.
    fn add(&mut self, scale_bits: u8) -> Result<(), CompileError> {
        let cheapest = (self.choose)(scale_bits, self.prices)?;
        if cheapest.has_pairs {
            self.waiting.push((self.choose)(scale_bits, self.prices.without_pairs())?);
        }
        self.least = Some(cheapest.cost);
        // Behind the other, which may cost as much and is more precise.
        self.waiting.push(cheapest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Objective;

    const REFUSED: CompileError = CompileError::TooDeep { levels: 9 };

    /// Scales and whether there are pairs, in the order in which they are given, where they cost that much with pairs
    /// and without; a scale without costs does not fit, and NaN for pairs that are not worth it.
    fn order(costs: &[Option<[f64; 2]>]) -> Result<Vec<(u8, bool)>, CompileError> {
        let prices = Prices::of(Objective::Latency);
        let choose = |scale: u8, asked: Prices| {
            let [paired, unpaired] = costs[usize::from(scale)].ok_or(REFUSED)?;
            let has_pairs = asked != asked.without_pairs() && !paired.is_nan();
            let cost = if has_pairs { paired } else { unpaired };
            Ok(Attempt { cost, has_pairs, choice: (scale, has_pairs) })
        };
        let mut attempts = Attempts::new((0..costs.len() as u8).collect(), prices, choose);
        std::iter::from_fn(|| attempts.next().transpose()).collect()
    }

    #[test]
    fn the_same_scale_without_pairs_comes_before_a_larger_one_that_costs_more() {
        let found = order(&[Some([10.0, 12.0]), Some([20.0, 25.0])]);
        assert_eq!(found, Ok(vec![(0, true), (0, false), (1, true), (1, false)]));
    }

    #[test]
    fn a_larger_scale_with_pairs_comes_before_the_smaller_without_where_it_is_cheaper() {
        let found = order(&[Some([10.0, 12.0]), Some([11.0, 13.0]), Some([12.5, 14.0])]);
        let expected = vec![(0, true), (1, true), (0, false), (2, true), (1, false), (2, false)];
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn of_equal_costs_the_smaller_scale_and_no_pairs_come_first() {
        let found = order(&[Some([10.0, 10.0]), Some([10.0, 10.0])]);
        assert_eq!(found, Ok(vec![(0, false), (0, true), (1, false), (1, true)]));
    }

    #[test]
    fn what_has_no_pairs_is_tried_once() {
        let found = order(&[Some([f64::NAN, 10.0]), Some([f64::NAN, 10.0])]);
        assert_eq!(found, Ok(vec![(0, false), (1, false)]));
    }

    #[test]
    fn scales_that_do_not_fit_are_left_out_unless_it_is_the_smallest() {
        assert_eq!(order(&[Some([10.0, 12.0]), None]), Ok(vec![(0, true), (0, false)]));
        assert_eq!(order(&[None, Some([10.0, 12.0])]), Err(REFUSED));
    }
}
