//! A file of vectors, and how it is written.

use std::fmt;

use data_encoding::HEXLOWER;
use serde_json::{Map, Value};

/// A file of vectors.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, in the folder of this package.
    pub name: &'static str,
    /// What it proves.
    pub about: &'static str,
    /// The vectors.
    pub vectors: Vec<Vector>,
}

/// One vector: it tests one thing, and says what.
#[derive(Clone, Debug)]
pub struct Vector {
    name: String,
    shows: String,
    input: Map<String, Value>,
    output: Map<String, Value>,
}

impl Vector {
    /// A vector without values yet.
    pub(crate) fn new(name: impl Into<String>, shows: impl Into<String>) -> Self {
        Self { name: name.into(), shows: shows.into(), input: Map::new(), output: Map::new() }
    }

    /// Adds something that is given.
    pub(crate) fn given(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.input.insert(name.to_owned(), value.into());
        self
    }

    /// Adds something that must come out.
    pub(crate) fn gives(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.output.insert(name.to_owned(), value.into());
        self
    }
}

/// Bytes, as they stand in a file.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> Value {
    HEXLOWER.encode(bytes.as_ref()).into()
}

/// One line for each value, so that a change of one shows as a change of one line.
impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |text: &str| Value::from(text).to_string();
        writeln!(f, "{{\n  \"$schema\": \"vectors.schema.json\",\n  \"about\": {},", text(self.about))?;
        writeln!(f, "  \"vectors\": [")?;
        for (i, vector) in self.vectors.iter().enumerate() {
            writeln!(
                f,
                "    {{\n      \"name\": {},\n      \"shows\": {},",
                text(&vector.name),
                text(&vector.shows)
            )?;
            for (title, values, end) in [("input", &vector.input, ","), ("output", &vector.output, "")] {
                writeln!(f, "      \"{title}\": {{")?;
                for (at, (name, value)) in values.iter().enumerate() {
                    let comma = if at + 1 < values.len() { "," } else { "" };
                    writeln!(f, "        {}: {value}{comma}", text(name))?;
                }
                writeln!(f, "      }}{end}")?;
            }
            writeln!(f, "    }}{}", if i + 1 < self.vectors.len() { "," } else { "" })?;
        }
        writeln!(f, "  ]\n}}")
    }
}
