//! What can go wrong when a value is encoded or decoded.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, de, ser};

const NOT_SELF_DESCRIBING: &str = "this type needs a format that describes itself (flatten, \
    untagged, internally or adjacently tagged enums, skip_serializing_if, serde_json::Value): \
    wrap it in `Described`";
const TRUNCATED: &str = "the bytes end before the value does: check that both sides run the same \
    build and that all bytes arrived";
const TRAILING: &str = "bytes are left over after the value: check that both sides mean the same \
    type";
const TOO_DEEP: &str = "the value nests too deeply: send a flatter one, such as a `Vec` of nodes \
    with indices";

/// Why a value could not be encoded or decoded.
///
/// Its text is a fragment that says what to do; [`kind`](Self::kind) is for programs. It can
/// itself be sent to another process.
///
/// ```
/// use pool_core::codec::{self, CodecErrorKind};
///
/// let error = codec::decode::<u64>(&[1, 2, 3]).unwrap_err();
/// assert_eq!(error.kind(), CodecErrorKind::Truncated);
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecError(
    // Boxed, so that the `Result` of each small write is one word.
    Box<Inner>,
);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inner {
    kind: CodecErrorKind,
    text: Cow<'static, str>,
}

/// The kinds of [`CodecError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CodecErrorKind {
    /// The type relies on names or types being in the bytes; [`Described`](super::Described)
    /// carries it.
    NotSelfDescribing,
    /// The bytes end before the value does.
    Truncated,
    /// The value ends before the bytes do.
    TrailingBytes,
    /// The bytes cannot be a value of this type, or the value contradicts its own length.
    Invalid,
    /// The value nests deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
    /// The type's own `Serialize` or `Deserialize` refused, with a message.
    Message,
}

impl CodecError {
    /// What went wrong, for programs.
    pub fn kind(&self) -> CodecErrorKind {
        self.0.kind
    }

    #[cold]
    fn new(kind: CodecErrorKind, text: impl Into<Cow<'static, str>>) -> Self {
        let text = text.into();
        CodecError(Box::new(Inner { kind, text }))
    }

    #[cold]
    pub(super) fn not_self_describing() -> Self {
        Self::new(CodecErrorKind::NotSelfDescribing, NOT_SELF_DESCRIBING)
    }

    #[cold]
    pub(super) fn truncated() -> Self {
        Self::new(CodecErrorKind::Truncated, TRUNCATED)
    }

    #[cold]
    pub(super) fn trailing() -> Self {
        Self::new(CodecErrorKind::TrailingBytes, TRAILING)
    }

    #[cold]
    pub(super) fn too_deep() -> Self {
        Self::new(CodecErrorKind::TooDeep, TOO_DEEP)
    }

    #[cold]
    pub(super) fn invalid(text: &'static str) -> Self {
        Self::new(CodecErrorKind::Invalid, text)
    }

    /// The kind survives a passage through another format's error, which keeps only the text.
    #[cold]
    fn from_text(text: String) -> Self {
        let known =
            [(NOT_SELF_DESCRIBING, CodecErrorKind::NotSelfDescribing), (TOO_DEEP, CodecErrorKind::TooDeep)];
        let kind = known.iter().find(|(fixed, _)| text.ends_with(fixed));
        Self::new(kind.map_or(CodecErrorKind::Message, |(_, kind)| *kind), text)
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodecError({:?}: {})", self.0.kind, self.0.text)
    }
}

impl std::error::Error for CodecError {}

impl ser::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::from_text(message.to_string())
    }
}

impl de::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::from_text(message.to_string())
    }

    // serde's own complaints about a value are about bytes that do not fit the type.
    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::mismatch(format!("invalid type: {unexpected}, expected {expected}"))
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::mismatch(format!("invalid value: {unexpected}, expected {expected}"))
    }

    fn invalid_length(len: usize, expected: &dyn de::Expected) -> Self {
        Self::mismatch(format!("invalid length {len}, expected {expected}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::mismatch(format!("unknown variant `{variant}`, expected one of {expected:?}"))
    }
}

impl CodecError {
    #[cold]
    fn mismatch(what: String) -> Self {
        let text = format!("{what}: check that both sides mean the same type");
        Self::new(CodecErrorKind::Invalid, text)
    }
}
