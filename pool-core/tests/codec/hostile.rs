//! Any bytes give an error or a value.

use std::collections::{BTreeMap, HashMap, HashSet};

use pool_core::codec::{CodecErrorKind, Described, MAX_DEPTH, Plain, decode};
use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::round_trip::{All, Choice, any_all};
use super::{bytes, trip};

/// A list whose only nesting is its options.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Link(Option<Box<Link>>);

/// The same with nothing of its own in the bytes.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(transparent)]
struct Bare(Option<Box<Bare>>);

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Tree {
    children: Vec<Tree>,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Chain {
    End,
    Next(Box<Chain>),
    Map(BTreeMap<u8, Chain>),
    Pair(Box<Chain>, u8),
    Struct { next: Box<Chain> },
}

/// Each level starts another reader of described bytes.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Again {
    again: Option<Box<Described<Again>>>,
}

/// Reads the bytes as many types; a value that comes out goes in again.
fn read_all(input: &[u8]) {
    fn read<T: Serialize + DeserializeOwned>(input: &[u8]) {
        if let Ok(value) = decode::<T>(input) {
            bytes(&value);
        }
        // An error is the other good end.
    }
    read::<All>(input);
    read::<Vec<Choice>>(input);
    read::<u64>(input);
    read::<char>(input);
    read::<String>(input);
    read::<Vec<String>>(input);
    read::<Vec<(u64, f64)>>(input);
    read::<HashMap<String, Vec<bool>>>(input);
    read::<HashSet<[u8; 3]>>(input);
    read::<Link>(input);
    read::<Bare>(input);
    read::<Tree>(input);
    read::<Chain>(input);
    read::<Again>(input);
    read::<Plain<Vec<u32>>>(input);
    read::<Result<Option<std::time::Duration>, std::net::IpAddr>>(input);
    read::<serde_json::Value>(input);
    for described in [input.to_vec(), bytes(&Plain(input.to_vec()))] {
        read::<Described<serde_json::Value>>(&described);
        read::<Described<All>>(&described);
        read::<Described<Vec<Chain>>>(&described);
        read::<Described<Tree>>(&described);
        read::<Described<Again>>(&described);
        read::<Described<Vec<HashMap<String, u64>>>>(&described);
    }
}

proptest! {
    #[test]
    fn random_bytes_are_survived(input in any::<Vec<u8>>()) {
        read_all(&input);
    }

    #[test]
    fn random_small_bytes_are_survived(input in prop::collection::vec(0_u8..4, 0..200)) {
        read_all(&input);
    }

    #[test]
    fn mutated_encodings_are_survived(
        value in any_all(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        for mut input in [bytes(&value), bytes(&Described(&value))] {
            for (at, byte) in &changes {
                let at = at.index(input.len());
                input[at] = *byte;
            }
            if cut {
                input.truncate(end.index(input.len()));
            }
            let _ = decode::<All>(&input);
            let _ = decode::<Described<All>>(&input);
        }
    }

    #[test]
    fn every_cut_is_truncated(value in any_all(), end in any::<prop::sample::Index>()) {
        let input = bytes(&value);
        let cut = &input[..end.index(input.len())];
        prop_assert_eq!(decode::<All>(cut).unwrap_err().kind(), CodecErrorKind::Truncated);
    }

    #[test]
    fn bytes_left_over_are_an_error(value in any_all(), more in any::<u8>()) {
        let mut input = bytes(&value);
        input.push(more);
        let error = decode::<All>(&input).unwrap_err();
        prop_assert_eq!(error.kind(), CodecErrorKind::TrailingBytes);
    }
}

#[test]
fn values_that_are_none_are_invalid() {
    let kind = |input: &[u8]| decode::<(bool, Option<u8>)>(input).unwrap_err().kind();
    assert_eq!(kind(&[2, 0]), CodecErrorKind::Invalid);
    assert_eq!(kind(&[1, 2]), CodecErrorKind::Invalid);
    let error = decode::<char>(&0xd800_u32.to_le_bytes()).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::Invalid);
    let error = decode::<String>(&bytes(&Plain(vec![0xff_u8]))).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::Invalid);
    let error = decode::<Chain>(&99_u32.to_le_bytes()).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::Invalid);
    let error = decode::<std::num::NonZeroU8>(&[0]).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::Invalid);
}

#[test]
fn a_hostile_length_does_not_spin() {
    for len in [u64::MAX, 1 << 60, 1 << 27] {
        let error = decode::<Vec<()>>(&len.to_le_bytes()).unwrap_err();
        assert_eq!(error.kind(), CodecErrorKind::Truncated);
        let error = decode::<HashMap<(), ()>>(&len.to_le_bytes()).unwrap_err();
        assert_eq!(error.kind(), CodecErrorKind::Truncated);
    }
}

fn link(depth: u32) -> Link {
    (0..depth).fold(Link(None), |link, _| Link(Some(Box::new(link))))
}

fn tree(depth: u32) -> Tree {
    (1..depth).fold(Tree { children: vec![] }, |tree, _| Tree { children: vec![tree] })
}

#[test]
fn nesting_is_bounded_when_written() {
    assert_eq!(trip(&link(MAX_DEPTH)), Ok(link(MAX_DEPTH)));
    assert_eq!(trip(&tree(MAX_DEPTH)), Ok(tree(MAX_DEPTH)));
    // What is left at one depth is free again: siblings are no nesting.
    let flat: Vec<_> = (0..1000_u16).map(|x| (Some(x), vec![Some(Chain::End)])).collect();
    assert_eq!(trip(&flat), Ok(flat));

    for error in [
        trip::<_, Link>(&link(MAX_DEPTH + 1)).unwrap_err(),
        trip::<_, Link>(&link(2000)).unwrap_err(),
        trip::<_, Tree>(&tree(MAX_DEPTH + 1)).unwrap_err(),
        trip::<_, Described<Tree>>(&Described(tree(2000))).unwrap_err(),
    ] {
        assert_eq!(error.kind(), CodecErrorKind::TooDeep);
    }
}

#[test]
fn nesting_is_bounded_when_read() {
    let deep = 100_000;
    let kind = |error: pool_core::codec::CodecError| error.kind();
    let input = vec![1; deep];
    assert_eq!(kind(decode::<Link>(&input).unwrap_err()), CodecErrorKind::TooDeep);
    assert_eq!(kind(decode::<Bare>(&input).unwrap_err()), CodecErrorKind::TooDeep);
    let input = [1, 1, 0, 0, 0, 0, 0, 0, 0].repeat(deep);
    assert_eq!(kind(decode::<Tree>(&input).unwrap_err()), CodecErrorKind::TooDeep);
    let level: [&[u8]; 4] = [
        &[1, 0, 0, 0x40],
        &[2, 0, 0, 0x40, 1, 0, 0, 0, 0, 0, 0, 0, 7],
        &[3, 0, 0, 0x80, 2],
        &[4, 0, 0, 0xc0, 1],
    ];
    for level in level {
        let input = level.repeat(deep);
        assert_eq!(kind(decode::<Chain>(&input).unwrap_err()), CodecErrorKind::TooDeep);
    }
}

#[test]
fn nesting_of_described_bytes_is_bounded() {
    let deep = 100_000;
    let described = |input: Vec<u8>| bytes(&Plain(input));
    // An array of an array of ..., and a variant in a variant in ...
    let error = decode::<Described<serde_json::Value>>(&described(vec![0x91; deep])).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::TooDeep);
    let input = b"\x81\xa4Next".repeat(deep);
    let error = decode::<Described<Chain>>(&described(input)).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::TooDeep);

    // Bytes in bytes in bytes.
    let mut input = b"\x81\xa5again\xc0".to_vec();
    for _ in 0..1000 {
        let mut outer = b"\x81\xa5again\xc6".to_vec();
        outer.extend((input.len() as u32).to_be_bytes());
        outer.extend(&input);
        input = outer;
    }
    let error = decode::<Described<Again>>(&described(input)).unwrap_err();
    assert_eq!(error.kind(), CodecErrorKind::TooDeep);
}

#[test]
fn described_bytes_are_checked_before_they_are_read() {
    let kind = |input: &[u8]| {
        let input = bytes(&Plain(input.to_vec()));
        decode::<Described<Vec<u8>>>(&input).unwrap_err()
    };
    for input in [&b""[..], b"\xdd\xff\xff\xff\xff", b"\x92\x01", b"\xc1", b"\x90\x90"] {
        kind(input);
    }
    // The level of one failed value does not weigh on the next.
    for _ in 0..10 {
        assert_eq!(trip(&Described(1_u8)), Ok(Described(1_u8)));
    }
}
