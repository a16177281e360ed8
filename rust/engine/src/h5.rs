//! HDF5 files as Keras writes them: groups of dense arrays with attributes.
//!
//! Reading never follows a link or another file, never runs anything and allocates no more than the file's
//! stored bytes justify.

use std::collections::BTreeMap;

use hdf5_pure::{
    AttrValue, Dataset, DatasetBuilder, Datatype, DatatypeByteOrder, EnumTypeBuilder, File, FileBuilder,
    FinishedGroup, FloatingPointLayout, Group as FileGroup, GroupBuilder, Layout, LibVer,
    VlenStringReadOptions, make_f32_type, make_f64_type, make_i8_type, make_i16_type, make_i32_type,
    make_i64_type, make_u8_type, make_u16_type, make_u32_type, make_u64_type,
};

use crate::{DType, Error, Result};

/// A declared size may exceed the stored bytes this many times (compression, fill values) before the file
/// counts as an attack.
const MAX_EXPANSION: u64 = 1000;

/// Groups inside groups deeper than this are refused.
const MAX_DEPTH: usize = 64;

/// An attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// One string.
    String(String),
    /// Strings.
    Strings(Vec<String>),
    /// One integer.
    Int(i64),
    /// Integers.
    Ints(Vec<i64>),
    /// One number.
    Float(f64),
    /// Numbers.
    Floats(Vec<f64>),
}

/// What the elements of an array are.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Little-endian, row-major numbers of a dtype.
    Numbers(DType, Vec<u8>),
    /// Bytes without a type, of this many per element: Keras's bfloat16 (2) and float8 (1).
    Opaque(usize, Vec<u8>),
    /// Strings.
    Strings(Vec<String>),
}

/// An array.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Shape.
    pub shape: Vec<usize>,
    /// Elements.
    pub data: Data,
    /// Attributes.
    pub attributes: BTreeMap<String, Attribute>,
}

/// A group; the file itself is one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// Attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// Groups inside.
    pub groups: BTreeMap<String, Group>,
    /// Arrays inside.
    pub arrays: BTreeMap<String, Array>,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::invalid(format!("HDF5: {error}"))
}

/// Reads a file held in memory; arrays may take `max_bytes` in all.
pub fn read(bytes: Vec<u8>, max_bytes: u64) -> Result<Group> {
    let stored = bytes.len() as u64;
    let file = File::from_bytes(bytes).map_err(failed)?;
    let mut budget =
        Budget { left: max_bytes.min(stored.saturating_mul(MAX_EXPANSION)), objects: stored / 16 };
    read_group(&file.root(), &mut budget, 0)
}

/// What the rest of a file may still take.
struct Budget {
    left: u64,
    /// Objects: each takes at least some bytes of the file, but cyclic links would make them endless.
    objects: u64,
}

impl Budget {
    fn take(&mut self, bytes: u64) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            failed(format!("an array of {bytes} bytes is more than the file's size or the limit allows"))
        })?;
        Ok(())
    }

    fn object(&mut self) -> Result<()> {
        self.objects =
            self.objects.checked_sub(1).ok_or_else(|| failed("more objects than the file can hold"))?;
        Ok(())
    }
}

fn read_group(group: &FileGroup, budget: &mut Budget, depth: usize) -> Result<Group> {
    if depth > MAX_DEPTH {
        return Err(failed(format!("groups nest deeper than {MAX_DEPTH}")));
    }
    budget.object()?;
    let mut result = Group { attributes: attributes(group.attrs().map_err(failed)?), ..Group::default() };
    for name in group.groups().map_err(failed)? {
        let child = group.group(&name).map_err(failed)?;
        result.groups.insert(name, read_group(&child, budget, depth + 1)?);
    }
    for name in group.datasets().map_err(failed)? {
        budget.object()?;
        let dataset = group.dataset(&name).map_err(failed)?;
        let array = read_array(&dataset, budget).map_err(|e| failed(format!("dataset '{name}': {e}")))?;
        result.arrays.insert(name, array);
    }
    Ok(result)
}

fn read_array(dataset: &Dataset, budget: &mut Budget) -> Result<Array> {
    let dims = dataset.shape().map_err(failed)?;
    let count = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d));
    let width = dataset.element_size().map_err(failed)?;
    let bytes = count.and_then(|n| n.checked_mul(width)).ok_or_else(|| failed("its shape overflows"))?;
    match dataset.layout().map_err(failed)? {
        Layout::Virtual => return Err(failed("virtual datasets are refused")),
        Layout::Contiguous { size, .. } if size < bytes && bytes > 0 => {
            return Err(failed(format!("{bytes} bytes declared, {size} stored")));
        }
        _ => {}
    }
    budget.take(bytes)?;
    let attributes = attributes(dataset.attrs().map_err(failed)?);
    let shape = dims.iter().map(|&d| usize::try_from(d)).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let datatype = dataset.datatype().map_err(failed)?;
    let limit = usize::try_from(budget.left).unwrap_or(usize::MAX);
    let data = match &datatype {
        Datatype::VariableLength { is_string: true, .. } => {
            let options = VlenStringReadOptions::new().with_max_payload_bytes(limit);
            let strings = dataset.read_vlen_strings(options).map_err(failed)?;
            budget.take(strings.iter().map(|s| s.len() as u64).sum())?;
            Data::Strings(strings)
        }
        Datatype::String { .. } => Data::Strings(dataset.read_string().map_err(failed)?),
        Datatype::Opaque { size, .. } => Data::Opaque(*size as usize, dataset.read_raw().map_err(failed)?),
        _ => {
            let (dtype, big_endian) = number_type(&datatype)
                .ok_or_else(|| failed("expected numbers, bools or strings, got another element type"))?;
            let mut raw = dataset.read_raw().map_err(failed)?;
            if big_endian {
                raw.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
            }
            Data::Numbers(dtype, raw)
        }
    };
    Ok(Array { shape, data, attributes })
}

/// The dtype of numeric elements, and whether they are stored big-endian.
fn number_type(datatype: &Datatype) -> Option<(DType, bool)> {
    match datatype {
        Datatype::FixedPoint { size, byte_order, layout } => {
            let dtype = match (layout.signed, size) {
                (true, 1) => DType::I8,
                (true, 2) => DType::I16,
                (true, 4) => DType::I32,
                (true, 8) => DType::I64,
                (false, 1) => DType::U8,
                (false, 2) => DType::U16,
                (false, 4) => DType::U32,
                (false, 8) => DType::U64,
                _ => return None,
            };
            Some((dtype, *byte_order == DatatypeByteOrder::BigEndian))
        }
        Datatype::FloatingPoint { size, byte_order, layout } => {
            let dtype = match (size, layout.exponent_size) {
                (2, 5) => DType::F16,
                (2, 8) => DType::BF16,
                (4, 8) => DType::F32,
                (8, 11) => DType::F64,
                _ => return None,
            };
            Some((dtype, *byte_order == DatatypeByteOrder::BigEndian))
        }
        // NumPy's bool: an enumeration of FALSE and TRUE over int8.
        Datatype::Enumeration { size: 1, members, .. } if members.len() == 2 => Some((DType::Bool, false)),
        _ => None,
    }
}

fn attributes(values: impl IntoIterator<Item = (String, AttrValue)>) -> BTreeMap<String, Attribute> {
    values.into_iter().filter_map(|(name, value)| Some((name, attribute(&value)?))).collect()
}

/// Attributes of other kinds mean nothing to Keras's files and are left out.
fn attribute(value: &AttrValue) -> Option<Attribute> {
    if let Some(text) = value.as_str() {
        return Some(Attribute::String(text.to_owned()));
    }
    if let Some(texts) = value.as_strings() {
        return Some(Attribute::Strings(texts.to_vec()));
    }
    if let Some(number) = value.as_i64() {
        return Some(Attribute::Int(number));
    }
    if let Some(numbers) = value.to_i64s() {
        return Some(Attribute::Ints(numbers));
    }
    if let Some(number) = value.as_f64() {
        return Some(Attribute::Float(number));
    }
    value.to_f64s().map(Attribute::Floats)
}

/// The bytes of a file with this root, readable by HDF5 1.8 and later.
pub fn write(root: &Group) -> Result<Vec<u8>> {
    let mut file = FileBuilder::new();
    file.with_libver_bounds(LibVer::Earliest, LibVer::V18);
    for (name, value) in &root.attributes {
        file.set_attr(name, to_attr(value));
    }
    for (name, array) in &root.arrays {
        fill(file.create_dataset(name), array)?;
    }
    for (name, group) in &root.groups {
        let builder = file.create_group(name);
        file.add_group(write_group(builder, group)?);
    }
    file.finish().map_err(failed)
}

fn write_group(mut builder: GroupBuilder, group: &Group) -> Result<FinishedGroup> {
    for (name, value) in &group.attributes {
        builder.set_attr(name, to_attr(value));
    }
    for (name, array) in &group.arrays {
        fill(builder.create_dataset(name), array)?;
    }
    for (name, child) in &group.groups {
        let inner = builder.create_group(name);
        builder.add_group(write_group(inner, child)?);
    }
    Ok(builder.finish())
}

fn fill(dataset: &mut DatasetBuilder, array: &Array) -> Result<()> {
    let shape: Vec<u64> = array.shape.iter().map(|&d| d as u64).collect();
    let count = shape.iter().product();
    match &array.data {
        Data::Numbers(dtype, bytes) => {
            dataset.with_raw_data(file_type(*dtype)?, bytes.clone(), count);
        }
        Data::Opaque(size, bytes) => {
            let datatype = Datatype::Opaque { size: *size as u32, tag: Vec::new() };
            dataset.with_raw_data(datatype, bytes.clone(), count);
        }
        Data::Strings(strings) => {
            let strings: Vec<&str> = strings.iter().map(String::as_str).collect();
            dataset.with_vlen_strings(&strings);
        }
    }
    dataset.with_shape(&shape);
    for (name, value) in &array.attributes {
        dataset.set_attr(name, to_attr(value));
    }
    Ok(())
}

fn file_type(dtype: DType) -> Result<Datatype> {
    Ok(match dtype {
        DType::Bool => {
            let base = make_i8_type();
            let bools = EnumTypeBuilder::with_base(base).raw_value("FALSE", &[0]).raw_value("TRUE", &[1]);
            bools.build().map_err(failed)?
        }
        DType::U8 => make_u8_type(),
        DType::U16 => make_u16_type(),
        DType::U32 => make_u32_type(),
        DType::U64 => make_u64_type(),
        DType::I8 => make_i8_type(),
        DType::I16 => make_i16_type(),
        DType::I32 => make_i32_type(),
        DType::I64 => make_i64_type(),
        DType::F16 => Datatype::FloatingPoint {
            size: 2,
            byte_order: DatatypeByteOrder::LittleEndian,
            layout: FloatingPointLayout {
                bit_offset: 0,
                bit_precision: 16,
                exponent_location: 10,
                exponent_size: 5,
                mantissa_location: 0,
                mantissa_size: 10,
                exponent_bias: 15,
            },
        },
        // As Keras writes it; the dataset's "dtype" attribute says what it is.
        DType::BF16 => Datatype::Opaque { size: 2, tag: Vec::new() },
        DType::F32 => make_f32_type(),
        DType::F64 => make_f64_type(),
    })
}

fn to_attr(value: &Attribute) -> AttrValue {
    match value {
        Attribute::String(text) => AttrValue::VarLenString(text.clone()),
        Attribute::Strings(texts) => AttrValue::VarLenStringArray(texts.clone()),
        Attribute::Int(number) => AttrValue::I64(*number),
        Attribute::Ints(numbers) => AttrValue::I64Array(numbers.clone()),
        Attribute::Float(number) => AttrValue::F64(*number),
        Attribute::Floats(numbers) => AttrValue::F64Array(numbers.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Group {
        let array =
            |shape: &[usize], data| Array { shape: shape.to_vec(), data, attributes: BTreeMap::new() };
        let mut layer = Group::default();
        layer.attributes.insert("name".into(), Attribute::String("dense".into()));
        let floats: Vec<u8> =
            [1.0f32, -2.5, 3.25, 0.0, 7.0, -0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        layer.arrays.insert("0".into(), array(&[2, 3], Data::Numbers(DType::F32, floats)));
        layer.arrays.insert("1".into(), array(&[2], Data::Numbers(DType::Bool, vec![0, 1])));
        layer.arrays.insert("2".into(), array(&[], Data::Numbers(DType::I64, 5i64.to_le_bytes().to_vec())));
        layer.arrays.insert("3".into(), array(&[1], Data::Numbers(DType::F16, vec![0, 60])));
        layer.arrays.insert("4".into(), array(&[2], Data::Opaque(2, vec![1, 2, 3, 4])));
        layer.arrays.insert("5".into(), array(&[0, 4], Data::Numbers(DType::F32, vec![])));
        let mut root = Group::default();
        let names = Attribute::Strings(vec!["a".into(), "b/ä".into()]);
        root.attributes.insert("layer_names".into(), names);
        root.groups
            .insert("layers".into(), Group { groups: [("dense".into(), layer)].into(), ..Group::default() });
        root
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = write(&sample()).expect("writes");
        assert_eq!(read(bytes, 1 << 20).expect("reads"), sample());
    }

    #[test]
    fn damaged_files_are_errors() {
        let bytes = write(&sample()).expect("writes");
        for cut in 0..bytes.len() {
            let _ = read(bytes[..cut].to_vec(), 1 << 20);
        }
        for position in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[position] ^= flip;
                let _ = read(damaged, 1 << 20);
            }
        }
    }

    #[test]
    fn the_budget_is_kept() {
        let bytes = write(&sample()).expect("writes");
        let error = read(bytes, 10).expect_err("refuses").to_string();
        assert!(error.contains("more than the file's size or the limit"), "{error}");
    }
}
