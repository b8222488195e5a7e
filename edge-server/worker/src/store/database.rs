//! The object's database as the statements see it.

use edge_server::store::StoreError;
use edge_server_sqlite::{Database, Field, MIGRATIONS, Row, VERSION, Value};
use wasm_bindgen::prelude::*;
use worker::{SqlStorage, SqlStorageValue, Storage};

use super::{Result, failed};

#[wasm_bindgen]
extern "C" {
    type Transactions;

    /// Runs `work`; undoes what it did if it throws.
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &Transactions,
        work: &mut dyn FnMut() -> std::result::Result<(), JsValue>,
    ) -> std::result::Result<(), JsValue>;
}

/// The database of one object.
#[derive(Debug)]
pub(super) struct Sql {
    storage: Storage,
    sql: SqlStorage,
}

impl Sql {
    pub(super) fn new(storage: Storage) -> Self {
        let sql = storage.sql();
        Self { storage, sql }
    }

    /// Runs several statements as one step: all of them, or none.
    pub(super) fn step<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let mut work = Some(work);
        let mut outcome = None;
        let done = self.storage.as_raw().unchecked_ref::<Transactions>().transaction_sync(&mut || {
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
        let values = values.iter().map(|value| match *value {
            Value::Null => Ok(SqlStorageValue::Null),
            Value::Integer(number) => SqlStorageValue::try_from_i64(number).map_err(failed),
            Value::Text(text) => Ok(text.into()),
            Value::Blob(bytes) => Ok(bytes.to_vec().into()),
        });
        let cursor = self.sql.exec(statement, values.collect::<Result<Vec<_>>>()?).map_err(failed)?;
        cursor.raw().map(|row| row.map_err(failed).and_then(read)).collect()
    }
}

fn read(row: Vec<SqlStorageValue>) -> Result<Row> {
    let fields = row.into_iter().map(|value| match value {
        SqlStorageValue::Null => Ok(Field::Null),
        SqlStorageValue::Integer(number) => Ok(Field::Integer(number)),
        SqlStorageValue::String(text) => Ok(Field::Text(text)),
        SqlStorageValue::Blob(bytes) => Ok(Field::Blob(bytes.into())),
        SqlStorageValue::Boolean(_) | SqlStorageValue::Float(_) => {
            Err(StoreError::new("the store holds a number that no table of this version has"))
        }
    });
    fields.collect::<Result<_>>().map(Row)
}
