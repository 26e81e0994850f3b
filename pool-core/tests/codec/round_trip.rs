//! Everything serde has goes there and back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use pool_core::codec::{CodecErrorKind, Described, Plain, decode, encode};
use proptest::prelude::*;
use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple};
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};

use super::{bytes, trip};

#[track_caller]
fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    assert_eq!(trip::<T, T>(&value).as_ref(), Ok(&value));
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
pub(crate) struct Unit;

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
pub(crate) struct Newtype(u32);

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
pub(crate) struct Pair(i8, Option<String>);

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
pub(crate) struct Empty {}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
pub(crate) enum Choice {
    Unit,
    Newtype(Box<All>),
    Tuple(u8, i64),
    Struct { x: f32, y: Vec<Choice> },
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
pub(crate) struct All {
    ints: (u8, u16, u32, u64, u128, i8, i16, i32, i64, i128),
    floats: (f32, f64),
    flag: bool,
    letter: char,
    text: String,
    maybe: Option<Option<u8>>,
    list: Vec<Choice>,
    map: BTreeMap<String, Vec<u16>>,
    array: [i16; 3],
    unit: (),
    units: (Unit, Newtype, Pair, Empty),
    result: Result<u8, String>,
    #[serde(rename = "other")]
    renamed: u8,
    #[serde(skip)]
    skipped: u8,
    plain: Plain<Vec<u64>>,
    described: Described<BTreeMap<String, Option<i32>>>,
}

pub(crate) fn any_all() -> impl Strategy<Value = All> {
    let numbers = (any::<(u8, u16, u32, u64, u128, i8, i16, i32, i64)>(), any::<i128>());
    // NaN is not equal to itself; its bits have a test of their own.
    let floats = (-1e30_f32..1e30, -1e300_f64..1e300);
    let leaf = prop_oneof![Just(Choice::Unit), any::<(u8, i64)>().prop_map(|(a, b)| Choice::Tuple(a, b)),];
    let choice = leaf.prop_recursive(4, 16, 3, |inner| {
        (-1.0_f32..1.0, prop::collection::vec(inner, 0..3)).prop_map(|(x, y)| Choice::Struct { x, y })
    });
    let scalars = (
        any::<bool>(),
        any::<char>(),
        any::<String>(),
        any::<Option<Option<u8>>>(),
        any::<Result<u8, String>>(),
    );
    let many = (
        prop::collection::vec(choice, 0..4),
        prop::collection::btree_map(any::<String>(), prop::collection::vec(any::<u16>(), 0..5), 0..4),
        any::<[i16; 3]>(),
        prop::collection::vec(any::<u64>(), 0..9),
        prop::collection::btree_map(any::<String>(), any::<Option<i32>>(), 0..4),
    );
    (numbers, floats, scalars, many).prop_map(|(((a, b, c, d, e, f, g, h, i), j), floats, scalars, many)| {
        let (flag, letter, text, maybe, result) = scalars;
        let (list, map, array, plain, described) = many;
        All {
            ints: (a, b, c, d, e, f, g, h, i, j),
            floats,
            flag,
            letter,
            units: (Unit, Newtype(c), Pair(f, Some(text.clone())), Empty {}),
            text,
            maybe,
            list,
            map,
            array,
            unit: (),
            result,
            renamed: a,
            skipped: 0,
            plain: Plain(plain),
            described: Described(described),
        }
    })
}

proptest! {
    #[test]
    fn any_value_comes_back(value in any_all()) {
        prop_assert_eq!(trip::<_, All>(&value), Ok(value.clone()));
        let nested = Choice::Newtype(Box::new(value));
        prop_assert_eq!(trip::<_, Choice>(&nested), Ok(nested));
    }

    #[test]
    fn any_value_comes_back_described(mut value in any_all()) {
        // As in most formats that describe themselves, these two are one.
        if value.maybe == Some(None) {
            value.maybe = None;
        }
        let value = Described(value);
        prop_assert_eq!(trip::<_, Described<All>>(&value), Ok(value));
    }

    #[test]
    fn float_bits_are_kept(a in any::<u32>(), b in any::<u64>()) {
        let value = (f32::from_bits(a), f64::from_bits(b));
        let (c, d): (f32, f64) = trip(&value).unwrap();
        prop_assert_eq!((c.to_bits(), d.to_bits()), (a, b));
        let Plain(list): Plain<Vec<f64>> = trip(&Plain(vec![value.1])).unwrap();
        prop_assert_eq!(list[0].to_bits(), b);
        let Described((c, d)): Described<(f32, f64)> = trip(&Described(value)).unwrap();
        prop_assert_eq!((c.to_bits(), d.to_bits()), (a, b));
    }
}

#[test]
fn nan_bit_patterns_are_kept() {
    for bits in [0x7ff8_0000_0000_0001_u64, 0xfff0_dead_beef_0001, 0x7ff0_0000_0000_0001] {
        let nan: f64 = trip(&f64::from_bits(bits)).unwrap();
        assert_eq!(nan.to_bits(), bits);
    }
}

#[test]
fn types_of_std_come_back() {
    same((u128::MAX, i128::MIN, u64::MAX, i64::MIN, usize::MAX, isize::MIN));
    same(('\0', char::MAX, "", "žluť".to_string().into_boxed_str()).2.to_string());
    same(('\0', char::MAX));
    same(Duration::new(7, 999_999_999));
    same(UNIX_EPOCH + Duration::from_millis(1500));
    same(IpAddr::V4(Ipv4Addr::LOCALHOST));
    same(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 80));
    same(PathBuf::from("a/b"));
    same(NonZeroU32::MIN);
    same(std::ffi::CString::new("c").unwrap());
    same(std::ffi::OsString::from("os"));
    same((0..5, 0..=5, ..5, 5..));
    same(std::ops::Bound::Excluded(3));
    same(std::num::Wrapping(3_u8));
    same(HashMap::from([(1, "one".to_string()), (2, "two".to_string())]));
    same(HashSet::from([1, 2, 3]));
    same(BTreeSet::from([(); 1]));
    same(VecDeque::from([1.5, 2.5]));
    same([[1_u8; 4]; 4]);
    same(Box::new(Some(Ok::<u8, ()>(3))));
    same(std::cell::Cell::new(5));
    same(std::marker::PhantomData::<u8>);
    same((1, (2, (3, (4, ())))));
}

#[test]
fn vectors_of_nothing_come_back() {
    same(vec![(); 100_000]);
    same(vec![Unit; 1000]);
    same(vec![Empty {}; 10]);
    same(vec![[0_u8; 0]; 10]);
    same(BTreeMap::from([((), ())]));
    same(vec![vec![(); 7]; 7]);
}

#[test]
fn encode_appends_and_takes_back_what_failed() {
    let mut out = vec![9];
    encode(&1_u8, &mut out).unwrap();
    assert_eq!(out, [9, 1]);
    encode(&(1_u8, Short), &mut out).unwrap_err();
    assert_eq!(out, [9, 1]);
}

/// A sequence, or a map of each number to itself, that does not know its length or lies about it.
struct Stream(Option<usize>, Vec<u8>, bool);

impl Serialize for Stream {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.2 {
            let mut map = serializer.serialize_map(self.0)?;
            for number in &self.1 {
                map.serialize_entry(number, number)?;
            }
            return map.end();
        }
        let mut seq = serializer.serialize_seq(self.0)?;
        for number in &self.1 {
            seq.serialize_element(number)?;
        }
        seq.end()
    }
}

#[test]
fn a_length_unknown_or_wrong_is_put_right() {
    for announced in [None, Some(0), Some(3), Some(usize::MAX)] {
        let list = vec![1, 2, 3];
        let seq: (Vec<u8>, u8) = trip(&(Stream(announced, list.clone(), false), 4_u8)).unwrap();
        assert_eq!(seq, (list.clone(), 4));
        let map: BTreeMap<u8, u8> = trip(&Stream(announced, list, true)).unwrap();
        assert_eq!(map, BTreeMap::from([(1, 1), (2, 2), (3, 3)]));
    }
}

/// A tuple that announces two elements and writes one.
struct Short;

impl Serialize for Short {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&1_u8)?;
        tuple.end()
    }
}

#[test]
fn a_tuple_that_lies_about_its_length_is_refused() {
    let error = encode(&Short, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::Invalid);
}

#[test]
fn text_from_display_is_text() {
    struct Shown;
    impl Serialize for Shown {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(&format_args!("{}-{}", 1, 2))
        }
    }
    assert_eq!(trip::<_, String>(&Shown), Ok("1-2".to_string()));
}

macro_rules! wide {
    ($($field:ident)*) => {
        #[derive(Serialize, Deserialize, Debug, PartialEq, Default)]
        struct Wide { $($field: u8),* }
    };
}

wide!(
    a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 c0 c1 c2 c3 c4 c5 c6 c7 c8 c9
    d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 f0 f1 f2 f3 f4 f5 f6 f7 f8 f9
    g0 g1 g2 g3 g4 g5 g6 g7 g8 g9 h0 h1 h2 h3 h4 h5 h6 h7 h8 h9 i0 i1 i2 i3 i4 i5 i6 i7 i8 i9
    j0 j1 j2 j3 j4 j5 j6 j7 j8 j9 k0 k1 k2 k3 k4 k5 k6 k7 k8 k9 l0 l1 l2 l3 l4 l5 l6 l7 l8 l9
    m0 m1 m2 m3 m4 m5 m6 m7 m8 m9 n0 n1 n2 n3 n4 n5 n6 n7 n8 n9 o0 o1 o2 o3 o4 o5 o6 o7 o8 o9
    p0 p1 p2 p3 p4 p5 p6 p7 p8 p9 q0 q1 q2 q3 q4 q5 q6 q7 q8 q9 r0 r1 r2 r3 r4 r5 r6 r7 r8 r9
    s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 t0 t1 t2 t3 t4 t5 t6 t7 t8 t9 u0 u1 u2 u3 u4 u5 u6 u7 u8 u9
    v0 v1 v2 v3 v4 v5 v6 v7 v8 v9 w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 x0 x1 x2 x3 x4 x5 x6 x7 x8 x9
    y0 y1 y2 y3 y4 y5 y6 y7 y8 y9 z0 z1 z2 z3 z4 z5 z6 z7 z8 z9
);

#[test]
fn a_struct_of_260_fields_comes_back() {
    let value = Wide { a0: 1, z9: 2, ..Wide::default() };
    assert_eq!(bytes(&value).len(), 5 + 260);
    same(value);
}

#[test]
fn a_field_with_aliases_comes_back() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Aliased {
        #[serde(alias = "b", alias = "c")]
        a: u8,
        #[serde(rename(serialize = "x", deserialize = "y"))]
        d: String,
    }
    let value = Aliased { a: 1, d: "d".to_string() };
    same(vec![(value, 7)]);
}

#[test]
fn an_error_can_be_sent_too() {
    let error = decode::<u64>(&[]).unwrap_err();
    same(error);
}
