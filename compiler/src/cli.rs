//! The command line: finds the files, shows progress, prints the report.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use model_compiler::{
    Identity, Objective, Options, Preprocessing, Samples, compile, import, picture, read_labels,
    read_samples, verify,
};
use serde::Deserialize;

/// Compiles ONNX models so that a server can evaluate them on encrypted inputs.
#[derive(Debug, Parser)]
#[command(name = "model-compiler", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compile an ONNX file to a package: manifest.json, weights.bin, report.json.
    ///
    /// Needs samples of the input to calibrate on. Labelled samples are run through real encryption and
    /// compared with the model in plain numbers.
    #[command(
        after_long_help = "Example:\n  model-compiler compile net.onnx --calibrate x.npz --labels y.npy --precision 12 --verify 100 -o models/net/package"
    )]
    Compile(Box<Compile>),
    /// Print what happens to each operator of ONNX, as Markdown.
    Operators,
}

#[derive(Debug, Args)]
struct Compile {
    /// The model; calibration.npz, samples.npz and metadata.json beside it are used if they are there.
    #[arg(value_name = "MODEL.onnx")]
    model: PathBuf,
    /// Directory for the package; made if it does not exist.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Samples of the input to learn ranges from: .npz with an array x, .npy or .csv.
    #[arg(long, value_name = "FILE", alias = "calibration")]
    calibrate: Option<PathBuf>,
    /// Samples to test the package with: as above, with classes in an array y.
    #[arg(long, value_name = "FILE")]
    samples: Option<PathBuf>,
    /// Classes of the samples, or of the calibration samples if there are no others: .npy.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// How many of the samples to run under real encryption; all if not set, 0 for none.
    #[arg(long, value_name = "N", alias = "test")]
    verify: Option<usize>,
    /// Name of the model; the file's or its folder's name if not set.
    #[arg(long, value_name = "NAME")]
    model_id: Option<String>,
    /// Semantic version of the model.
    #[arg(long, value_name = "VERSION", default_value = "1.0.0")]
    model_version: String,
    /// One sentence about the model.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Names of the outputs, separated by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    class_names: Option<Vec<String>>,
    /// What callers' numbers are multiplied with before the model, such as 0.00392156862745098 for bytes: one factor for
    /// all elements, one for each channel, or one for each element. It becomes part of the model; give samples as callers
    /// have them.
    #[arg(long, value_name = "FACTORS", value_delimiter = ',', allow_hyphen_values = true)]
    input_scale: Option<Vec<f64>>,
    /// What is added to callers' numbers, after the factors, before the model.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_hyphen_values = true)]
    input_offset: Option<Vec<f64>>,
    /// Bits of precision of the result, as a part of the largest output.
    /// 10 if not set.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(1..=40))]
    precision: Option<u8>,
    /// log2 of the ring degree; the cheapest that is secure if not set.
    #[arg(long, value_name = "LOG", value_parser = clap::value_parser!(u8).range(12..=15))]
    log_degree: Option<u8>,
    /// log2 of the scale; that of the cheapest program that reaches the precision if not set.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(24..=56))]
    scale_bits: Option<u8>,
    /// Largest degree of a polynomial in place of an activation; 15 if not set.
    #[arg(long, value_name = "DEGREE", value_parser = clap::value_parser!(u8).range(2..=63))]
    max_degree: Option<u8>,
    /// What is made as small as possible: the time of a request, the bytes of the keys, or the time of a sample
    /// where many are sent together.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Optimize::Latency)]
    optimize: Optimize,
    /// Samples that one request has to hold at least; 1 if not set.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch: Option<u16>,
    /// Draw the compiled layers with their levels and costs, as graph.svg beside the package.
    #[arg(long)]
    picture: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Optimize {
    Latency,
    Keys,
    Throughput,
}

impl From<Optimize> for Objective {
    fn from(optimize: Optimize) -> Self {
        match optimize {
            Optimize::Latency => Self::Latency,
            Optimize::Keys => Self::Keys,
            Optimize::Throughput => Self::Throughput,
        }
    }
}

/// `metadata.json` beside a model.
#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    description: String,
    #[serde(default)]
    feature_names: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    compile: Decisions,
}

/// What `metadata.json` decides where the command line does not.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Decisions {
    precision: Option<u8>,
    max_degree: Option<u8>,
    batch: Option<u16>,
    input_scale: Vec<f64>,
    input_offset: Vec<f64>,
}

/// Runs the command line of this process.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::parse().command {
        Command::Compile(arguments) => arguments,
        Command::Operators => {
            print!("{}", model_compiler::operator_table());
            return ExitCode::SUCCESS;
        }
    };
    match compile_files(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("model-compiler: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compile_files(arguments: &Compile) -> Result<(), Box<dyn Error>> {
    let model = fs::read(&arguments.model).map_err(|error| about(&arguments.model, error))?;
    let beside = |given: &Option<PathBuf>, name: &str| {
        let file = arguments.model.with_file_name(name);
        given.clone().or_else(|| file.exists().then_some(file))
    };
    let metadata = metadata(arguments)?;
    let preprocessing = Preprocessing {
        scale: arguments.input_scale.clone().unwrap_or(metadata.compile.input_scale.clone()),
        offset: arguments.input_offset.clone().unwrap_or(metadata.compile.input_offset.clone()),
    };
    let model = preprocessing.before(&model)?;
    let dimension = import(&model)?.values[0].dimension();
    let calibration = beside(&arguments.calibrate, "calibration.npz")
        .ok_or("there are no samples to calibrate on; give some with --calibrate, or calibration.npz beside the model")?;
    let calibration = read_samples(&calibration, dimension)?;
    let mut samples = match (beside(&arguments.samples, "samples.npz"), &arguments.labels) {
        (Some(file), _) => read_samples(&file, dimension)?,
        (None, Some(_)) => calibration.clone(),
        (None, None) => Samples::default(),
    };
    if let Some(file) = &arguments.labels {
        samples.classes = read_labels(file, samples.inputs.len())?;
    }
    if let Some(most) = arguments.verify {
        samples.inputs.truncate(most);
        samples.classes.truncate(most);
    }
    let (otherwise, decided) = (Options::default(), &metadata.compile);
    let options = Options {
        precision: arguments.precision.or(decided.precision).unwrap_or(otherwise.precision),
        log_degree: arguments.log_degree,
        scale_bits: arguments.scale_bits,
        max_degree: arguments.max_degree.or(decided.max_degree).map_or(otherwise.max_degree, Into::into),
        objective: arguments.optimize.into(),
        batch: arguments.batch.or(decided.batch).map_or(otherwise.batch, Into::into),
    };

    let mut compiled = compile(&model, &identity(arguments, metadata), &calibration.inputs, &options)?;
    if !samples.inputs.is_empty() {
        let bar = progress(samples.inputs.len());
        let accuracy =
            verify(&compiled.graph, &compiled.manifest, &compiled.weights, &samples, &|| bar.inc(1))?;
        bar.finish_and_clear();
        compiled.report.accuracy = Some(accuracy);
    }

    fs::create_dir_all(&arguments.output).map_err(|error| about(&arguments.output, error))?;
    let mut report = serde_json::to_vec_pretty(&compiled.report)?;
    report.push(b'\n');
    for (name, bytes) in
        [("weights.bin", &compiled.weights), ("manifest.json", &compiled.manifest), ("report.json", &report)]
    {
        let file = arguments.output.join(name);
        fs::write(&file, bytes).map_err(|error| about(&file, error))?;
    }
    if arguments.picture {
        let file = arguments.output.with_file_name("graph.svg");
        fs::write(&file, picture(&compiled.report)).map_err(|error| about(&file, error))?;
    }
    println!("{}", compiled.report);
    println!("written to {}", arguments.output.display());
    Ok(())
}

fn metadata(arguments: &Compile) -> Result<Metadata, Box<dyn Error>> {
    let file = arguments.model.with_file_name("metadata.json");
    match fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| about(&file, error).into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Metadata::default()),
        Err(error) => Err(about(&file, error).into()),
    }
}

fn identity(arguments: &Compile, metadata: Metadata) -> Identity {
    let stem = |path: &Path| path.file_stem().map(|name| name.to_string_lossy().into_owned());
    let named = match stem(&arguments.model) {
        Some(name) if name == "model" => arguments.model.parent().and_then(stem).or(Some(name)),
        name => name,
    };
    Identity {
        model_id: arguments.model_id.clone().or(named).unwrap_or_default(),
        version: arguments.model_version.clone(),
        description: arguments.description.clone().unwrap_or(metadata.description),
        feature_names: metadata.feature_names,
        labels: arguments.class_names.clone().unwrap_or(metadata.labels),
    }
}

fn about(path: &Path, error: impl Error) -> String {
    format!("{}: {error}", path.display())
}

fn progress(samples: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len}, {eta} left");
    let bar = ProgressBar::new(samples as u64).with_message("encrypted samples");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
