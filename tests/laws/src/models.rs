//! Models: packages and ONNX files are refused or read, and never panic.

use model_package::Package;

/// A manifest, a zero byte, weights.
pub(crate) fn package(bytes: &[u8]) {
    let at = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (manifest, weights) = bytes.split_at(at);
    if let Ok(package) = Package::from_bytes(manifest, weights.get(1..).unwrap_or_default()) {
        // What was checked can be asked for its inputs.
        assert!(package.manifest.input.dimension > 0);
    }
}

#[cfg(feature = "onnx")]
pub(crate) fn onnx(bytes: &[u8]) {
    // Refused or not, it must not panic, nor take long.
    let _ = model_compiler::import(bytes);
}
