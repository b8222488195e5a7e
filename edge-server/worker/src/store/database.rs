//! The object's database as the statements see it.

use edge_server::store::StoreError;
use edge_server_sqlite::{Database, Field, MIGRATIONS, Row, VERSION, Value};
use js_sys::{Array, ArrayBuffer, Number};
use wasm_bindgen::prelude::*;
use worker::Storage;

use super::Result;
use crate::buffer::{self, Lent};

#[wasm_bindgen]
extern "C" {
    #[derive(Debug)]
    type ObjectStorage;

    /// Runs `work`; undoes what it did if it throws.
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &ObjectStorage,
        work: &mut dyn FnMut() -> std::result::Result<(), JsValue>,
    ) -> std::result::Result<(), JsValue>;

    #[wasm_bindgen(method, getter)]
    fn sql(this: &ObjectStorage) -> Statements;

    #[derive(Debug)]
    type Statements;

    /// Runs a statement. What it is given stays its own until its rows have been read.
    #[wasm_bindgen(method, catch, variadic)]
    fn exec(this: &Statements, statement: &str, values: &Array) -> std::result::Result<Cursor, JsValue>;

    type Cursor;

    /// The rows, each an array.
    #[wasm_bindgen(method, catch)]
    fn raw(this: &Cursor) -> std::result::Result<js_sys::Iterator, JsValue>;
}

/// The database of one object.
#[derive(Debug)]
pub(super) struct Sql {
    storage: ObjectStorage,
    statements: Statements,
}

/// Wraps what the runtime threw.
fn thrown(error: JsValue) -> StoreError {
    StoreError::new(worker::Error::from(error).to_string())
}

impl Sql {
    pub(super) fn new(storage: &Storage) -> Self {
        let storage = JsValue::from(storage.as_raw()).unchecked_into::<ObjectStorage>();
        let statements = storage.sql();
        Self { storage, statements }
    }

    /// Runs several statements as one step: all of them, or none.
    pub(super) fn step<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let mut work = Some(work);
        let mut outcome = None;
        let done = self.storage.transaction_sync(&mut || {
            let result = work.take().map(|work| work(self));
            let is_done = matches!(result, Some(Ok(_)));
            outcome = result;
            if is_done { Ok(()) } else { Err(JsValue::from_str("undone")) }
        });
        match (outcome, done) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, done) => Err(StoreError::new(format!("the step was not carried out: {done:?}"))),
        }
    }

    /// Brings the tables to this version. A pragma cannot keep it here, so that a table does.
    pub(super) fn migrate(&self) -> Result<()> {
        self.step(|sql| {
            sql.run("CREATE TABLE IF NOT EXISTS store_version (version INTEGER NOT NULL) STRICT", &[])?;
            let found = sql.count("SELECT coalesce(max(version), 0) FROM store_version", &[])?;
            let known = VERSION.cast_unsigned();
            if found > known {
                return Err(StoreError::new(format!(
                    "written by a newer Worker (store version {found}, this one knows {known}); left as it is"
                )));
            }
            for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
                sql.run(step, &[])?;
            }
            if found < known {
                sql.run("DELETE FROM store_version", &[])?;
                sql.run("INSERT INTO store_version (version) VALUES (?1)", &[known.into()])?;
                tracing::info!(from = found, to = known, "the store's tables are brought up to date");
            }
            Ok(())
        })
    }
}

impl Database for Sql {
    fn run(&self, statement: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        let bound = Array::new();
        let mut lent = Vec::new();
        for value in values {
            bound.push(&match *value {
                Value::Null => JsValue::NULL,
                Value::Integer(number) => integer(number)?,
                Value::Text(text) => text.into(),
                Value::Blob(bytes) => {
                    let bytes = Lent::new(bytes);
                    let value = bytes.as_ref().clone();
                    lent.push(bytes);
                    value
                }
            });
        }
        let rows = self.statements.exec(statement, &bound).and_then(|cursor| cursor.raw()).map_err(thrown)?;
        rows.into_iter().map(|row| row.map_err(thrown).and_then(|row| read(&row))).collect()
    }
}

/// An integer as the runtime knows them, which are numbers of 53 bits.
fn integer(number: i64) -> Result<JsValue> {
    let value = JsValue::from_f64(number as f64);
    if Number::is_safe_integer(&value) {
        Ok(value)
    } else {
        Err(StoreError::new(format!("{number} is too large")))
    }
}

fn read(row: &JsValue) -> Result<Row> {
    let fields = Array::from(row).into_iter().map(|value| {
        if value.is_null() {
            Ok(Field::Null)
        } else if let Some(text) = value.as_string() {
            Ok(Field::Text(text))
        } else if Number::is_safe_integer(&value) {
            Ok(Field::Integer(value.as_f64().unwrap_or_default() as i64))
        } else if let Some(buffer) = value.dyn_ref::<ArrayBuffer>() {
            Ok(Field::Blob(buffer::take(buffer).into()))
        } else {
            Err(StoreError::new("the store holds a number that no table of this version has"))
        }
    });
    fields.collect::<Result<_>>().map(Row)
}
