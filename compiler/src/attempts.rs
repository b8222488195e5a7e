//! In which order scales and packings are tried: the cheapest first. Pairs of rotations are cheaper and less precise,
//! larger scales more precise and no cheaper.

use std::vec::IntoIter;

use crate::{
    assemble::{Assembly, Choice},
    error::CompileError,
    pack::Prices,
};

/// What is still to be tried.
pub(crate) struct Attempts<'a> {
    assembly: &'a Assembly<'a>,
    scales: IntoIter<u8>,
    /// Chosen, and not given yet.
    waiting: Vec<Choice>,
    /// What larger scales cost at least, once there was one.
    least: Option<f64>,
}

impl<'a> Attempts<'a> {
    /// Of scales that rise.
    pub(crate) fn new(assembly: &'a Assembly<'a>, scales: Vec<u8>) -> Self {
        Self { assembly, scales: scales.into_iter(), waiting: vec![], least: None }
    }

    /// The cheapest that was not given yet, of equal ones that of the smallest scale.
    ///
    /// # Errors
    /// As [`Assembly::choose`], for the smallest scale; a larger one that does not fit is left out.
    pub(crate) fn next(&mut self) -> Result<Option<Choice>, CompileError> {
        while self.waiting.iter().all(|choice| self.least.is_some_and(|least| choice.cost > least)) {
            let Some(scale_bits) = self.scales.next() else { break };
            match self.choose(scale_bits) {
                Err(error) if self.least.is_none() => return Err(error),
                // Nor does one that is larger still.
                Err(_) => self.scales = vec![].into_iter(),
                Ok(()) => {}
            }
        }
        let order = |(_, a): &(usize, &Choice), (_, b): &(usize, &Choice)| a.cost.total_cmp(&b.cost);
        let cheapest = self.waiting.iter().enumerate().min_by(order).map(|(at, _)| at);
        Ok(cheapest.map(|at| self.waiting.remove(at)))
    }

    fn choose(&mut self, scale_bits: u8) -> Result<(), CompileError> {
        let prices = Prices::of(self.assembly.options.objective);
        let choice = self.assembly.choose(scale_bits, prices)?;
        self.least = Some(choice.cost);
        if choice.lowered.program.transforms.iter().any(|transform| transform.paired_by.is_some()) {
            self.waiting.extend(self.assembly.choose(scale_bits, prices.without_pairs()).ok());
        }
        // Behind the other, which may cost as much and is more precise.
        self.waiting.push(choice);
        Ok(())
    }
}
