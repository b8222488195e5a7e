//! Request bodies: what is read has one meaning, whichever form it is written in.

use edge_server::testing::{Form, read_body};

/// Reads a body; if it is one, its tree written in either form is read as the same tree.
fn same_in_both_forms(form: Form, bytes: &[u8]) {
    let Some(tree) = read_body(form, bytes) else { return };
    for other in [Form::Json, Form::Cbor] {
        let written = other.write(&tree);
        let again = read_body(other, &written);
        assert_eq!(again.as_ref(), Some(&tree), "written as {other:?}: {written:02x?}");
    }
}

pub(crate) fn json(bytes: &[u8]) {
    same_in_both_forms(Form::Json, bytes);
}

pub(crate) fn cbor(bytes: &[u8]) {
    same_in_both_forms(Form::Cbor, bytes);
}
