//! Binary columns: how history and large tables travel in one response.
//!
//! Layout: `u32` little-endian length of the header, the header as JSON padded with spaces so that the data starts at
//! a multiple of 8, then each column's rows as little-endian `f64`. NaN is a gap. A viewer maps each column as a
//! `Float64Array` without copying.
use serde::{Deserialize, Serialize};

/// Named columns of equal length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns {
    names: Vec<String>,
    columns: Vec<Vec<f64>>,
    meta: serde_json::Value,
}

/// The header in front of the data.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    rows: usize,
    columns: Vec<String>,
    meta: serde_json::Value,
}

/// Reason why bytes are not columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnsError {
    /// The bytes end before the header or the data does.
    Truncated,
    /// The header is not the expected JSON.
    Header,
}

impl std::fmt::Display for ColumnsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "binary columns are cut short",
            Self::Header => "binary columns have a malformed header",
        })
    }
}

impl std::error::Error for ColumnsError {}

impl Columns {
    /// No columns, with facts about them for the viewer.
    pub fn new(meta: serde_json::Value) -> Self {
        Self { names: Vec::new(), columns: Vec::new(), meta }
    }

    /// Appends a column. All columns must be of the same length; a shorter one is filled up with gaps.
    pub fn push(&mut self, name: impl Into<String>, mut values: Vec<f64>) {
        let rows = self.rows();
        if self.columns.is_empty() {
            self.columns.push(values);
        } else {
            values.resize(rows, f64::NAN);
            self.columns.push(values);
        }
        self.names.push(name.into());
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// The column called `name`.
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        let i = self.names.iter().position(|n| n == name)?;
        Some(&self.columns[i])
    }

    /// Names in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Facts about the columns.
    pub fn meta(&self) -> &serde_json::Value {
        &self.meta
    }

    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let header = Header { rows: self.rows(), columns: self.names.clone(), meta: self.meta.clone() };
        let mut head = serde_json::to_vec(&header).unwrap_or_default();
        while !(4 + head.len()).is_multiple_of(8) {
            head.push(b' ');
        }
        let mut out = Vec::with_capacity(4 + head.len() + 8 * self.rows() * self.columns.len());
        out.extend_from_slice(&u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&head);
        for column in &self.columns {
            for value in column {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
        out
    }

    /// Reads bytes made by [`Columns::encode`].
    ///
    /// # Errors
    /// When the bytes are cut short or the header is malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, ColumnsError> {
        let (len, rest) = bytes.split_first_chunk::<4>().ok_or(ColumnsError::Truncated)?;
        let len = u32::from_le_bytes(*len) as usize;
        let head = rest.get(..len).ok_or(ColumnsError::Truncated)?;
        let header: Header = serde_json::from_slice(head).map_err(|_| ColumnsError::Header)?;
        let data = &rest[len..];
        let need = header.rows.checked_mul(8 * header.columns.len()).ok_or(ColumnsError::Header)?;
        if data.len() < need {
            return Err(ColumnsError::Truncated);
        }
        let columns = (0..header.columns.len())
            .map(|c| {
                data[c * header.rows * 8..(c + 1) * header.rows * 8]
                    .chunks_exact(8)
                    .map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default()))
                    .collect()
            })
            .collect();
        Ok(Self { names: header.columns, columns, meta: header.meta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_survive_a_round_trip() {
        let mut columns = Columns::new(serde_json::json!({"step_ms": 1000}));
        columns.push("t", vec![1.0, 2.0, 3.0]);
        columns.push("v", vec![0.5, f64::NAN]);
        let bytes = columns.encode();
        let back = Columns::decode(&bytes).expect("own bytes decode");
        assert_eq!(back.get("t"), Some(&[1.0, 2.0, 3.0][..]), "times are kept exactly");
        let v = back.get("v").expect("second column is there");
        assert!(v[0] == 0.5 && v[1].is_nan() && v[2].is_nan(), "gaps stay gaps and short columns are filled with them");
        assert_eq!(back.meta()["step_ms"], 1000, "facts travel with the data");
    }

    #[test]
    fn hostile_bytes_are_refused() {
        assert_eq!(Columns::decode(b""), Err(ColumnsError::Truncated), "nothing is not columns");
        assert_eq!(Columns::decode(&[255, 0, 0, 0, 1]), Err(ColumnsError::Truncated), "header longer than the bytes");
        let mut bytes = vec![2, 0, 0, 0];
        bytes.extend_from_slice(b"{}");
        assert_eq!(Columns::decode(&bytes), Err(ColumnsError::Header), "header without its fields");
        let huge = br#"{"rows":18446744073709551615,"columns":["a"],"meta":null}"#;
        let mut bytes = u32::try_from(huge.len()).expect("short").to_le_bytes().to_vec();
        bytes.extend_from_slice(huge);
        assert!(Columns::decode(&bytes).is_err(), "row counts that overflow are refused");
    }
}
