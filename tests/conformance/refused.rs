//! What may not cross to another process is a typed error at the call: no hang, no other value, and
//! the pool goes on. A thread pool encodes nothing, so there it simply works.

use std::collections::BTreeMap;
use std::fmt::Debug;

use pool::codec::Described;
use pool::{ErrorKind, Message, Pool, Result, with};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{Backend, crew, on_every_backend};

#[track_caller]
fn assert_refused<B: Backend, T: PartialEq + Debug>(result: Result<T>, value: &T) {
    if B::IS_PROCESS {
        let error = result.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Encode | ErrorKind::Decode), "{error}");
        assert!(error.to_string().contains("`Described`"), "it says what helps: {error}");
    } else {
        assert_eq!(result.unwrap(), *value);
    }
}

/// As an argument, a result, an item, a context; and then within [`Described`].
#[track_caller]
fn needs_description<B: Backend, T>(value: T)
where
    T: Message + Sync + Clone + Default + PartialEq + Debug,
{
    let pool = B::pool(2);
    let before = crew(&pool, 2);
    assert_refused::<B, _>(pool.apply(|value: T| value, value.clone()), &value);
    assert_refused::<B, _>(pool.apply(|_: T| 7, value.clone()), &7);
    let made = |_: u64| T::default();
    let empty = pool.apply(made, 0);
    if let Ok(empty) = empty {
        assert_eq!(empty, T::default(), "what does arrive is right");
    }
    assert_refused::<B, _>(pool.map(|value: T| value, vec![value.clone(); 3]), &vec![value.clone(); 3]);
    let bound = with(value.clone(), |context: &T, _: u64| context.clone());
    for result in pool.imap(bound, 0..3) {
        assert_refused::<B, _>(result, &value);
    }
    let described = Described(value.clone());
    let echo = |value: Described<T>| value;
    assert_eq!(pool.apply(echo, described.clone()).unwrap(), described);
    assert_eq!(pool.map(echo, vec![described.clone(); 3]).unwrap(), vec![described.clone(); 3]);
    let bound = with(described.clone(), |context: &Described<T>, _: u64| context.clone());
    assert_eq!(pool.apply(bound, 0).unwrap(), described);
    assert_eq!(crew(&pool, 2), before, "no worker was lost");
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u64,
    #[serde(flatten)]
    rest: BTreeMap<String, u64>,
}

fn a_flattened_struct_needs_description<B: Backend>() {
    needs_description::<B, _>(Flat { id: 1, rest: BTreeMap::from([("a".to_owned(), 2)]) });
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u64),
    Text(String),
}

impl Default for Untagged {
    fn default() -> Untagged {
        Untagged::Number(0)
    }
}

fn an_untagged_enum_needs_description<B: Backend>() {
    needs_description::<B, _>(Untagged::Number(7));
    needs_description::<B, _>(Untagged::Text("seven".to_owned()));
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    A {
        x: u64,
    },
    #[default]
    B,
}

fn an_internally_tagged_enum_needs_description<B: Backend>() {
    needs_description::<B, _>(Tagged::A { x: 1 });
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Skipping {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    name: Option<String>,
    id: u64,
}

fn a_skipped_field_needs_description<B: Backend>() {
    needs_description::<B, _>(Skipping { name: None, id: 3 });
}

fn a_json_value_needs_description<B: Backend>() {
    needs_description::<B, _>(serde_json::json!({ "a": [1, null, "x"], "b": { "c": 1.5 } }));
    needs_description::<B, _>(serde_json::json!(1));
}

/// Fails, or panics, when it is encoded or decoded, if it says so.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    Fine,
    EncodeFails,
    EncodePanics,
    DecodeFails,
    DecodePanics,
}

use Trouble::*;

impl Serialize for Trouble {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            EncodeFails => Err(serde::ser::Error::custom("it will not be written")),
            EncodePanics => panic!("it panics when written"),
            other => serializer.serialize_u8(*other as u8),
        }
    }
}

impl<'de> Deserialize<'de> for Trouble {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Fine),
            3 => Err(serde::de::Error::custom("it will not be read")),
            _ => panic!("it panics when read"),
        }
    }
}

/// What becomes of each trouble, and what the error says.
const TROUBLES: [(Trouble, ErrorKind, &str); 4] = [
    (EncodeFails, ErrorKind::Encode, "it will not be written"),
    (EncodePanics, ErrorKind::Panicked, "it panics when written"),
    (DecodeFails, ErrorKind::Decode, "it will not be read"),
    (DecodePanics, ErrorKind::Panicked, "it panics when read"),
];

fn trouble_with_an_argument_is_its_error<B: Backend>() {
    let pool = B::pool(2);
    let before = crew(&pool, 2);
    for (trouble, kind, text) in TROUBLES {
        for _ in 0..5 {
            match pool.apply(|_: Trouble| 7, trouble) {
                Err(error) if B::IS_PROCESS => {
                    assert_eq!(error.kind(), kind, "{trouble:?}: {error}");
                    assert!(error.to_string().contains(text), "{error}");
                }
                result => assert_eq!(result.unwrap(), 7),
            }
        }
    }
    assert_eq!(pool.apply(|_: Trouble| 7, Fine).unwrap(), 7);
    assert_eq!(crew(&pool, 2), before);
}

fn make(kind: u8) -> Trouble {
    [Fine, EncodeFails, EncodePanics, DecodeFails, DecodePanics][usize::from(kind)]
}

/// Twenty times each: the workers survive it.
fn trouble_with_a_result_is_its_error<B: Backend>() {
    let pool = B::pool(2);
    let before = crew(&pool, 2);
    for (trouble, kind, text) in TROUBLES {
        for _ in 0..20 {
            match pool.apply(make, trouble as u8) {
                Err(error) if B::IS_PROCESS => {
                    assert_eq!(error.kind(), kind, "{trouble:?}: {error}");
                    assert!(error.to_string().contains(text), "{error}");
                }
                result => assert_eq!(result.unwrap(), trouble),
            }
        }
    }
    assert_eq!(pool.apply(make, 0).unwrap(), Fine);
    assert_eq!(crew(&pool, 2), before);
}

fn trouble_in_a_map_fails_that_map<B: Backend>() {
    let pool = B::pool(2);
    for (trouble, kind, text) in TROUBLES {
        for size in [1, 4, 100] {
            let mut items = vec![Fine; 20];
            items[9] = trouble;
            let as_argument = pool.chunk_size(size).map(|_: Trouble| 7, items);
            let mut kinds = vec![0; 20];
            kinds[9] = trouble as u8;
            let as_result = pool.chunk_size(size).map(make, kinds);
            if B::IS_PROCESS {
                for error in [as_argument.unwrap_err(), as_result.unwrap_err()] {
                    assert_eq!(error.kind(), kind, "{trouble:?}: {error}");
                    assert!(error.to_string().contains(text), "{error}");
                    let item = error.item().expect("which item, or the first of its chunk");
                    assert!((9 / size * size..=9).contains(&item), "item {item}, chunks of {size}");
                }
            } else {
                assert_eq!(as_argument.unwrap(), vec![7; 20]);
                assert_eq!(as_result.unwrap()[9], trouble);
            }
        }
    }
    assert_eq!(pool.map(make, [0, 0]).unwrap(), [Fine, Fine]);
}

fn imap_goes_on_after_trouble<B: Backend>() {
    let pool = B::pool(2);
    let kinds: Vec<u8> = vec![0, 1, 0, 2, 0, 3, 0, 4, 0];
    let results: Vec<_> = pool.imap(make, kinds.clone()).collect();
    assert_eq!(results.len(), kinds.len());
    for (item, (kind, result)) in kinds.into_iter().zip(results).enumerate() {
        match result {
            Err(error) => {
                assert!(B::IS_PROCESS && kind != 0, "{error}");
                assert_eq!(error.item(), Some(item));
            }
            Ok(value) => {
                assert!(!B::IS_PROCESS || kind == 0);
                assert_eq!(value, make(kind));
            }
        }
    }
    // With chunks a whole chunk may be lost, and no more than that.
    let mut results = pool.chunk_size(3).imap(make, vec![0, 0, 0, 0, 3, 0, 0, 0, 0]);
    let ok: Vec<bool> = results.by_ref().map(|result| result.is_ok()).collect();
    assert_eq!(ok.len(), 9);
    assert!(ok[..3].iter().chain(&ok[6..]).all(|ok| *ok));
}

/// Nesting deeper than the encoding follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Deep(Option<Box<Deep>>);

fn a_value_too_deep_is_an_error<B: Backend>() {
    let pool = B::pool(1);
    let deep = |levels: u32| (0..levels).fold(Deep(None), |deep, _| Deep(Some(Box::new(deep))));
    assert_eq!(pool.apply(|value: Deep| value, deep(50)).unwrap(), deep(50));
    let result = pool.apply(|value: Deep| value, deep(5_000));
    assert_eq!(result.is_err(), B::IS_PROCESS);
    if let Err(error) = result {
        assert_eq!(error.kind(), ErrorKind::Encode);
    }
    assert_eq!(pool.apply(|x: u64| x, 1).unwrap(), 1);
}

on_every_backend!(
    a_flattened_struct_needs_description,
    an_untagged_enum_needs_description,
    an_internally_tagged_enum_needs_description,
    a_skipped_field_needs_description,
    a_json_value_needs_description,
    trouble_with_an_argument_is_its_error,
    trouble_with_a_result_is_its_error,
    trouble_in_a_map_fails_that_map,
    imap_goes_on_after_trouble,
    a_value_too_deep_is_an_error,
);
