//! Hashes of lists of strings.

use numpy::{IntoPyArray, PyArray1};
use oxhorn::fingerprint::{farm, sip};
use pyo3::prelude::*;

#[pyfunction]
#[pyo3(signature = (strings, key=None))]
pub fn fingerprint64<'py>(
    py: Python<'py>,
    strings: Vec<Vec<u8>>,
    key: Option<[u64; 2]>,
) -> Bound<'py, PyArray1<u64>> {
    let hashes: Vec<u64> = py.detach(|| match key {
        Some(key) => strings.iter().map(|s| sip(s, key)).collect(),
        None => strings.iter().map(|s| farm(s)).collect(),
    });
    hashes.into_pyarray(py)
}
