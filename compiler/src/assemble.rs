//! From a graph to a package: parameters, scaling of the output, cut of the result, manifest.

use std::rc::Rc;

use ckks_core::{Params, ProgramFacts, ResultCiphertexts, SlotLayout};
use model_package::{Description, Input, Layout, LayoutAxisEntry, Output, Package, scaled, write};

use crate::{
    approximate::Approximation,
    calibrate::Range,
    candidate::{self, Candidate},
    choose::{self, LOG_DEGREES},
    compile::{Identity, Objective, Options},
    error::CompileError,
    fuse::fuse,
    graph::{Affine, Graph, Operation, Value},
    layers::layers,
    lower::{self, Lowered, lower},
    noise,
    pack::{Conditions, Prices},
    report::{Precision, Report},
    runtime::Agreement,
    sparse::SparseMatrix,
    verify::Encrypted,
};

/// By how much outputs may exceed what the calibration samples gave.
const OUTPUT_MARGIN: f64 = 4.0;
/// Numbers that the precision is measured on: outputs of calibration samples.
const MEASURED: usize = 80;
/// Samples whose values the precision is predicted at.
const PREDICTED: usize = 3;
/// How many standard deviations an error stays within.
const DEVIATIONS: f64 = 4.0;

/// A model after its passes, with everything that goes into the package and the report.
pub(crate) struct Assembly<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) options: &'a Options,
    /// Without functions.
    pub(crate) graph: Graph,
    /// What the client multiplies the elements of the input with.
    pub(crate) scaling: Option<Vec<f64>>,
    /// How many operations the imported graph had.
    pub(crate) operations: usize,
    /// What the plaintext runtime says of it.
    pub(crate) runtime: Agreement,
    pub(crate) approximations: Vec<Approximation>,
    /// Of the input.
    pub(crate) input: Range,
    /// Of each element of the input, where they have names.
    pub(crate) features: Vec<Range>,
    /// Of the largest output.
    pub(crate) magnitude: f64,
}

/// Parameters and the program for them.
pub(crate) struct Choice {
    /// Of what is made as small as possible.
    pub(crate) cost: f64,
    scale_bits: u8,
    params: Params,
    /// The graph with its output scaled, and lowered.
    pub(crate) program: Rc<(Graph, Lowered)>,
    gain: f64,
    candidates: Vec<Candidate>,
}

/// A written package.
pub(crate) struct Assembled {
    pub(crate) manifest: Vec<u8>,
    pub(crate) weights: Vec<u8>,
    pub(crate) report: Report,
}

impl Assembly<'_> {
    /// Lowers the graph for every ring degree, counts what it costs with every digit grouping, and takes the best. Prices
    /// decide how layers are packed; they do not depend on the grouping, which is chosen for the program and not the
    /// other way round.
    ///
    /// # Errors
    /// [`CompileError::TooDeep`], [`CompileError::TooWide`] when none carries it.
    pub(crate) fn choose(&self, scale_bits: u8, prices: Prices) -> Result<Choice, CompileError> {
        let levels = lower::depth(&self.graph);
        let mut refusal = CompileError::TooDeep { levels: levels as usize };
        let (mut candidates, mut fitting) = (vec![], vec![]);
        for log_degree in
            LOG_DEGREES.filter(|log| self.options.log_degree.is_none_or(|wanted| wanted == *log))
        {
            // By gain: groupings with the same have the same program.
            let mut programs: Vec<(f64, Rc<(Graph, Lowered)>)> = vec![];
            for (params, graph, gain) in self.groupings(log_degree, levels, scale_bits) {
                let program = match programs.iter().find(|(of, _)| *of == gain) {
                    Some((_, program)) => Rc::clone(program),
                    None => match self.lowered(&graph, params.slots(), prices) {
                        Ok(lowered) => Rc::new((graph, lowered)),
                        Err(error) => {
                            refusal = error;
                            break;
                        }
                    },
                };
                let (_, lowered) = &*program;
                let facts = lowered.program.check(&params).map_err(CompileError::program)?;
                candidates.push(Candidate::new(&params, &facts, lowered.program.batch));
                programs.push((gain, Rc::clone(&program)));
                fitting.push((params, program, gain));
            }
        }
        let objective = self.options.objective;
        let best = candidate::best(&candidates, objective).ok_or(refusal)?;
        let (params, program, gain) = fitting.swap_remove(best);
        let cost = candidates[best].cost_for(objective);
        let candidates = candidate::worth_telling(&candidates, best);
        Ok(Choice { cost, scale_bits, params, program, gain, candidates })
    }

    /// The parameters of a ring degree that carry the graph, with its output scaled for them, and by how much.
    fn groupings(&self, log_degree: u8, levels: u32, scale_bits: u8) -> Vec<(Params, Graph, f64)> {
        let scaled = |levels| {
            choose::groupings(log_degree, levels, scale_bits).into_iter().map(|params| {
                let (graph, gain) = self.scaled(&params);
                (params, graph, gain)
            })
        };
        let fits = |levels: u32| move |(_, graph, _): &(Params, Graph, f64)| lower::depth(graph) <= levels;
        // Where scaling the output takes a level of its own, there has to be one.
        let found: Vec<_> = scaled(levels).filter(fits(levels)).collect();
        if found.is_empty() { scaled(levels + 1).filter(fits(levels + 1)).collect() } else { found }
    }

    /// Lowers for the batch asked for, and finds out how large a batch can be: where every pattern repeats
    /// within the slots of a sample, these can be so few that it does not, at no cost.
    fn lowered(&self, graph: &Graph, slots: usize, prices: Prices) -> Result<Lowered, CompileError> {
        let longest = graph.values.iter().map(|value| value.dimension().next_power_of_two()).max();
        let batch = match self.options.objective {
            Objective::Throughput => (slots / longest.unwrap_or(1)).max(1),
            Objective::Latency | Objective::Keys => 1,
        };
        let batch = batch.max(self.options.batch.next_power_of_two());
        if batch > slots {
            return Err(CompileError::Batch { most: slots, found: self.options.batch });
        }
        let mut lowered = lower(graph, Conditions { slots: slots / batch, prices })?;
        let used = lowered.period.min(slots / batch);
        lowered.program.batch = (slots / used) as u32;
        Ok(lowered)
    }

    /// The graph with its output divided by the gain, a power of two that keeps it within the base modulus.
    fn scaled(&self, params: &Params) -> (Graph, f64) {
        let needed = (self.magnitude * OUTPUT_MARGIN / choose::largest_output(params)).log2().ceil().exp2();
        let mut graph = self.graph.clone();
        let output = graph.output();
        let read = graph.uses()[output] > 1;
        // Where it takes a level, scaling up is not worth it.
        let is_free = !read
            && match &graph.values[output].operation {
                Operation::Affine(affine) => !affine.is_free(),
                Operation::Polynomial(..) => true,
                _ => false,
            };
        let gain = if is_free { needed } else { needed.max(1.0) };
        if gain == 1.0 {
            return (graph, gain);
        }
        let last = &graph.values[output];
        let scaling = Affine::linear(output, SparseMatrix::scalar(last.dimension(), 1.0 / gain));
        graph.values.push(Value { operation: Operation::Affine(scaling), ..last.clone() });
        (fuse(graph), gain)
    }

    /// The bits of precision that the noise model expects, as they are measured.
    ///
    /// # Errors
    /// [`CompileError::Program`].
    pub(crate) fn predicted_bits(
        &self,
        choice: &Choice,
        calibration: &[Vec<f64>],
    ) -> Result<f64, CompileError> {
        let Choice { params, program, gain, .. } = choice;
        let (_, lowered) = &**program;
        let program = &lowered.program;
        let facts = program.check(params).map_err(CompileError::program)?;
        let dropped_bits = self.dropped_bits(params, &facts, *gain);
        let slots = params.slots() / program.batch as usize;
        let dimension = self.graph.values[self.graph.output()].dimension();
        let mut found = vec![];
        for sample in calibration.iter().take(PREDICTED) {
            let sample = scaled(sample, self.scaling.as_deref());
            let packed = lowered.input.pack(&sample, slots * program.inputs as usize);
            let inputs: Vec<Vec<f64>> = packed.chunks(slots).map(<[f64]>::to_vec).collect();
            let variances = noise::variances(program, params, &inputs, dropped_bits)?.concat();
            found.extend(lowered.output.unpack(&variances, dimension));
        }
        let variance = found.iter().sum::<f64>() / found.len() as f64;
        Ok(self.bits(variance.sqrt() * gain))
    }

    /// Errors of this standard deviation as bits of precision.
    fn bits(&self, deviation: f64) -> f64 {
        (self.magnitude / (DEVIATIONS * deviation).max(f64::MIN_POSITIVE)).log2()
    }

    /// Writes the package and measures how precise it is.
    pub(crate) fn write(&self, choice: Choice, calibration: &[Vec<f64>]) -> Result<Assembled, CompileError> {
        let predicted_bits = self.predicted_bits(&choice, calibration)?;
        let Choice { scale_bits, params, program, gain, candidates, .. } = choice;
        let (graph, lowered) = &*program;
        let facts = lowered.program.check(&params).map_err(CompileError::program)?;
        let dropped_bits = self.dropped_bits(&params, &facts, gain);
        let description = self.description(lowered, &facts, gain, dropped_bits);
        let (manifest, weights) =
            write(description, &params, &lowered.program).map_err(CompileError::program)?;
        let package = Package::from_bytes(&manifest, &weights).map_err(CompileError::program)?;

        let outputs = self.graph.values[self.graph.output()].dimension();
        let samples = &calibration[..calibration.len().min(MEASURED.div_ceil(outputs))];
        let mut encrypted = Encrypted::new(&manifest, &weights)?;
        let mut squares = vec![];
        for sample in samples {
            let found = encrypted.predict(&[sample])?.remove(0);
            let expected = encrypted.predict_clear(sample)?;
            squares.extend(found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)));
        }
        let deviation = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
        let precision = Precision {
            asked_bits: self.options.precision,
            predicted_bits,
            measured_bits: self.bits(deviation),
            scale_bits,
        };
        let mut report = Report::new(self, &package, candidates, precision);
        report.layers = layers(graph, lowered, &params, encrypted.times())?;
        report.memory = encrypted.memory();
        Ok(Assembled { manifest, weights, report })
    }

    /// How many low-order bits of the result say nothing at the precision asked for.
    ///
    /// Cutting off t bits adds an error of about `2^t·N/√18` to a slot: `2^t·√(N/18)` to each of N coefficients.
    fn dropped_bits(&self, params: &Params, facts: &ProgramFacts, gain: f64) -> u8 {
        let Some(&level) = facts.output_levels.first() else { return 0 };
        let allowed =
            self.magnitude / gain * params.scale_at(level).value() / f64::from(self.options.precision).exp2();
        let cut = DEVIATIONS * params.degree() as f64 / 18f64.sqrt();
        // The other half is for the noise of the evaluation.
        let bits = (allowed / 2.0 / cut).log2().floor().max(0.0);
        (bits as u8).min(ResultCiphertexts::max_dropped_bits(params, level))
    }

    fn description(
        &self,
        lowered: &Lowered,
        facts: &ProgramFacts,
        gain: f64,
        dropped_bits: u8,
    ) -> Description {
        let (first, last) = (&self.graph.values[0], &self.graph.values[self.graph.output()]);
        let Identity { model_id, version, description, feature_names, labels } = self.identity.clone();
        Description {
            model_id,
            version,
            description,
            input: Input {
                shape: first.shape.iter().map(|&extent| extent as u32).collect(),
                dimension: first.dimension() as u32,
                ciphertexts: lowered.program.inputs,
                layout: entry(&lowered.input),
                level: lowered.program.input_level.0,
                range: Some([self.input.low, self.input.high]),
                scaling: self.scaling.clone(),
                name: first.name.clone(),
                feature_names,
                feature_ranges: self
                    .features
                    .iter()
                    .map(|range| [short(range.low), short(range.high)])
                    .collect(),
            },
            output: Output {
                dimension: last.dimension() as u32,
                ciphertexts: lowered.program.outputs.len() as u32,
                layout: entry(&lowered.output),
                level: facts.output_levels.first().map_or(0, |level| level.0),
                dropped_bits,
                gain,
                range: Some([-self.magnitude * OUTPUT_MARGIN, self.magnitude * OUTPUT_MARGIN]),
                labels,
                postprocessing: self.graph.postprocessing.name().to_owned(),
            },
        }
    }
}

/// The shortest decimal that is the same in single precision, which samples are in.
fn short(number: f64) -> f64 {
    (number as f32).to_string().parse().unwrap_or(number)
}

fn entry(layout: &SlotLayout) -> Layout {
    let axes = layout.axes.iter().map(|axis| LayoutAxisEntry { extent: axis.extent, stride: axis.stride });
    Layout { axes: axes.collect() }
}
