//! How much memory a file takes once it is decoded, found before it is: a message or a text of two bytes
//! becomes hundreds, so a small file could ask for all memory there is.
//!
//! Knows only which fields of which messages of ONNX repeat; what a field means is for the decoder.

/// What a decoded message takes at least, in bytes; the largest takes less.
const MESSAGE: usize = 512;
/// What a text or a run of bytes takes besides its content.
const BYTES: usize = 32;
/// Deeper messages are left to the decoder, which refuses them.
const MAX_DEPTH: usize = 100;

/// The messages that contain others.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    /// One whose parts count as messages without a look inside, down to the last.
    Other,
}

/// What a field of length-delimited content holds.
enum Content {
    Message(Message),
    /// Numbers of variable length: a byte can become eight.
    Numbers,
    Bytes,
}

/// The bytes that the decoded model takes at most, or nothing if the file is damaged.
pub(super) fn decoded_bytes(model: &[u8]) -> Option<usize> {
    size(Message::Model, model, 0)
}

fn content(message: Message, field: u64) -> Content {
    use Content::{Bytes, Message as Inner, Numbers};
    match (message, field) {
        (Message::Model, 7) | (Message::Attribute, 6 | 11) => Inner(Message::Graph),
        (Message::Model, 8 | 14 | 20 | 25) => Inner(Message::Other),
        (Message::Graph, 1) => Inner(Message::Node),
        (Message::Graph, 5) | (Message::Attribute, 5 | 10) | (Message::SparseTensor, 1 | 2) => {
            Inner(Message::Tensor)
        }
        (Message::Graph, 11..=14 | 16) | (Message::Node, 9) | (Message::Attribute, 14 | 15) => {
            Inner(Message::Other)
        }
        (Message::Graph, 15) | (Message::Attribute, 22 | 23) => Inner(Message::SparseTensor),
        (Message::Node, 5) => Inner(Message::Attribute),
        (Message::Tensor, 13 | 16) => Inner(Message::Other),
        (Message::Attribute, 8) | (Message::Tensor, 1 | 5 | 7 | 11) | (Message::SparseTensor, 3) => Numbers,
        // Whatever it is, it may be a message full of messages.
        (Message::Other, _) => Inner(Message::Other),
        _ => Bytes,
    }
}

fn size(message: Message, mut bytes: &[u8], depth: usize) -> Option<usize> {
    let mut sum = MESSAGE;
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let more = match tag & 7 {
            0 => varint(&mut bytes).map(|_| size_of::<u64>())?,
            1 => take(&mut bytes, 8)?.len(),
            5 => take(&mut bytes, 4)?.len(),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let inside = take(&mut bytes, length)?;
                match content(message, tag >> 3) {
                    Content::Message(inner) if depth < MAX_DEPTH => {
                        match (inner, size(inner, inside, depth + 1)) {
                            (_, Some(size)) => size,
                            // Of unknown messages some fields are texts, or numbers.
                            (Message::Other, None) => {
                                length.checked_mul(size_of::<u64>())?.checked_add(BYTES)?
                            }
                            (_, None) => return None,
                        }
                    }
                    Content::Numbers => length.checked_mul(size_of::<u64>())?.checked_add(BYTES)?,
                    Content::Message(_) | Content::Bytes => length.checked_add(BYTES)?,
                }
            }
            _ => return None,
        };
        sum = sum.checked_add(more)?;
    }
    Some(sum)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::fixtures::{model, node, tensor};

    /// A field with content.
    fn field(number: usize, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![];
        for mut number in [number << 3 | 2, content.len()] {
            while number >= 0x80 {
                bytes.push(number as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
        }
        bytes.extend(content);
        bytes
    }

    #[test]
    fn weights_count_as_they_are_and_messages_more() {
        let large = model(vec![node("Relu", &["x"], "y")], vec![tensor("w", &[100_000], &[1.0; 100_000])]);
        let size = decoded_bytes(&large).expect("is whole");
        assert!((400_000..410_000).contains(&size), "{size}");
    }

    #[test]
    fn empty_messages_are_counted_at_every_depth() {
        let empty_nodes = field(7, &[0x0a, 0x00].repeat(1000));
        assert!(decoded_bytes(&empty_nodes).expect("is whole") >= 1000 * MESSAGE);
        let attribute = field(5, &field(6, &[0x2a, 0x00].repeat(1000)));
        let nested = field(7, &field(1, &attribute));
        assert!(decoded_bytes(&nested).expect("is whole") >= 1000 * MESSAGE);
        let functions = field(25, &[0x3a, 0x00].repeat(1000));
        assert!(decoded_bytes(&functions).expect("is whole") >= 1000 * MESSAGE);
        let axes = field(7, &field(5, &field(1, &[1; 1000])));
        assert!(decoded_bytes(&axes).expect("is whole") >= 8000);
    }

    #[test]
    fn what_ends_early_has_no_size() {
        let valid = model(vec![node("Relu", &["x"], "y")], vec![]);
        assert_eq!(decoded_bytes(&valid[..valid.len() - 1]), None);
        assert_eq!(decoded_bytes(&[0xff; 20]), None);
    }
}
