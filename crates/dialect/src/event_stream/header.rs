//! The headers of a message: names, and values of ten types.

use super::Error;

/// The value of a header. True and false are types of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Types 0 and 1.
    Bool(bool),
    /// Type 2: one byte.
    Byte(i8),
    /// Type 3: two bytes.
    Short(i16),
    /// Type 4: four bytes.
    Int(i32),
    /// Type 5: eight bytes.
    Long(i64),
    /// Type 6: bytes, with their length before them.
    Bytes(&'a [u8]),
    /// Type 7: a text, the same.
    Text(&'a str),
    /// Type 8: milliseconds since 1970.
    Timestamp(i64),
    /// Type 9: sixteen bytes.
    Uuid([u8; 16]),
}

/// Takes headers off a block, one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Headers<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Headers<'a> {
    type Item = Result<(&'a str, Value<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let header = self.header();
        if header.is_none() {
            self.0 = &[];
        }
        Some(header.ok_or(Error::Header))
    }
}

impl<'a> Headers<'a> {
    fn header(&mut self) -> Option<(&'a str, Value<'a>)> {
        let [length] = self.take()?;
        let name = str::from_utf8(self.bytes(usize::from(length))?).ok().filter(|name| !name.is_empty())?;
        let [kind] = self.take()?;
        let value = match kind {
            0 => Value::Bool(true),
            1 => Value::Bool(false),
            2 => Value::Byte(i8::from_be_bytes(self.take()?)),
            3 => Value::Short(i16::from_be_bytes(self.take()?)),
            4 => Value::Int(i32::from_be_bytes(self.take()?)),
            5 => Value::Long(i64::from_be_bytes(self.take()?)),
            6 => Value::Bytes(self.sized()?),
            7 => Value::Text(str::from_utf8(self.sized()?).ok()?),
            8 => Value::Timestamp(i64::from_be_bytes(self.take()?)),
            9 => Value::Uuid(self.take()?),
            _ => return None,
        };
        Some((name, value))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.take()?);
        self.bytes(usize::from(length))
    }
}

/// Writes a header.
pub(super) fn write(out: &mut Vec<u8>, name: &str, value: &Value<'_>) -> Result<(), Error> {
    let length = u8::try_from(name.len()).map_err(|_| Error::TooLong)?;
    if length == 0 {
        return Err(Error::Header);
    }
    out.push(length);
    out.extend_from_slice(name.as_bytes());
    match value {
        Value::Bool(true) => out.push(0),
        Value::Bool(false) => out.push(1),
        Value::Byte(number) => tagged(out, 2, &number.to_be_bytes()),
        Value::Short(number) => tagged(out, 3, &number.to_be_bytes()),
        Value::Int(number) => tagged(out, 4, &number.to_be_bytes()),
        Value::Long(number) => tagged(out, 5, &number.to_be_bytes()),
        Value::Bytes(bytes) => sized(out, 6, bytes)?,
        Value::Text(text) => sized(out, 7, text.as_bytes())?,
        Value::Timestamp(time) => tagged(out, 8, &time.to_be_bytes()),
        Value::Uuid(bytes) => tagged(out, 9, bytes),
    }
    Ok(())
}

fn tagged(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(kind);
    out.extend_from_slice(bytes);
}

fn sized(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) -> Result<(), Error> {
    // The specification bounds values by what a signed length can say.
    let length = i16::try_from(bytes.len()).map_err(|_| Error::TooLong)?;
    tagged(out, kind, &length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}
