//! Finds functions of single elements that are written as chains of operators, `x·sigmoid(x)` or
//! softplus, tanh and a product: each becomes one function of the value that the chain starts from, which
//! takes one polynomial instead of several and the levels of one.

use std::sync::Arc;

use crate::{
    function::{Expression, Function},
    graph::{Affine, Graph, Operation},
};

/// Which value an element depends on, and how.
type Form = (usize, Arc<Expression>);

/// Replaces functions of functions, and their products, by one function each. What is a polynomial stays.
pub(crate) fn compose(mut graph: Graph) -> Graph {
    let mut forms: Vec<Form> = Vec::with_capacity(graph.values.len());
    for index in 0..graph.values.len() {
        let own = (index, Arc::new(Expression::Argument));
        let found = form(&graph.values[index].operation, &forms).filter(|(_, of)| of.is_short());
        let Some((root, expression)) = found else {
            forms.push(own);
            continue;
        };
        let operation = &mut graph.values[index].operation;
        let is_chain = match operation {
            Operation::Map(x, _) => !forms[*x].1.is_affine(),
            Operation::Product(..) => true,
            _ => false,
        };
        if is_chain && !expression.is_polynomial() {
            *operation = Operation::Map(root, Function::Composed(Arc::clone(&expression)));
        }
        forms.push((root, expression));
    }
    graph.without_unused()
}

fn form(operation: &Operation, forms: &[Form]) -> Option<Form> {
    match operation {
        Operation::Affine(affine) => uniform(affine, forms),
        Operation::Map(x, function) => {
            let (root, of) = &forms[*x];
            Some((*root, Arc::new(Expression::Apply(function.clone(), Arc::clone(of)))))
        }
        Operation::Product(x, y) => {
            let ((root, a), (other, b)) = (&forms[*x], &forms[*y]);
            let product = || Arc::new(Expression::Product(Arc::clone(a), Arc::clone(b)));
            (root == other).then(|| (*root, product()))
        }
        Operation::Input | Operation::Polynomial(..) => None,
    }
}

/// An affine map that does the same to each element, of values that depend on the same one.
fn uniform(affine: &Affine, forms: &[Form]) -> Option<Form> {
    let offset = *affine.offset.first()?;
    if affine.offset.iter().any(|&other| other != offset) {
        return None;
    }
    let root = forms[affine.terms.first()?.0].0;
    let mut terms = Vec::with_capacity(affine.terms.len());
    for (source, matrix) in &affine.terms {
        let (other, of) = &forms[*source];
        if *other != root {
            return None;
        }
        terms.push((matrix.as_scalar()?, Arc::clone(of)));
    }
    Some((root, Arc::new(Expression::Sum(terms, offset))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph::Value, reference::evaluate, sparse::SparseMatrix};

    fn graph(operations: Vec<Operation>) -> Graph {
        let value = |operation| Value { name: String::new(), shape: vec![3], operation };
        Graph::new(operations.into_iter().map(value).collect())
    }

    fn scaled(source: usize, factor: f64, offset: f64) -> Operation {
        let mut affine = Affine::linear(source, SparseMatrix::scalar(3, factor));
        affine.offset.fill(offset);
        Operation::Affine(affine)
    }

    fn assert_composes(graph: &Graph, operations: usize) -> Graph {
        let composed = compose(graph.clone());
        assert_eq!(composed.values.len(), operations, "{composed:?}");
        let x = [0.3, -1.2, 2.0];
        for (a, b) in evaluate(&composed, &x).iter().zip(evaluate(graph, &x)) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
        composed
    }

    #[test]
    fn gelu_as_exporters_write_it_is_one_function() {
        let chain = vec![
            Operation::Input,
            scaled(0, std::f64::consts::FRAC_1_SQRT_2, 0.0),
            Operation::Map(1, Function::Erf),
            scaled(2, 1.0, 1.0),
            Operation::Product(0, 3),
        ];
        let composed = assert_composes(&graph(chain), 2);
        assert!(matches!(composed.values[1].operation, Operation::Map(0, Function::Composed(_))));
    }

    #[test]
    fn functions_of_functions_are_one() {
        let chain = vec![
            Operation::Input,
            Operation::Map(0, Function::Softplus),
            Operation::Map(1, Function::Tanh),
            Operation::Product(2, 0),
        ];
        assert_composes(&graph(chain), 2);
    }

    #[test]
    fn polynomials_and_products_of_different_values_stay() {
        let polynomial =
            vec![Operation::Input, Operation::Map(0, Function::Power(3)), Operation::Product(1, 0)];
        assert_eq!(compose(graph(polynomial.clone())), graph(polynomial));
        let gate = vec![
            Operation::Input,
            Operation::Affine(Affine::linear(0, SparseMatrix::diagonal(&[1.0, 2.0, 3.0]))),
            Operation::Map(1, Function::Sigmoid),
            Operation::Product(2, 0),
        ];
        assert_eq!(compose(graph(gate.clone())), graph(gate));
    }
}
