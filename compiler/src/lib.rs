//! Compiles ONNX models to encrypted model packages.
