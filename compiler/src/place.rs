//! Chooses the arrangement of every value so that the whole model costs least.
//!
//! Values that meet in an elementwise operation share an arrangement: they are one group. Between
//! groups there are matrices only, and what a matrix costs depends on the arrangements at its ends.
//! The choice is improved two groups at a time, those at the ends of a matrix, from the plain
//! arrangement on, until nothing improves.

use std::{collections::HashMap, rc::Rc};

use crate::{
    arrange::{Arrangement, layout},
    error::CompileError,
    graph::{Graph, Operation, Value},
    pack::{Conditions, Packing},
    sparse::SparseMatrix,
};

/// More rounds of improvement than any model has needed.
const ROUNDS: usize = 8;

/// An arrangement for every value, and how every matrix gets from one to the other.
pub(crate) struct Placement {
    /// By value.
    pub(crate) arrangements: Vec<Rc<Arrangement>>,
    /// By value and number of its term.
    pub(crate) packings: HashMap<(usize, usize), Packing>,
}

/// Finds the placement of a graph.
///
/// # Errors
/// [`CompileError::TooWide`] when a value does not fit the slots.
pub(crate) fn place(
    graph: &Graph,
    weights: &[f64],
    conditions: Conditions,
) -> Result<Placement, CompileError> {
    let groups = groups(graph);
    let count = groups.iter().max().map_or(0, |most| most + 1);
    let mut candidates = vec![];
    for group in 0..count {
        candidates.push(candidates_of(graph, &groups, group, conditions.slots)?);
    }
    let mut search = Search { graph, groups, weights, conditions, candidates, known: HashMap::new() };
    let mut pairs: Vec<[usize; 2]> =
        terms(graph).map(|(index, _, source, _)| [search.groups[source], search.groups[index]]).collect();
    pairs.dedup();
    let mut chosen = vec![0; count];
    for _ in 0..ROUNDS {
        let before = chosen.clone();
        pairs.iter().for_each(|&pair| search.improve(&mut chosen, pair));
        if chosen == before {
            break;
        }
    }
    Ok(search.placement(&chosen))
}

/// The number of each value's group.
fn groups(graph: &Graph) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..graph.values.len()).collect();
    for (index, value) in graph.values.iter().enumerate() {
        let elementwise = match &value.operation {
            Operation::Affine(affine) => affine.is_free(),
            _ => true,
        };
        for operand in value.operation.operands().into_iter().filter(|_| elementwise) {
            let (from, to) = (groups[index], groups[operand]);
            groups.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
        }
    }
    let mut numbers = HashMap::new();
    groups
        .into_iter()
        .map(|group| {
            let next = numbers.len();
            *numbers.entry(group).or_insert(next)
        })
        .collect()
}

/// A matrix that reads a value.
fn terms(graph: &Graph) -> impl Iterator<Item = (usize, usize, usize, &SparseMatrix)> {
    graph.values.iter().enumerate().flat_map(|(index, value)| {
        let affine = match &value.operation {
            Operation::Affine(affine) if !affine.is_free() => Some(affine),
            _ => None,
        };
        let terms = affine.into_iter().flat_map(|affine| affine.terms.iter().enumerate());
        terms.map(move |(term, (source, matrix))| (index, term, *source, matrix))
    })
}

fn candidates_of(
    graph: &Graph,
    groups: &[usize],
    group: usize,
    slots: usize,
) -> Result<Vec<Rc<Arrangement>>, CompileError> {
    let members = || graph.values.iter().enumerate().filter(|(index, _)| groups[*index] == group);
    let first: &Value =
        members().map(|(_, value)| value).max_by_key(|value| value.shape.len()).expect("a member");
    let is_output = groups[graph.output()] == group;
    let is_input = groups[0] == group;
    let mut candidates = Arrangement::candidates(&first.shape, slots);
    if is_output {
        candidates.retain(Arrangement::is_readable);
    }
    // The client fills whatever the layout says, if nothing else has to.
    let computed = members().any(|(_, value)| match &value.operation {
        Operation::Affine(affine) => !affine.is_free(),
        _ => false,
    });
    if is_input && !computed {
        candidates = candidates.into_iter().map(Arrangement::filled).collect();
        if !is_output {
            let dimension = first.dimension();
            let rows = terms(graph).filter(|(_, _, source, _)| groups[*source] == group);
            let dense = rows.filter(|(_, _, _, matrix)| matrix.is_dense());
            let tiled: Vec<_> =
                dense.flat_map(|(_, _, _, matrix)| tiled(matrix.rows(), dimension, slots)).collect();
            candidates.extend(tiled);
        }
    }
    if candidates.is_empty() {
        return Err(CompileError::TooWide { node: first.name.clone(), dimension: first.dimension(), slots });
    }
    Ok(candidates.into_iter().map(Rc::new).collect())
}

/// Arrangements of an input whose reader has `rows` rows, by which fewer rotations collect and more
/// add up: slot s holds element `s mod c + c·(⌊s/m⌋ mod n/c)`, m and n being powers of two.
fn tiled(rows: usize, columns: usize, slots: usize) -> Vec<Arrangement> {
    let (m, n) = (rows.next_power_of_two(), columns.next_power_of_two());
    let tiles = (0..=m.min(n).ilog2()).map(|log| 1 << log).filter(|tile| m * (n / tile) <= slots);
    tiles
        .map(|tile| Arrangement::of_layout(layout([(tile, 1), (m / tile, 0), (n / tile, tile)]), columns))
        .collect()
}

struct Search<'a> {
    graph: &'a Graph,
    groups: Vec<usize>,
    /// What a key switch costs at the level at which each value is read.
    weights: &'a [f64],
    conditions: Conditions,
    candidates: Vec<Vec<Rc<Arrangement>>>,
    /// Costs by value, term, and the candidates at both ends.
    known: HashMap<(usize, usize, usize, usize), f64>,
}

impl Search<'_> {
    /// Chooses the best candidates of two groups, the others staying as they are.
    fn improve(&mut self, chosen: &mut [usize], [from, to]: [usize; 2]) {
        let mut best = (self.cost(chosen, [from, to]), chosen[from], chosen[to]);
        for first in 0..self.candidates[from].len() {
            for second in 0..self.candidates[to].len() {
                (chosen[from], chosen[to]) = (first, second);
                // A matrix within one group has the same arrangement at both ends.
                let cost = if chosen[from] == first { self.cost(chosen, [from, to]) } else { f64::INFINITY };
                if cost < best.0 {
                    best = (cost, first, second);
                }
            }
        }
        (chosen[from], chosen[to]) = (best.1, best.2);
    }

    /// The cost of all matrices at the borders of two groups, and of what is done to each of their ciphertexts.
    fn cost(&mut self, chosen: &[usize], pair: [usize; 2]) -> f64 {
        let graph = self.graph;
        let mut sum = 0.0;
        for (index, term, source, matrix) in terms(graph) {
            if pair.contains(&self.groups[index]) || pair.contains(&self.groups[source]) {
                sum += self.weights[index] * self.packing_cost(chosen, (index, term, source), matrix);
            }
        }
        for (index, value) in graph.values.iter().enumerate() {
            let group = self.groups[index];
            if pair.contains(&group)
                && matches!(value.operation, Operation::Product(..) | Operation::Polynomial(..))
            {
                let ciphertexts = self.candidates[group][chosen[group]].ciphertexts(self.conditions.slots);
                sum += self.weights[index] * (ciphertexts - 1) as f64;
            }
        }
        sum
    }

    fn packing_cost(
        &mut self,
        chosen: &[usize],
        (index, term, source): (usize, usize, usize),
        matrix: &SparseMatrix,
    ) -> f64 {
        let (from, to) = (self.groups[source], self.groups[index]);
        let key = (index, term, chosen[from], chosen[to]);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let cost = self.packing(chosen, (source, index), matrix).cost;
        self.known.insert(key, cost);
        cost
    }

    fn packing(&self, chosen: &[usize], (source, index): (usize, usize), matrix: &SparseMatrix) -> Packing {
        let [from, to] = [source, index].map(|value| {
            let group = self.groups[value];
            &self.candidates[group][chosen[group]]
        });
        Packing::new(matrix, from, to, self.conditions)
    }

    fn placement(self, chosen: &[usize]) -> Placement {
        let packings = terms(self.graph).map(|(index, term, source, matrix)| {
            ((index, term), self.packing(chosen, (source, index), matrix))
        });
        let packings = packings.collect();
        let arrangements = self.groups.iter().map(|&group| Rc::clone(&self.candidates[group][chosen[group]]));
        Placement { arrangements: arrangements.collect(), packings }
    }
}
