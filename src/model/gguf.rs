//! The header of a GGUF file, read to know whether the file is one, and whether all of it is there.
//!
//! Layout (little-endian, versions 2 and 3): `GGUF`, version u32, tensor count u64, metadata count u64; metadata (key, type, value); tensor
//! descriptions (name, dimensions, type, offset); padding to the alignment; the tensors. After the GGUF specification in llama.cpp's repository.
//!
//! The file comes from elsewhere: every length is checked before it is believed, and nothing is allocated for more than a name.

use std::io::{self, BufRead, Read};

/// What the header says.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    /// The kind of model, such as `llama`.
    pub architecture: String,
    /// Whether there is a chat template, without which a model cannot hold a conversation.
    pub has_chat_template: bool,
    /// Bytes that the file must have, for its last tensor to be whole.
    pub whole_bytes: u64,
}

pub const MAGIC: [u8; 4] = *b"GGUF";

/// Tensors or metadata entries of one file. The largest models have a few thousand tensors.
const COUNT_LIMIT: u64 = 1 << 16;
/// Bytes of a key, a tensor's name or the architecture: 65535 by the specification.
const NAME_LIMIT: u64 = 1 << 16;
/// Bytes from one description to the next when the file names no other.
const ALIGNMENT: u64 = 32;

/// Reads a header.
///
/// # Errors
/// Why this is no header, as part of a sentence.
pub fn read(stream: impl BufRead) -> Result<Header, String> {
    let mut fields = Fields { stream, at: 0 };
    fields.header().map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends in the middle of its header".to_owned(),
        _ => error.to_string(),
    })
}

struct Fields<R> {
    stream: R,
    /// Bytes read so far.
    at: u64,
}

impl<R: BufRead> Fields<R> {
    fn header(&mut self) -> io::Result<Header> {
        if self.bytes::<4>()? != MAGIC {
            return Err(wrong("it does not begin as a GGUF file"));
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(wrong(format!("its GGUF version is {version}, and 2 and 3 are known")));
        }
        let tensors = self.count(COUNT_LIMIT)?;
        let entries = self.count(COUNT_LIMIT)?;
        if tensors == 0 {
            return Err(wrong("it holds no tensors"));
        }
        let mut header = Header { architecture: String::new(), has_chat_template: false, whole_bytes: 0 };
        let mut alignment = ALIGNMENT;
        for _ in 0..entries {
            let key = self.name()?;
            match (key.as_str(), self.u32()?) {
                ("general.architecture", STRING) => header.architecture = self.name()?,
                ("general.alignment", UINT32) => alignment = u64::from(self.u32()?),
                (key, kind) => {
                    header.has_chat_template |= key == "tokenizer.chat_template";
                    self.skip_value(kind)?;
                }
            }
        }
        if header.architecture.is_empty() {
            return Err(wrong("it does not say what kind of model it is"));
        }
        if !alignment.is_power_of_two() {
            return Err(wrong("its alignment makes no sense"));
        }
        let mut tensors_end = 0;
        for _ in 0..tensors {
            tensors_end = tensors_end.max(self.tensor_end()?);
        }
        header.whole_bytes = self.at.next_multiple_of(alignment).checked_add(tensors_end).ok_or_else(too_large)?;
        Ok(header)
    }

    /// Where a tensor ends, counted from the first one's beginning.
    fn tensor_end(&mut self) -> io::Result<u64> {
        self.name()?;
        let dimensions = self.u32()?;
        if dimensions > 4 {
            return Err(wrong(format!("one of its tensors has {dimensions} dimensions")));
        }
        let mut elements = 1u64;
        for _ in 0..dimensions {
            elements = elements.checked_mul(self.u64()?).ok_or_else(too_large)?;
        }
        let (block, bytes) = block(self.u32()?);
        let offset = self.u64()?;
        elements.div_ceil(block).checked_mul(bytes).and_then(|bytes| offset.checked_add(bytes)).ok_or_else(too_large)
    }

    fn skip_value(&mut self, kind: u32) -> io::Result<()> {
        match kind {
            STRING => {
                let bytes = self.u64()?;
                self.skip(bytes)
            }
            ARRAY => {
                // Arrays of arrays are allowed, but nobody writes them; refusing them keeps this from recursing as deep as a file likes.
                let (kind, count) = (self.u32()?, self.u64()?);
                match kind {
                    ARRAY => Err(wrong("it holds an array of arrays")),
                    STRING => (0..count).try_for_each(|_| self.skip_value(STRING)),
                    kind => self.skip(scalar(kind)?.checked_mul(count).ok_or_else(too_large)?),
                }
            }
            kind => self.skip(scalar(kind)?),
        }
    }

    fn name(&mut self) -> io::Result<String> {
        let length = self.count(NAME_LIMIT)?;
        let mut name = Vec::new();
        let read = (&mut self.stream).take(length).read_to_end(&mut name)?;
        self.at += length;
        match u64::try_from(read) == Ok(length) {
            true => String::from_utf8(name).map_err(|_| wrong("one of its names is not UTF-8")),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn count(&mut self, limit: u64) -> io::Result<u64> {
        match self.u64()? {
            count if count <= limit => Ok(count),
            count => Err(wrong(format!("it claims {count} of something that should be at most {limit}"))),
        }
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.stream).take(bytes), &mut io::sink())?;
        self.at += skipped;
        if skipped == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> io::Result<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        self.at += u64::try_from(N).unwrap_or(0);
        Ok(bytes)
    }
}

const UINT32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Bytes of a metadata value that is neither a string nor an array.
fn scalar(kind: u32) -> io::Result<u64> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        other => Err(wrong(format!("it holds metadata of the unknown type {other}"))),
    }
}

/// Elements and bytes of a block of a tensor type, numbered as in ggml. An unknown one counts as empty: llama.cpp may know it, we cannot measure it.
fn block(tensor_type: u32) -> (u64, u64) {
    match tensor_type {
        0 | 26 => (1, 4),      // F32, I32
        1 | 25 | 30 => (1, 2), // F16, I16, BF16
        24 => (1, 1),          // I8
        27 | 28 => (1, 8),     // I64, F64
        2 | 20 => (32, 18),    // Q4_0, IQ4_NL
        3 => (32, 20),         // Q4_1
        6 => (32, 22),         // Q5_0
        7 => (32, 24),         // Q5_1
        8 => (32, 34),         // Q8_0
        39 => (32, 17),        // MXFP4
        10 => (256, 84),       // Q2_K
        11 | 21 => (256, 110), // Q3_K, IQ3_S
        12 => (256, 144),      // Q4_K
        13 => (256, 176),      // Q5_K
        14 => (256, 210),      // Q6_K
        16 | 35 => (256, 66),  // IQ2_XXS, TQ2_0
        17 => (256, 74),       // IQ2_XS
        18 => (256, 98),       // IQ3_XXS
        19 => (256, 50),       // IQ1_S
        22 => (256, 82),       // IQ2_S
        23 => (256, 136),      // IQ4_XS
        29 => (256, 56),       // IQ1_M
        34 => (256, 54),       // TQ1_0
        _ => (1, 0),
    }
}

fn wrong(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

fn too_large() -> io::Error {
    wrong("its sizes make no sense")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A small model file: one entry of each shape, one tensor of 64 numbers as Q4_1 (40 bytes). Not one that llama.cpp could run.
    pub fn tiny() -> Vec<u8> {
        let mut file = Vec::new();
        let text = |file: &mut Vec<u8>, text: &str| {
            file.extend(u64::try_from(text.len()).unwrap().to_le_bytes());
            file.extend(text.as_bytes());
        };
        file.extend(MAGIC);
        file.extend(3u32.to_le_bytes());
        file.extend(1u64.to_le_bytes());
        file.extend(4u64.to_le_bytes());
        text(&mut file, "general.architecture");
        file.extend(STRING.to_le_bytes());
        text(&mut file, "llama");
        text(&mut file, "llama.context_length");
        file.extend(UINT32.to_le_bytes());
        file.extend(8192u32.to_le_bytes());
        text(&mut file, "tokenizer.ggml.tokens");
        file.extend(ARRAY.to_le_bytes());
        file.extend(STRING.to_le_bytes());
        file.extend(2u64.to_le_bytes());
        text(&mut file, "a");
        text(&mut file, "b");
        text(&mut file, "tokenizer.chat_template");
        file.extend(STRING.to_le_bytes());
        text(&mut file, "{{ messages }}");
        text(&mut file, "token_embd.weight");
        file.extend(2u32.to_le_bytes());
        file.extend(32u64.to_le_bytes());
        file.extend(2u64.to_le_bytes());
        file.extend(3u32.to_le_bytes());
        file.extend(0u64.to_le_bytes());
        file.resize(file.len().next_multiple_of(32) + 40, 7);
        file
    }

    #[test]
    fn a_header_says_how_long_its_file_must_be() {
        let file = tiny();
        let whole_bytes = u64::try_from(file.len()).unwrap();
        assert_eq!(read(file.as_slice()), Ok(Header { architecture: "llama".to_owned(), has_chat_template: true, whole_bytes }));
    }

    #[test]
    fn a_header_cut_anywhere_is_refused() {
        let file = tiny();
        for length in 0..file.len() - 72 {
            assert!(read(&file[..length]).is_err(), "cut after {length} bytes");
        }
    }

    #[test]
    fn a_damaged_header_neither_panics_nor_fills_the_memory() {
        let file = tiny();
        for at in 0..file.len() - 72 {
            for byte in [0, 0x7F, 0xFF] {
                let mut damaged = file.clone();
                damaged[at] = byte;
                let _ = read(damaged.as_slice());
            }
        }
    }

    #[test]
    fn what_is_no_gguf_is_said() {
        assert_eq!(read(&b"<html>404 not found</html>"[..]).unwrap_err(), "it does not begin as a GGUF file");
        assert_eq!(read(&b"GGUF\x09\0\0\0"[..]).unwrap_err(), "its GGUF version is 9, and 2 and 3 are known");
        assert_eq!(read(&b"GGUF"[..]).unwrap_err(), "it ends in the middle of its header");
    }
}
