//! How elements of each dtype lie in buffers and look in shaders.

use oxhorn_core::DType;

/// What a shader takes an operand's elements for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    /// Numbers.
    Value(DType),
    /// So many bytes that are only moved.
    Bits(usize),
}

impl Element {
    /// Elements of `dtype` that are only moved.
    pub fn bits(dtype: DType) -> Self {
        Self::Bits(dtype.size())
    }

    /// Bytes of an element in memory.
    pub fn size(self) -> usize {
        match self {
            Self::Value(dtype) => dtype.size(),
            Self::Bits(size) => size,
        }
    }

    /// Elements in a word of the buffer, which has 32 bits, or 64 for elements of 64 bits.
    pub fn per_word(self) -> usize {
        (4 / self.size()).max(1)
    }

    /// Type of the words of the buffer.
    pub fn word(self) -> &'static str {
        if self.size() == 8 { "vec2<u32>" } else { "u32" }
    }

    /// Type of a variable that holds an element.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Value(dtype) => type_name(dtype),
            Self::Bits(8) => "vec2<u32>",
            Self::Bits(_) => "u32",
        }
    }

    /// Expression for element number `index` (a name) of `buffer`.
    pub fn load(self, buffer: &str, index: &str) -> String {
        let (wide, narrow) = (format!("{buffer}[{index}]"), self.narrow(buffer, index));
        match self {
            Self::Bits(8 | 4) => wide,
            Self::Bits(_) => narrow,
            Self::Value(dtype) => match dtype {
                DType::Bool => format!("({narrow} != 0u)"),
                DType::U8 | DType::U16 => narrow,
                DType::U32 => wide,
                DType::I8 => format!("extractBits(bitcast<i32>({narrow}), 0u, 8u)"),
                DType::I16 => format!("extractBits(bitcast<i32>({narrow}), 0u, 16u)"),
                DType::I32 => format!("bitcast<i32>({wide})"),
                DType::F32 => format!("bitcast<f32>({wide})"),
                DType::F16 => format!("ox_decode_f16({narrow})"),
                DType::BF16 => format!("bitcast<f32>({narrow} << 16u)"),
                DType::I64 => format!("i64(ox_join({wide}))"),
                DType::U64 => format!("ox_join({wide})"),
                // Refused before any text is made.
                DType::F64 => wide,
            },
        }
    }

    /// The bits of an element of less than 32 bits.
    fn narrow(self, buffer: &str, index: &str) -> String {
        match self.size() {
            1 => format!("((({buffer}[{index} >> 2u]) >> (({index} & 3u) * 8u)) & 0xffu)"),
            _ => format!("((({buffer}[{index} >> 1u]) >> (({index} & 1u) * 16u)) & 0xffffu)"),
        }
    }

    /// Expression for the bits of `value`: a word, or for packed elements a u32 of which only the lowest
    /// bits are set.
    pub fn encode(self, value: &str) -> String {
        match self {
            Self::Bits(_) => value.into(),
            Self::Value(dtype) => match dtype {
                DType::Bool => format!("select(0u, 1u, {value})"),
                DType::U8 => format!("({value} & 0xffu)"),
                DType::U16 => format!("({value} & 0xffffu)"),
                DType::U32 | DType::F64 => value.into(),
                DType::I8 => format!("(bitcast<u32>({value}) & 0xffu)"),
                DType::I16 => format!("(bitcast<u32>({value}) & 0xffffu)"),
                DType::I32 | DType::F32 => format!("bitcast<u32>({value})"),
                DType::F16 => format!("ox_encode_f16({value})"),
                DType::BF16 => format!("ox_encode_bf16({value})"),
                DType::I64 | DType::U64 => format!("ox_part(u64({value}))"),
            },
        }
    }

    /// An index, clamped to what i32 holds, from element `index` (a name) of a buffer of int32 or int64:
    /// the latter needs no 64-bit arithmetic.
    pub fn load_index(self, buffer: &str, index: &str) -> String {
        match self.size() {
            8 => format!("ox_index({buffer}[{index}])"),
            _ => format!("bitcast<i32>({buffer}[{index}])"),
        }
    }
}

/// Type of a variable that holds an element of `dtype`.
pub(crate) fn type_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::U8 | DType::U16 | DType::U32 => "u32",
        DType::I8 | DType::I16 | DType::I32 => "i32",
        DType::U64 => "u64",
        DType::I64 => "i64",
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => "f32",
    }
}
