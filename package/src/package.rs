//! A package that has been checked: whatever the manifest claims has been computed again.

use std::collections::{BTreeMap, BTreeSet};

use ckks_core::{
    Diagonal, KeyRequirements, LayoutAxis, Level, LinearTransform, Params, ParamsSpec, Program, ProgramError,
    ProgramFacts, Register, ResultCiphertexts, SlotLayout,
};

use crate::{
    error::PackageError,
    manifest::{
        EvaluationKeyRequirements, FORMAT, GaloisRequirement, Layout, Manifest, Parameters,
        RelinearizationRequirement,
    },
    weights::Weights,
};

/// A checked model.
#[derive(Clone, Debug)]
pub struct Package {
    /// The manifest as it was read.
    pub manifest: Manifest,
    /// Its parameters.
    pub params: Params,
    /// Its program.
    pub program: Program,
    /// What the program takes.
    pub facts: ProgramFacts,
}

/// What is accepted after decryption.
const POSTPROCESSING: [&str; 8] = [
    "none",
    "sigmoid",
    "softmax",
    "argmax",
    "normalize_l1",
    "normalize_l2",
    "normalize_max",
    "sigmoid_normalize_l1",
];

impl Package {
    /// Reads and checks a package.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    pub fn from_bytes(manifest: &[u8], weights: &[u8]) -> Result<Self, PackageError> {
        let manifest: Manifest = serde_json::from_slice(manifest)
            .map_err(|error| PackageError::new("", "must be JSON of the published schema").found(error))?;
        if manifest.format != FORMAT {
            let error = PackageError::new("/format", "must be a format that this version reads");
            return Err(error.expected(FORMAT).found(&manifest.format));
        }
        let params = manifest.parameters.check()?;
        let weights = Weights::check(&manifest.weights, weights)?;
        let program = program(&manifest, &weights)?;
        let facts = program.check(&params).map_err(|error| match error {
            ProgramError::Batch { .. } => {
                PackageError::new("/constraints/max_batch_size", "must divide the slots").found(error)
            }
            _ => PackageError::new("/program", "must run").found(error),
        })?;
        check_shapes(&manifest, &params, &facts)?;
        check_keys(&manifest, &facts)?;
        Ok(Self { manifest, params, program, facts })
    }
}

impl Parameters {
    /// Describes a parameter set.
    #[must_use]
    pub fn of(params: &Params) -> Self {
        let spec = params.spec();
        Self {
            log_degree: spec.log_degree,
            levels: spec.levels.clone(),
            special_primes: spec.special_primes.clone(),
            digit_primes: spec.digit_primes,
            scale: spec.scale,
            params_id: params.id().to_string(),
        }
    }

    fn check(&self) -> Result<Params, PackageError> {
        let spec = ParamsSpec {
            log_degree: self.log_degree,
            levels: self.levels.clone(),
            special_primes: self.special_primes.clone(),
            digit_primes: self.digit_primes,
            scale: self.scale,
        };
        let params = Params::new(&spec)
            .map_err(|error| PackageError::new("/parameters", "must be secure parameters").found(error))?;
        let expected = params.id().to_string();
        if self.params_id != expected {
            let error = PackageError::new("/parameters/params_id", "must be the hash of the parameters");
            return Err(error.expected(expected).found(&self.params_id));
        }
        Ok(params)
    }
}

impl Layout {
    /// The layout of the core.
    #[must_use]
    pub fn to_layout(&self) -> SlotLayout {
        let axes = self.axes.iter().map(|axis| LayoutAxis { extent: axis.extent, stride: axis.stride });
        SlotLayout { axes: axes.collect() }
    }
}

impl EvaluationKeyRequirements {
    /// Lists the keys that a program uses.
    #[must_use]
    pub fn of(keys: &KeyRequirements) -> Self {
        let galois = keys.galois.iter();
        Self {
            relinearization: keys.relinearization.map(|level| RelinearizationRequirement { level: level.0 }),
            galois: galois
                .map(|(element, level)| GaloisRequirement { element: element.value(), level: level.0 })
                .collect(),
        }
    }
}

fn program(manifest: &Manifest, weights: &Weights<'_>) -> Result<Program, PackageError> {
    let mut transforms = Vec::with_capacity(manifest.transforms.len());
    for (i, entry) in manifest.transforms.iter().enumerate() {
        let mut diagonals = BTreeMap::new();
        for (j, diagonal) in entry.diagonals.iter().enumerate() {
            let field = format!("/transforms/{i}/diagonals/{j}");
            let factors = weights.slice(&field, diagonal.offset, diagonal.length)?;
            let at = Diagonal { output: diagonal.output, input: diagonal.input, rotation: diagonal.rotation };
            if diagonals.insert(at, factors).is_some() {
                let error = PackageError::new(field + "/rotation", "must not stand twice");
                return Err(error.found(diagonal.rotation));
            }
        }
        transforms.push(LinearTransform {
            diagonals,
            baby_steps: entry.baby_steps,
            paired_by: entry.paired_by,
            folds: entry.folds.clone(),
        });
    }
    let constants = manifest.constants.iter().enumerate();
    let constants = constants
        .map(|(i, entry)| weights.slice(&format!("/constants/{i}"), entry.offset, entry.length))
        .collect::<Result<_, _>>()?;
    Ok(Program {
        batch: manifest.constraints.max_batch_size,
        inputs: manifest.input.ciphertexts,
        input_level: Level(manifest.input.level),
        instructions: manifest.program.iter().map(|entry| entry.to_instruction()).collect(),
        transforms,
        constants,
        polynomials: manifest.polynomials.iter().map(|entry| entry.to_polynomial()).collect(),
        outputs: manifest.outputs.iter().map(|&register| Register(register)).collect(),
    })
}

fn check_shapes(manifest: &Manifest, params: &Params, facts: &ProgramFacts) -> Result<(), PackageError> {
    let (input, output) = (&manifest.input, &manifest.output);
    let elements = input.shape.iter().try_fold(1u32, |product, &extent| product.checked_mul(extent));
    if elements != Some(input.dimension) {
        let error = PackageError::new("/input/dimension", "must be the number of elements of the shape");
        return Err(error.expected(format!("the product of {:?}", input.shape)).found(input.dimension));
    }
    if let Some(scaling) = &input.scaling {
        if ![1, input.dimension as usize].contains(&scaling.len()) {
            let error = PackageError::new(
                "/input/scaling",
                "must have one factor for all elements or one for each, or be absent",
            );
            return Err(error.expected(format!("1 or {}", input.dimension)).found(scaling.len()));
        }
        if let Some((i, found)) = scaling.iter().enumerate().find(|(_, factor)| !factor.is_normal()) {
            let field = format!("/input/scaling/{i}");
            return Err(PackageError::new(field, "must be a finite number other than 0").found(found));
        }
    }
    if !input.feature_names.is_empty() {
        if input.feature_names.len() != input.dimension as usize {
            let error = PackageError::new("/input/feature_names", "must name every element or none");
            return Err(error.expected(input.dimension).found(input.feature_names.len()));
        }
        let mut seen = BTreeSet::new();
        if let Some((i, name)) = input.feature_names.iter().enumerate().find(|(_, name)| !seen.insert(*name))
        {
            let field = format!("/input/feature_names/{i}");
            return Err(PackageError::new(field, "must not stand twice").found(name));
        }
    }
    if !input.feature_ranges.is_empty() {
        if input.feature_ranges.len() != input.dimension as usize {
            let error = PackageError::new("/input/feature_ranges", "must be those of every element or none");
            return Err(error.expected(input.dimension).found(input.feature_ranges.len()));
        }
        let mut ranges = input.feature_ranges.iter().enumerate();
        if let Some((i, range)) = ranges.find(|(_, [low, high])| low > high) {
            let field = format!("/input/feature_ranges/{i}");
            return Err(
                PackageError::new(field, "must rise from the smallest value").found(format!("{range:?}"))
            );
        }
    }
    // The program was checked: the batch divides the slots.
    let slots = params.slots() / manifest.constraints.max_batch_size as usize;
    check_layout("/input/layout", &input.layout, slots, input.ciphertexts, input.dimension)?;
    check_layout("/output/layout", &output.layout, slots, output.ciphertexts, output.dimension)?;
    if output.ciphertexts as usize != manifest.outputs.len() {
        let error = PackageError::new("/output/ciphertexts", "must be the number of output registers");
        return Err(error.expected(manifest.outputs.len()).found(output.ciphertexts));
    }
    for level in &facts.output_levels {
        if level.0 != output.level {
            let error = PackageError::new("/output/level", "must be the level of every output register");
            return Err(error.expected(level).found(output.level));
        }
    }
    let max = ResultCiphertexts::max_dropped_bits(params, Level(output.level));
    if output.dropped_bits > max {
        let error = PackageError::new("/output/dropped_bits", "must leave bits to read");
        return Err(error.expected(format!("at most {max}")).found(output.dropped_bits));
    }
    if !(output.gain.is_normal()) {
        return Err(
            PackageError::new("/output/gain", "must be a finite number other than 0").found(output.gain)
        );
    }
    if !output.labels.is_empty() && output.labels.len() != output.dimension as usize {
        let error = PackageError::new("/output/labels", "must name every element or none");
        return Err(error.expected(output.dimension).found(output.labels.len()));
    }
    if !POSTPROCESSING.contains(&output.postprocessing.as_str()) {
        let error = PackageError::new("/output/postprocessing", "must be known to clients");
        return Err(error.expected(POSTPROCESSING.join(", ")).found(&output.postprocessing));
    }
    Ok(())
}

fn check_layout(
    field: &str,
    layout: &Layout,
    slots: usize,
    ciphertexts: u32,
    dimension: u32,
) -> Result<(), PackageError> {
    let slots = slots.saturating_mul(ciphertexts as usize);
    let fits = layout.to_layout().validate(slots, dimension as usize);
    fits.map_err(|error| PackageError::new(field, "must place every element").found(error))
}

fn check_keys(manifest: &Manifest, facts: &ProgramFacts) -> Result<(), PackageError> {
    let expected = EvaluationKeyRequirements::of(&facts.keys);
    if manifest.evaluation_keys == expected {
        return Ok(());
    }
    let error = PackageError::new("/evaluation_keys", "must list exactly the keys that the program uses");
    Err(error.expected(format!("{expected:?}")).found(format!("{:?}", manifest.evaluation_keys)))
}
