//! The checks that all conversions share. Each returns the value or says which field is wrong.

use std::str::FromStr;

use kerf_types::ParseError;

use super::{ConvertError, Fault};

/// Adds the name of a field to what went wrong in it.
pub(crate) trait At<T> {
    /// The same result, its error with `field` in front.
    fn at(self, field: &str) -> Result<T, ConvertError>;
}

impl<T> At<T> for Result<T, ConvertError> {
    fn at(self, field: &str) -> Result<T, ConvertError> {
        self.map_err(|error| error.within(field))
    }
}

impl<T> At<T> for Result<T, ParseError> {
    fn at(self, field: &str) -> Result<T, ConvertError> {
        self.map_err(|error| ConvertError::new(field, Fault::Text(error)))
    }
}

/// A part that must be there.
pub(crate) fn required<T>(field: &str, value: Option<T>) -> Result<T, ConvertError> {
    value.ok_or_else(|| ConvertError::new(field, Fault::Missing))
}

/// A text of at most `limit` bytes.
pub(crate) fn text(field: &str, value: String, limit: usize) -> Result<String, ConvertError> {
    let bytes = value.len();
    if bytes > limit {
        return Err(ConvertError::new(field, Fault::TooLong { bytes, limit }));
    }
    Ok(value)
}

/// The same for a text that may be absent.
pub(crate) fn optional_text(
    field: &str,
    value: Option<String>,
    limit: usize,
) -> Result<Option<String>, ConvertError> {
    value.map(|value| text(field, value, limit)).transpose()
}

/// A text in the form of `T`.
pub(crate) fn parse<T>(field: &str, value: &str) -> Result<T, ConvertError>
where
    T: FromStr<Err = ParseError>,
{
    value.parse::<T>().at(field)
}

/// Refuses a list of more than `limit` entries before anything is read of it.
pub(crate) fn count(field: &str, count: usize, limit: usize) -> Result<(), ConvertError> {
    if count > limit {
        return Err(ConvertError::new(field, Fault::TooMany { count, limit }));
    }
    Ok(())
}

/// Converts each entry of a list of at most `limit` entries.
pub(crate) fn each<W, T, E>(
    field: &str,
    values: Vec<W>,
    limit: usize,
    mut convert: impl FnMut(W) -> Result<T, E>,
) -> Result<Vec<T>, ConvertError>
where
    Result<T, E>: At<T>,
{
    count(field, values.len(), limit)?;
    let one = |(index, value)| convert(value).at(&format!("{field}[{index}]"));
    values.into_iter().enumerate().map(one).collect()
}

/// Refuses a list in which two entries have the same key.
pub(crate) fn distinct<K: Ord + ToString>(
    field: &str,
    keys: impl IntoIterator<Item = K>,
) -> Result<(), ConvertError> {
    let mut keys: Vec<K> = keys.into_iter().collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => {
            let what = pair.first().map(ToString::to_string).unwrap_or_default();
            Err(ConvertError::new(field, Fault::Duplicate { what }))
        }
        None => Ok(()),
    }
}

/// A number that is not what `allowed` says.
pub(crate) fn number_error(
    field: &str,
    found: impl ToString,
    allowed: &'static str,
) -> ConvertError {
    let found = found.to_string();
    ConvertError::new(field, Fault::Number { found, allowed })
}
