//! Vectors of numbers inside other values.

use std::fmt;
use std::marker::PhantomData;

use bytemuck::Pod;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::numbers;

/// A `Vec` of numbers that travels at memory speed inside another value.
///
/// serde carries a `Vec<f64>` in a struct one element at a time; a `Plain<Vec<f64>>` goes as one
/// run of bytes. Any [`bytemuck::Pod`] element will do, also a struct of numbers. The bytes are in
/// the machine's byte order.
///
/// ```
/// use pool_core::codec::{self, Plain};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Image {
///     width: u32,
///     pixels: Plain<Vec<f32>>,
/// }
///
/// let image = Image { width: 2, pixels: Plain(vec![0.5, 1.0]) };
/// let mut bytes = Vec::new();
/// codec::encode(&image, &mut bytes)?;
/// let image: Image = codec::decode(&bytes)?;
/// assert_eq!(image.pixels.0, [0.5, 1.0]);
/// # Ok::<(), codec::CodecError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plain<T>(
    /// The vector.
    pub T,
);

impl<T> From<T> for Plain<T> {
    fn from(value: T) -> Self {
        Plain(value)
    }
}

impl<N: Pod> Serialize for Plain<Vec<N>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const { assert!(size_of::<N>() > 0, "elements without content have no bytes") };
        serializer.serialize_bytes(bytemuck::cast_slice(&self.0))
    }
}

impl<'de, N: Pod> Deserialize<'de> for Plain<Vec<N>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const { assert!(size_of::<N>() > 0, "elements without content have no bytes") };
        deserializer.deserialize_bytes(PlainVisitor(PhantomData))
    }
}

struct PlainVisitor<N>(PhantomData<N>);

impl<'de, N: Pod> de::Visitor<'de> for PlainVisitor<N> {
    type Value = Plain<Vec<N>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a vector of numbers")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        match numbers(bytes) {
            Ok(numbers) => Ok(Plain(numbers)),
            Err(_) => Err(E::invalid_length(bytes.len(), &self)),
        }
    }

    // Formats without bytes, such as JSON, write them as a sequence.
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}
