//! A connection as the statements see it: text and values go in, rows come out.

use bytes::Bytes;
use edge_server::{port::Timestamp, store::StoreError};

/// What every call gives.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A connection to SQLite.
pub trait Database {
    /// Runs one statement to its end and returns its rows.
    ///
    /// # Errors
    /// [`StoreError`] with what SQLite says.
    fn run(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>>;

    /// Runs a statement that returns one row or none.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn first(&self, statement: &str, values: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.run(statement, values)?.into_iter().next())
    }

    /// Runs a statement that counts.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn count(&self, statement: &str, values: &[Value<'_>]) -> Result<u64> {
        self.first(statement, values)?.map_or(Ok(0), |row| row.number(0))
    }
}

/// A value that goes into a statement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `NULL`
    Null,
    /// `INTEGER`
    Integer(i64),
    /// `TEXT`
    Text(&'a str),
    /// `BLOB`
    Blob(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// What does not fit is far in the future, or more than there can be, and stays so.
impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(time: Timestamp) -> Self {
        time.0.into()
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Writes values as the array that [`Database::run`] takes.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::database::Value::from($value)),*] };
}
pub(crate) use values;

/// A value that comes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// `NULL`
    Null,
    /// `INTEGER`
    Integer(i64),
    /// `TEXT`
    Text(String),
    /// `BLOB`
    Blob(Bytes),
}

/// One row. Whatever is not of the type that the tables demand is reported as damaged.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub Vec<Field>);

impl Row {
    fn field(&self, index: usize) -> &Field {
        self.0.get(index).unwrap_or(&Field::Null)
    }

    pub(crate) fn is_null(&self, index: usize) -> bool {
        *self.field(index) == Field::Null
    }

    pub(crate) fn integer(&self, index: usize) -> Result<i64> {
        match self.field(index) {
            Field::Integer(number) => Ok(*number),
            _ => Err(damaged("number")),
        }
    }

    /// A number that is never negative.
    pub(crate) fn number(&self, index: usize) -> Result<u64> {
        u64::try_from(self.integer(index)?).map_err(|_| damaged("count"))
    }

    pub(crate) fn number_u32(&self, index: usize) -> Result<u32> {
        u32::try_from(self.integer(index)?).map_err(|_| damaged("count"))
    }

    pub(crate) fn time(&self, index: usize) -> Result<Timestamp> {
        self.integer(index).map(timestamp)
    }

    pub(crate) fn text(&self, index: usize) -> Result<&str> {
        match self.field(index) {
            Field::Text(text) => Ok(text),
            _ => Err(damaged("text")),
        }
    }

    pub(crate) fn bytes(&self, index: usize) -> Result<Bytes> {
        match self.field(index) {
            Field::Blob(bytes) => Ok(bytes.clone()),
            _ => Err(damaged("value of bytes")),
        }
    }

    /// An identifier, or a hash.
    pub(crate) fn array<const N: usize>(&self, index: usize) -> Result<[u8; N]> {
        match self.field(index) {
            Field::Blob(bytes) => bytes[..].try_into().map_err(|_| damaged("identifier")),
            _ => Err(damaged("identifier")),
        }
    }
}

/// A time as it is stored.
#[must_use]
pub fn timestamp(number: i64) -> Timestamp {
    Timestamp(number.max(0).cast_unsigned())
}

/// Reports a stored value that this version cannot have written.
pub(crate) fn damaged(what: &'static str) -> StoreError {
    StoreError::new(format!("the store holds an unreadable {what}"))
}
