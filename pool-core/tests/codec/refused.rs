//! What a format without names cannot carry ends in a typed error, and works inside `Described`.

use std::collections::BTreeMap;
use std::fmt::Debug;

use pool_core::codec::{CodecErrorKind, Described};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::trip;

#[track_caller]
fn refused<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let error = trip::<T, T>(&value).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::NotSelfDescribing, "{error}");
    assert!(error.to_string().contains("`Described`"));
    // Inside other values too, where a shift would hit what follows.
    let error = trip::<_, Vec<(T, u64)>>(&[(&value, 7_u64), (&value, 7)].as_slice()).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::NotSelfDescribing, "{error}");

    let value = Described(value);
    assert_eq!(trip::<_, Described<T>>(&value).as_ref(), Ok(&value));
    let list = vec![(value, 7_u64)];
    assert_eq!(trip::<_, Vec<(Described<T>, u64)>>(&list).as_ref(), Ok(&list));
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Inner {
    b: u8,
    c: String,
}

#[test]
fn a_flattened_struct() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Outer {
        a: u8,
        #[serde(flatten)]
        inner: Inner,
    }
    refused(Outer { a: 1, inner: Inner { b: 2, c: "c".into() } });
}

#[test]
fn a_flattened_map() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Outer {
        a: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    refused(Outer { a: 1, rest: BTreeMap::new() });
    refused(Outer { a: 1, rest: BTreeMap::from([("x".into(), 1)]) });
}

#[test]
fn an_untagged_enum() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
        Text(String),
        Nothing,
    }
    refused(Untagged::Number(1));
    refused(Untagged::Text("x".into()));
    refused(Untagged::Nothing);
}

#[test]
fn an_internally_tagged_enum() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    #[serde(tag = "type")]
    enum Internal {
        A { x: u8 },
        B(Inner),
        C,
    }
    refused(Internal::A { x: 1 });
    refused(Internal::B(Inner { b: 2, c: "c".into() }));
    refused(Internal::C);
}

#[test]
fn an_adjacently_tagged_enum() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    #[serde(tag = "type", content = "content")]
    enum Adjacent {
        A { x: u8 },
        B(u64),
        C,
    }
    refused(Adjacent::A { x: 1 });
    refused(Adjacent::B(1));
    refused(Adjacent::C);
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Optional {
    a: u8,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    b: Option<u8>,
    #[serde(default)]
    c: u8,
}

#[test]
fn a_field_left_out_by_a_condition() {
    refused(Optional { a: 1, b: None, c: 3 });
}

#[test]
fn a_condition_that_leaves_nothing_out_is_no_matter() {
    let value = Optional { a: 1, b: Some(2), c: 3 };
    assert_eq!(trip::<_, Optional>(&value), Ok(value));
}

#[test]
fn an_element_left_out_of_a_tuple_struct() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Pair(#[serde(skip_serializing_if = "Option::is_none")] Option<u8>, #[serde(default)] u8);
    let error = trip::<_, Pair>(&Pair(None, 1)).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::NotSelfDescribing);
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Variant {
        Pair(#[serde(skip_serializing_if = "Option::is_none")] Option<u8>, #[serde(default)] u8),
    }
    let error = trip::<_, Variant>(&Variant::Pair(None, 1)).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::NotSelfDescribing);
}

#[test]
fn a_json_value() {
    for text in ["null", "1", "-1.5", "\"x\"", "[1,[2]]", "{\"a\":{\"b\":[true]}}"] {
        refused(serde_json::from_str::<serde_json::Value>(text).unwrap());
    }
}

#[test]
fn a_field_skipped_on_one_side_only() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Secret {
        #[serde(skip_serializing, default)]
        password: u32,
        #[serde(default)]
        id: u32,
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct ReadOnly {
        #[serde(skip_deserializing)]
        id: u32,
        name: String,
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Variant {
        Newtype(#[serde(skip_serializing)] u32),
        Struct {
            #[serde(skip_serializing, default)]
            a: u32,
            #[serde(default)]
            b: u32,
        },
    }
    refused(Secret { password: 0, id: 7 });
    refused_only(ReadOnly { id: 1, name: "x".into() });
    refused_only(Variant::Newtype(1));
    refused(Variant::Struct { a: 0, b: 1 });
}

/// For types that lose a field in any format.
#[track_caller]
fn refused_only<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let error = trip::<_, (T, u64)>(&(value, 7_u64)).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::NotSelfDescribing, "{error}");
}

#[test]
fn a_value_to_be_ignored() {
    let error = trip::<_, serde::de::IgnoredAny>(&1_u8).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::NotSelfDescribing);
}
