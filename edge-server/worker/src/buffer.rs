//! Array buffers on their way between the runtime and the module.
//!
//! V8 frees one when it collects garbage, and waits with that until tens of megabytes have come together: they would be
//! missing from the memory of an isolate. A buffer that nobody needs any more is therefore let go by name.

use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::JsValue;

/// Copies what the runtime gave into the module, and lets go of it there.
pub(crate) fn take(buffer: &ArrayBuffer) -> Vec<u8> {
    let bytes = Uint8Array::new(buffer).to_vec();
    let_go(buffer);
    bytes
}

/// A copy of the module's bytes for the runtime, which has them until this is dropped.
#[derive(Debug)]
pub(crate) struct Lent(Uint8Array);

impl Lent {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(Uint8Array::from(bytes))
    }
}

impl AsRef<JsValue> for Lent {
    fn as_ref(&self) -> &JsValue {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let_go(&self.0.buffer());
    }
}

/// Takes the memory out of a buffer: the only way to free it that the language has.
pub(crate) fn let_go(buffer: &ArrayBuffer) {
    // One that cannot be taken out is collected some day, as all would be.
    let _ = buffer.transfer_with_length(0);
}
