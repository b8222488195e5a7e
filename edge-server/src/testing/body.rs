//! Request bodies for those who test how they are read.

use serde_json::Value;

use crate::{document::Document, envelope::Envelopes, media::Media};

/// A form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/json`
    Json,
    /// `application/cbor`
    Cbor,
}

impl Form {
    fn media(self) -> Media {
        match self {
            Self::Json => Media::Json,
            Self::Cbor => Media::Cbor,
        }
    }

    /// Writes a tree.
    ///
    /// # Panics
    /// Never: trees can be written.
    #[must_use]
    pub fn write(self, tree: &Value) -> Vec<u8> {
        self.media().write(tree).expect("a tree can be written")
    }
}

/// Reads a body as the service does, and looks at it as both envelopes; byte strings become empty texts.
#[must_use]
pub fn read_body(form: Form, body: &[u8]) -> Option<Value> {
    static ENVELOPES: std::sync::LazyLock<Option<Envelopes>> =
        std::sync::LazyLock::new(|| Envelopes::new().ok());
    let document = Document::read(form.media(), body).ok()?;
    if let Some(envelopes) = &*ENVELOPES {
        // Either answer is right; what counts is that there is one.
        let _ = (envelopes.check_infer(&document), envelopes.check_key_set(&document));
    }
    Some(document.tree)
}
