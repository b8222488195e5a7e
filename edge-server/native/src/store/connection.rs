//! A connection of rusqlite as the statements see it.

use edge_server::store::StoreError;
use edge_server_sqlite::{Database, Field, Row, Value};
use rusqlite::{
    Connection, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use super::Result;

/// A connection, inside of a transaction or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sql<'a>(pub(super) &'a Connection);

struct Bound<'a>(Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl Database for Sql<'_> {
    fn run(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        let mut prepared = self.0.prepare_cached(statement).map_err(StoreError::new)?;
        let columns = prepared.column_count();
        let values = rusqlite::params_from_iter(values.iter().map(|value| Bound(*value)));
        let mut rows = prepared.query(values).map_err(StoreError::new)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(StoreError::new)? {
            let fields =
                (0..columns).map(|index| row.get_ref(index).map_err(StoreError::new).and_then(field));
            found.push(Row(fields.collect::<Result<_>>()?));
        }
        Ok(found)
    }
}

fn field(value: ValueRef<'_>) -> Result<Field> {
    Ok(match value {
        ValueRef::Null => Field::Null,
        ValueRef::Integer(number) => Field::Integer(number),
        ValueRef::Text(text) => Field::Text(std::str::from_utf8(text).map_err(StoreError::new)?.to_owned()),
        ValueRef::Blob(bytes) => Field::Blob(bytes.to_vec().into()),
        ValueRef::Real(_) => return Err(StoreError::new("the store holds a fraction, which no table has")),
    })
}
