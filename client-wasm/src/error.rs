//! Rust errors as JavaScript ones: an `Error` with a stable `code`.

use ckks_client::ClientError;
use js_sys::{Error, Reflect};
use wasm_bindgen::JsValue;

/// What a binding throws.
pub(crate) fn thrown(error: &ClientError) -> JsValue {
    with_code(error.code(), &error.to_string())
}

/// A description from the server that is not what the schema says.
pub(crate) fn invalid_model(error: &serde_wasm_bindgen::Error) -> JsValue {
    with_code("INVALID_MODEL", &format!("the model's description is invalid: {error}"))
}

/// The system has no randomness.
pub(crate) fn no_randomness(error: &getrandom::Error) -> JsValue {
    with_code("NO_RANDOMNESS", &format!("the system gives no randomness: {error}"))
}

fn with_code(code: &str, message: &str) -> JsValue {
    let error = Error::new(message);
    // Setting a member of a new object cannot fail.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}
