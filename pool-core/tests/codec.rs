//! The codec's promises: what goes in comes out, or a typed error; any bytes are survived.

#[path = "codec/hostile.rs"]
mod hostile;
#[path = "codec/plain.rs"]
mod plain;
#[path = "codec/refused.rs"]
mod refused;
#[path = "codec/round_trip.rs"]
mod round_trip;

use pool_core::codec::{CodecError, decode, encode};
use serde::{Serialize, de::DeserializeOwned};

fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out).unwrap();
    out
}

/// There and back; the first error on the way.
fn trip<T: Serialize, R: DeserializeOwned>(value: &T) -> Result<R, CodecError> {
    let mut out = Vec::new();
    encode(value, &mut out)?;
    decode(&out)
}
