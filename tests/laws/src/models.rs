//! Models: packages and ONNX files are refused or read, and never panic. A package is written back as the same program.

use model_package::{Description, Package, write};

/// A manifest, a zero byte, weights.
pub(crate) fn package(bytes: &[u8]) {
    let at = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (manifest, weights) = bytes.split_at(at);
    if let Ok(package) = Package::from_bytes(manifest, weights.get(1..).unwrap_or_default()) {
        // What was checked can be asked for its inputs.
        assert!(package.manifest.input.dimension > 0);
        // There is more than one way to write a manifest, and to lay out weights, but one meaning.
        let Package { manifest, params, program, facts } = package;
        let description = Description {
            model_id: manifest.model_id,
            version: manifest.version,
            description: manifest.description,
            input: manifest.input,
            output: manifest.output,
        };
        let (manifest, weights) = write(description.clone(), &params, &program).unwrap();
        let again = Package::from_bytes(&manifest, &weights).unwrap();
        assert_eq!((&again.program, again.params.id(), &again.facts), (&program, params.id(), &facts));
        assert_eq!(write(description, &again.params, &again.program).unwrap(), (manifest, weights));
    }
}

#[cfg(feature = "onnx")]
pub(crate) fn onnx(bytes: &[u8]) {
    // Refused or not, it must not panic, nor take long.
    let _ = model_compiler::import(bytes);
}
