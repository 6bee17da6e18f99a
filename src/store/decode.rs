//! Columns → types. A value that cannot be read is a corrupt database, said so with the column's name.

use std::fmt::Display;
use std::str::FromStr;

use super::StoreError;

/// Reads a text column as `T`.
pub(super) fn parse<T: FromStr<Err: Display>>(column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| StoreError::Corrupt(format!("{column} = {text:?}: {error}")))
}

/// Reads a text column that may be NULL.
pub(super) fn parse_opt<T: FromStr<Err: Display>>(column: &str, text: Option<&str>) -> Result<Option<T>, StoreError> {
    text.map(|text| parse(column, text)).transpose()
}

/// Reads a JSON column.
pub(super) fn json<T: serde::de::DeserializeOwned>(column: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
}

/// Writes a value as JSON text. Our own plain types cannot fail to serialise.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}
