//! The header of an .npy file: a Python dictionary literal, read without Python.
//!
//! Reads versions 1 to 3 with the three keys that NumPy writes; refuses everything else.

use std::io::Read;

use super::npy::NpyKind;
use crate::error::DataError;
use crate::limits::Limits;

const OP: &str = "decode npy";
/// NumPy itself refuses headers above 10 000 bytes by default.
const MAX_HEADER_BYTES: usize = 65_536;
/// NumPy's own maximum is 64; nothing here has more than 4.
const MAX_RANK: usize = 32;

/// What stands before the data of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NpyHeader {
    pub(crate) kind: NpyKind,
    pub(crate) big_endian: bool,
    pub(crate) fortran_order: bool,
    pub(crate) shape: Vec<usize>,
    /// Bytes of data that must follow.
    pub(crate) num_bytes: usize,
}

impl NpyHeader {
    /// Reads the header from the start of a stream and checks the data's size against the limit.
    pub(crate) fn read(
        name: &str,
        reader: &mut dyn Read,
        limits: &Limits,
    ) -> Result<Self, DataError> {
        let bad = |expected: &str, found: &dyn std::fmt::Display| {
            DataError::format(OP, name, expected, found)
        };
        let mut read =
            |buffer: &mut [u8], what: &str| reader.read_exact(buffer).map_err(|e| bad(what, &e));
        let mut start = [0_u8; 8];
        read(&mut start, "8 bytes of magic and version")?;
        if &start[..6] != b"\x93NUMPY" {
            return Err(bad(
                "the magic \\x93NUMPY",
                &format!("{:02x?}", &start[..6]),
            ));
        }
        let length = if start[6] == 1 {
            let mut bytes = [0_u8; 2];
            read(&mut bytes, "a header length")?;
            usize::from(u16::from_le_bytes(bytes))
        } else if start[6] == 2 || start[6] == 3 {
            let mut bytes = [0_u8; 4];
            read(&mut bytes, "a header length")?;
            u32::from_le_bytes(bytes) as usize
        } else {
            return Err(bad("format version 1, 2 or 3", &start[6]));
        };
        if length > MAX_HEADER_BYTES {
            return Err(bad("a header of at most 65536 bytes", &length));
        }
        let mut text = vec![0_u8; length];
        read(&mut text, "a whole header")?;
        let text = String::from_utf8(text).map_err(|e| bad("a header of text", &e))?;
        let fields = parse_dict(&text).map_err(|e| bad("a header dictionary", &e))?;
        Self::from_fields(name, fields, limits)
    }

    fn from_fields(name: &str, fields: Fields, limits: &Limits) -> Result<Self, DataError> {
        let (Some(descr), Some(fortran_order), Some(shape)) =
            (fields.descr, fields.fortran_order, fields.shape)
        else {
            return Err(DataError::format(
                OP,
                name,
                "the keys descr, fortran_order and shape",
                "a header without one of them",
            ));
        };
        let Some((kind, big_endian)) = NpyKind::parse(&descr) else {
            let expected = "a boolean, integer or float type (no objects, no structures)";
            return Err(DataError::format(OP, name, expected, format!("{descr:?}")));
        };
        let count = shape
            .iter()
            .fold(1_u128, |n, &d| n.saturating_mul(d as u128));
        // The zero-sized dimensions of a huge shape would pass the size check but not a product.
        if shape.iter().any(|&d| d as u128 > u128::from(u32::MAX)) {
            return Err(DataError::format(
                OP,
                name,
                "dimensions below 2^32",
                format!("{shape:?}"),
            ));
        }
        let num_bytes = limits.bytes(OP, name, count.saturating_mul(kind.size() as u128))?;
        Ok(Self {
            kind,
            big_endian,
            fortran_order,
            shape,
            num_bytes,
        })
    }
}

#[derive(Default)]
struct Fields {
    descr: Option<String>,
    fortran_order: Option<bool>,
    shape: Option<Vec<usize>>,
}

/// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn parse_dict(text: &str) -> Result<Fields, String> {
    let mut cursor = Cursor { rest: text.trim() };
    let mut fields = Fields::default();
    cursor.expect('{')?;
    loop {
        if cursor.take('}') {
            break;
        }
        let key = cursor.string()?;
        cursor.expect(':')?;
        let repeated = match key.as_str() {
            "descr" => fields.descr.replace(cursor.string()?).is_some(),
            "fortran_order" => fields.fortran_order.replace(cursor.boolean()?).is_some(),
            "shape" => fields.shape.replace(cursor.tuple()?).is_some(),
            _ => return Err(format!("the unknown key {key:?}")),
        };
        if repeated {
            return Err(format!("the key {key:?} twice"));
        }
        if !cursor.take(',') {
            cursor.expect('}')?;
            break;
        }
    }
    if cursor.rest.is_empty() {
        Ok(fields)
    } else {
        Err("text after the dictionary".to_owned())
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    /// Consumes `c` and the space around it if it is next.
    fn take(&mut self, c: char) -> bool {
        match self.rest.trim_start().strip_prefix(c) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Result<(), String> {
        if self.take(c) {
            Ok(())
        } else {
            Err(format!("{:?} instead of {c:?}", self.peek()))
        }
    }

    fn peek(&self) -> String {
        self.rest.chars().take(12).collect()
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = if self.take('\'') {
            '\''
        } else {
            self.expect('"').map(|()| '"')?
        };
        let Some((body, rest)) = self.rest.split_once(quote) else {
            return Err("a string without end".to_owned());
        };
        self.rest = rest;
        if body.contains('\\') {
            Err("an escape".to_owned())
        } else {
            Ok(body.to_owned())
        }
    }

    fn boolean(&mut self) -> Result<bool, String> {
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(format!("{:?} instead of True or False", self.peek()))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        self.expect('(')?;
        let mut numbers = Vec::new();
        loop {
            if self.take(')') {
                return Ok(numbers);
            }
            let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
            let number = self.rest[..digits]
                .parse()
                .map_err(|e| format!("a dimension: {e}"))?;
            self.rest = &self.rest[digits..];
            numbers.push(number);
            if numbers.len() > MAX_RANK {
                return Err(format!("more than {MAX_RANK} dimensions"));
            }
            if !self.take(',') {
                self.expect(')')?;
                return Ok(numbers);
            }
        }
    }
}
