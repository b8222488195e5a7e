//! Random small networks of supported operators, against the plaintext runtime: imported, as a program
//! on plain numbers, and under real encryption.

use crate::{
    compile::{Compiled, Identity, Options, PREDICTION_TOLERANCE, compile},
    onnx::{
        Node, Tensor,
        fixtures::{integer, integers, list, model_of, node, number, tensor, with},
    },
    report::Precision,
    runtime::Runtime,
    verify::Encrypted,
};

/// Numbers that look random and are the same everywhere.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014), figure 16.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// Within ±`most`.
    fn number(&mut self, most: f64) -> f64 {
        ((self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * most
    }
}

/// A network as it grows: the shape of its last value, and what non-linear steps it still may have.
struct Network {
    dice: Dice,
    nodes: Vec<Node>,
    tensors: Vec<Tensor>,
    shape: Vec<usize>,
    last: String,
    curves: usize,
}

impl Network {
    fn random(seed: u64) -> (Vec<u8>, usize) {
        let mut dice = Dice(seed);
        let (channels, long) = (1 + dice.below(3), 4 + dice.below(4));
        let shape = match dice.below(3) {
            0 => vec![1, channels, long, 4 + dice.below(3)],
            1 => vec![1, channels, 2 * long],
            _ => vec![1, 3 * channels + long],
        };
        let input: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        let dimension = shape.iter().product();
        let mut network = Self { dice, nodes: vec![], tensors: vec![], shape, last: "x".into(), curves: 2 };
        for _ in 0..2 + network.dice.below(4) {
            network.step();
        }
        network.dense();
        (model_of(&input, network.nodes, network.tensors), dimension)
    }

    fn step(&mut self) {
        let (image, signal) = (self.shape.len() > 2, self.shape.len() == 3);
        match self.dice.below(10) {
            0 | 1 if image => self.convolution(),
            2 if image => self.pool(),
            3 => self.scale(),
            4 if signal => {
                let shape = vec![1, self.shape[2], self.shape[1]];
                self.push(
                    |last, next| with(node("Transpose", &[last], next), [list("perm", &[0, 2, 1])]),
                    shape,
                );
            }
            5 => self.slice(),
            6 | 7 if self.curves > 0 => self.activation(),
            8 if self.curves > 0 => self.residual(),
            9 if self.curves > 0 => {
                self.curves -= 1;
                let shape = self.shape.clone();
                self.push(|last, next| node("Mul", &[last, last], next), shape);
            }
            _ => self.double(),
        }
    }

    fn push(&mut self, make: impl FnOnce(&str, &str) -> Node, shape: Vec<usize>) {
        let next = format!("v{}", self.nodes.len());
        self.nodes.push(make(&self.last, &next));
        (self.last, self.shape) = (next, shape);
    }

    /// A constant with numbers such that a sum of `terms` of them is about 1.
    fn constant(&mut self, shape: &[usize], terms: usize) -> String {
        let (name, most) = (format!("c{}", self.tensors.len()), 1.7 / (terms as f64).sqrt());
        let count = shape.iter().product();
        let numbers: Vec<f32> = (0..count).map(|_| self.dice.number(most) as f32).collect();
        let dims: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        self.tensors.push(tensor(&name, &dims, &numbers));
        name
    }

    fn convolution(&mut self) {
        let (inputs, axes) = (self.shape[1], self.shape.len() - 2);
        let smallest = self.shape[2..].iter().copied().min().unwrap_or(1);
        let kernel = 1 + self.dice.below(smallest.min(3));
        let (stride, pad) = (1 + self.dice.below(2), self.dice.below(kernel));
        let groups = if self.dice.below(3) == 0 { inputs } else { 1 };
        let maps = groups * (1 + self.dice.below(2));
        let size = kernel.pow(axes as u32);
        let weights = [&[maps, inputs / groups][..], &vec![kernel; axes]].concat();
        let weights = self.constant(&weights, inputs / groups * size);
        let bias = self.constant(&[maps], 4);
        let mut shape = vec![1, maps];
        shape.extend(self.shape[2..].iter().map(|&extent| (extent + 2 * pad - kernel) / stride + 1));
        let attributes = [
            list("strides", &vec![stride as i64; axes]),
            list("pads", &vec![pad as i64; 2 * axes]),
            integer("group", groups as i64),
        ];
        self.push(|last, next| with(node("Conv", &[last, &weights, &bias], next), attributes), shape);
    }

    fn pool(&mut self) {
        let axes = self.shape.len() - 2;
        let kernel = list("kernel_shape", &vec![2; axes]);
        let mut shape = self.shape[..2].to_vec();
        shape.extend(self.shape[2..].iter().map(|extent| extent - 1));
        if shape.contains(&0) {
            return self.double();
        }
        self.push(|last, next| with(node("AveragePool", &[last], next), [kernel]), shape);
    }

    /// A normalisation by channels, as constants.
    fn scale(&mut self) {
        let mut each = vec![1; self.shape.len()];
        each[1] = self.shape[1];
        let (factor, shift) = (self.constant(&each, 2), self.constant(&each, 4));
        let shape = self.shape.clone();
        self.push(|last, next| node("Mul", &[last, &factor], next), shape.clone());
        self.push(|last, next| node("Sub", &[&shift, last], next), shape);
    }

    fn slice(&mut self) {
        let axis = self.shape.len() - 1;
        let extent = self.shape[axis];
        if extent < 3 {
            return self.double();
        }
        let name = self.tensors.len();
        let names = ["from", "to", "axis"].map(|what| format!("{what}{name}"));
        for (name, number) in names.iter().zip([1, extent as i64, axis as i64]) {
            self.tensors.push(integers(name, &[number]));
        }
        let mut shape = self.shape.clone();
        shape[axis] -= 1;
        let [from, to, axis] = names;
        self.push(|last, next| node("Slice", &[last, &from, &to, &axis], next), shape);
    }

    fn activation(&mut self) {
        self.curves -= 1;
        let shape = self.shape.clone();
        let operator = ["Tanh", "Sigmoid", "Softplus", "Erf", "Elu"][self.dice.below(5)];
        self.push(|last, next| node(operator, &[last], next), shape);
    }

    /// `x + f(x)`.
    fn residual(&mut self) {
        let (before, shape) = (self.last.clone(), self.shape.clone());
        self.activation();
        self.push(|last, next| node("Add", &[last, &before], next), shape);
    }

    fn double(&mut self) {
        let (axis, shape) = (self.shape.len() - 1, self.shape.clone());
        let halves: Vec<f32> = (0..shape[axis]).map(|i| 0.5 + i as f32 / 8.0).collect();
        let name = format!("c{}", self.tensors.len());
        self.tensors.push(tensor(&name, &[halves.len() as i64], &halves));
        self.push(|last, next| node("Div", &[last, &name], next), shape);
    }

    fn dense(&mut self) {
        let (inputs, outputs) = (self.shape.iter().product(), 2 + self.dice.below(4));
        let (weights, bias) = (self.constant(&[outputs, inputs], inputs), self.constant(&[outputs], 4));
        self.push(|last, next| node("Flatten", &[last], next), vec![1, inputs]);
        let attributes = [integer("transB", 1), number("alpha", 0.5)];
        let gemm = with(node("Gemm", &[&self.last, &weights, &bias], "y"), attributes);
        self.nodes.push(gemm);
    }
}

const PRECISION: u8 = 8;

/// Compiles a random network, and compares it with the runtime: as a program on plain numbers, and encrypted.
fn assert_agrees(seed: u64) {
    let (bytes, dimension) = Network::random(seed);
    let mut dice = Dice(!seed);
    let inputs: Vec<Vec<f64>> = (0..40).map(|_| (0..dimension).map(|_| dice.number(1.0)).collect()).collect();
    let options = Options { precision: PRECISION, max_degree: 31, ..Options::default() };
    let compiled = compile(&bytes, &Identity::default(), &inputs, &options);
    let Compiled { manifest, weights, graph, report } =
        compiled.unwrap_or_else(|error| panic!("network {seed}: {error}"));
    let runtime = Runtime::new(&bytes, &graph).expect("the runtime runs it");
    let mut encrypted = Encrypted::new(&manifest, &weights).expect("a package");
    let expected: Vec<Vec<f64>> = inputs.iter().map(|x| runtime.run(x).expect("runs")).collect();
    let magnitude = expected.iter().flatten().fold(0.0f64, |most, y| most.max(y.abs()));
    // Polynomials are as exact as was asked for, or less with a corner, and add up.
    let fits: f64 = report.approximations.iter().map(|made| 4.0 * made.error).sum();
    let clear_bound = fits + 1e-4 * magnitude;
    let Precision { predicted_bits, measured_bits, .. } = report.precision;
    let off = (predicted_bits - measured_bits).abs();
    assert!(
        off <= PREDICTION_TOLERANCE,
        "network {seed}: {predicted_bits} predicted, {measured_bits} measured"
    );
    let encrypted_bound = clear_bound + magnitude * (PREDICTION_TOLERANCE - predicted_bits).exp2();
    for (x, expected) in inputs.iter().zip(&expected).take(2) {
        let clear = encrypted.predict_clear(x).expect("runs");
        let found = encrypted.predict(&[x]).expect("runs").remove(0);
        for ((clear, found), expected) in clear.iter().zip(&found).zip(expected) {
            let errors = [(clear - expected).abs(), (found - expected).abs()];
            assert!(
                errors[0] <= clear_bound && errors[1] <= encrypted_bound,
                "network {seed}: {errors:?}, at most {clear_bound} and {encrypted_bound}; {report}"
            );
        }
    }
}

#[test]
fn random_networks_agree_with_the_plaintext_runtime() {
    (0..10).for_each(assert_agrees);
}

#[test]
fn random_networks_are_imported_as_the_runtime_reads_them() {
    for seed in 0..300 {
        let (bytes, dimension) = Network::random(seed);
        let graph = crate::import(&bytes).unwrap_or_else(|error| panic!("network {seed}: {error}"));
        let runtime = Runtime::new(&bytes, &graph).unwrap_or_else(|error| panic!("network {seed}: {error}"));
        let mut dice = Dice(!seed);
        let x: Vec<f64> = (0..dimension).map(|_| dice.number(1.0)).collect();
        let expected = runtime.run(&x).expect("runs");
        // What the passes make of it before anything is approximated is the same.
        let fused = crate::fuse::fuse(crate::compose::compose(graph.clone()));
        for found in [crate::evaluate(&graph, &x), crate::evaluate(&fused, &x)] {
            assert_eq!(found.len(), expected.len());
            // The runtime's numbers have seven digits, of the largest summand.
            let bound = 1e-4 * expected.iter().fold(1.0f64, |most, y| most.max(y.abs()));
            let near = found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < bound);
            assert!(near, "network {seed}: {found:?}, not {expected:?}");
        }
    }
}
