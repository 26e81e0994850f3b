//! An initializer that goes wrong breaks its pool, which says why and starts no more workers.

use std::time::Duration;

use pool::{ErrorKind, Pool, ProcessPoolBuilder, StartMethod};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::carriers::LIMIT;
use crate::fault::Fault;
use crate::stages::company;
use crate::support::{builder_of, children, eventually};

/// What the initializer is given: the fault is in it, or is to be committed.
struct Trouble(Fault);

impl Serialize for Trouble {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Fault::EncodeError => Err(S::Error::custom("a value that does not encode")),
            fault => fault.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Trouble {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Trouble, D::Error> {
        match Fault::deserialize(deserializer)? {
            Fault::DecodeError => Err(D::Error::custom("a value that does not decode")),
            fault => Ok(Trouble(fault)),
        }
    }
}

fn builder(method: StartMethod, fault: Fault) -> ProcessPoolBuilder {
    let limit = if fault == Fault::Stop { LIMIT } else { Duration::from_secs(60) };
    let builder = builder_of(method).workers(2).initializer_timeout(limit);
    builder.initializer(|Trouble(fault)| fault.commit(), Trouble(fault))
}

pub(crate) fn breaks(method: StartMethod, fault: Fault, why: &str) {
    let pool = builder(method, fault).build().unwrap();
    for handle in company(&pool, 20) {
        let error = handle.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Broken, "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    let error = pool.apply(|x: u64| x, 1).unwrap_err();
    assert!(error.kind() == ErrorKind::Broken && error.to_string().contains(why), "{error}");
    eventually("no worker was left, and none was started", || children().is_empty());
    pool.close();
    pool.join().unwrap();
}

pub(crate) fn is_refused(method: StartMethod, fault: Fault, kind: ErrorKind) {
    let error = builder(method, fault).build().unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(children(), []);
}
