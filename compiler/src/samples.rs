//! Reading calibration and labelled samples: `.npz`, `.npy` and CSV.

use std::{fs::File, path::Path};

use ndarray::{Array, ArrayD, Axis};
use ndarray_npy::{NpzReader, ReadNpyExt};

use crate::error::CompileError;

/// Input vectors, and classes if the file has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// One vector per sample.
    pub inputs: Vec<Vec<f64>>,
    /// One class per sample, or none at all.
    pub classes: Vec<usize>,
}

/// Reads samples of `dimension` elements: arrays `x` and, where there are classes, `y` of an `.npz`;
/// an `.npy`; or a CSV file with one sample per row, a header being skipped.
///
/// # Errors
/// [`CompileError::Samples`].
pub fn read_samples(path: &Path, dimension: usize) -> Result<Samples, CompileError> {
    let file = path.display().to_string();
    let wrong = |reason: String| CompileError::Samples { file: file.clone(), reason };
    let open = || File::open(path).map_err(|error| wrong(error.to_string()));
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let (inputs, classes) = match extension {
        "npz" => {
            let mut archive = NpzReader::new(open()?).map_err(|error| wrong(error.to_string()))?;
            let names = archive.names().map_err(|error| wrong(error.to_string()))?;
            let has = |name: &str| names.iter().any(|n| n.trim_end_matches(".npy") == name);
            if !has("x") {
                return Err(wrong(format!("there is no array named x, only {}", names.join(", "))));
            }
            let x = from_archive(&mut archive, "x").map_err(wrong)?;
            let y = if has("y") { Some(from_archive(&mut archive, "y").map_err(wrong)?) } else { None };
            (rows(&x), y.map(|y| y.iter().map(|&class| class as usize).collect()).unwrap_or_default())
        }
        "npy" => (rows(&from_npy(open).map_err(wrong)?), vec![]),
        "csv" => (from_csv(open()?).map_err(wrong)?, vec![]),
        other => return Err(wrong(format!("expected .npz, .npy or .csv, found {other:?}"))),
    };
    if inputs.is_empty() {
        return Err(wrong("there are no samples in it".into()));
    }
    if let Some(row) = inputs.iter().find(|row| row.len() != dimension) {
        return Err(wrong(format!("a sample has {} values, the model takes {dimension}", row.len())));
    }
    if inputs.iter().flatten().any(|value| !value.is_finite()) {
        return Err(wrong("a value is not a finite number".into()));
    }
    if !classes.is_empty() && classes.len() != inputs.len() {
        return Err(wrong(format!("{} samples and {} classes", inputs.len(), classes.len())));
    }
    Ok(Samples { inputs, classes })
}

/// Reads one class for each of `count` samples from an `.npy`.
///
/// # Errors
/// [`CompileError::Samples`].
pub fn read_labels(path: &Path, count: usize) -> Result<Vec<usize>, CompileError> {
    let wrong = |reason: String| CompileError::Samples { file: path.display().to_string(), reason };
    let open = || File::open(path).map_err(|error| wrong(error.to_string()));
    open()?;
    let classes: Vec<f64> = from_npy(open).map_err(wrong)?.into_iter().collect();
    if classes.len() != count {
        return Err(wrong(format!("{} classes for {count} samples", classes.len())));
    }
    let whole = |&class: &f64| (class >= 0.0 && class.fract() == 0.0).then_some(class as usize);
    let classes: Option<Vec<usize>> = classes.iter().map(whole).collect();
    classes.ok_or_else(|| wrong("a class is not a whole number from 0 on".into()))
}

fn rows(array: &ArrayD<f64>) -> Vec<Vec<f64>> {
    match array.ndim() {
        0 => vec![],
        _ => array.axis_iter(Axis(0)).map(|sample| sample.iter().copied().collect()).collect(),
    }
}

/// Returns the array of the first element type that reads.
macro_rules! first_that_reads {
    ($read:expr) => {
        first_that_reads!($read, f32, f64, u8, i64)
    };
    ($read:expr, $($element:ty),+) => {{
        $(
            let attempt: Option<ArrayD<$element>> = $read;
            if let Some(array) = attempt {
                return Ok(array.mapv(|value| value as f64));
            }
        )+
        Err("the array is damaged, or its elements are not float32, float64, uint8 or int64".into())
    }};
}

#[allow(clippy::cast_lossless)] // one conversion for all element types
fn from_archive(archive: &mut NpzReader<File>, name: &str) -> Result<ArrayD<f64>, String> {
    let names = archive.names().map_err(|error| error.to_string())?;
    let index = names.iter().position(|n| n.trim_end_matches(".npy") == name);
    let index = index.ok_or_else(|| format!("there is no array named {name}"))?;
    first_that_reads!(archive.by_index(index).ok())
}

#[allow(clippy::cast_lossless)] // one conversion for all element types
fn from_npy(open: impl Fn() -> Result<File, CompileError>) -> Result<ArrayD<f64>, String> {
    first_that_reads!(open().ok().and_then(|file| Array::read_npy(file).ok()))
}

fn from_csv(file: File) -> Result<Vec<Vec<f64>>, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(file);
    let mut rows = Vec::new();
    for (line, record) in reader.records().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        match record.iter().map(str::parse).collect::<Result<Vec<f64>, _>>() {
            Ok(row) => rows.push(row),
            Err(_) if line == 0 => {}
            Err(error) => return Err(format!("line {}: {error}", line + 1)),
        }
    }
    Ok(rows)
}
