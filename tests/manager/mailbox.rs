//! A managed type of the tests: letters in the order in which they came.

use std::collections::VecDeque;

use pool::shared::{Managed, Method, Methods};
use serde::{Deserialize, Serialize, Serializer};

/// What a letter can be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) enum Letter {
    Text(String),
    Bytes(Vec<u8>),
    Nothing,
    /// Cannot be sent.
    Stuck,
}

impl Serialize for Letter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        enum Same<'a> {
            Text(&'a str),
            Bytes(&'a [u8]),
            Nothing,
        }
        match self {
            Letter::Text(text) => Same::Text(text).serialize(serializer),
            Letter::Bytes(bytes) => Same::Bytes(bytes).serialize(serializer),
            Letter::Nothing => Same::Nothing.serialize(serializer),
            Letter::Stuck => Err(serde::ser::Error::custom("a letter that cannot be sent")),
        }
    }
}

#[derive(Default)]
pub(crate) struct Mailbox(VecDeque<Letter>);

impl Mailbox {
    pub(crate) const PUT: Method<Mailbox, Letter, ()> =
        Method::new("put", |mailbox, letter| mailbox.0.push_back(letter));
    pub(crate) const TAKE: Method<Mailbox, (), Option<Letter>> =
        Method::new("take", |mailbox, ()| mailbox.0.pop_front());
    pub(crate) const COUNT: Method<Mailbox, (), usize> = Method::new("count", |mailbox, ()| mailbox.0.len());
    /// A long reply.
    pub(crate) const REPEAT: Method<Mailbox, u64, Vec<u8>> =
        Method::new("repeat", |_, count| vec![7; count as usize]);
    /// Takes until the server ends.
    pub(crate) const NEVER: Method<Mailbox, (), ()> = Method::new("never", |_, ()| {
        loop {
            std::thread::park();
        }
    });

    pub(crate) fn empty((): ()) -> Mailbox {
        Mailbox::default()
    }

    pub(crate) fn holding(letters: Vec<Letter>) -> Mailbox {
        Mailbox(letters.into())
    }
}

impl Managed for Mailbox {
    const NAME: &'static str = "Mailbox";

    fn methods() -> Methods<Mailbox> {
        Methods::new()
            .with(&Mailbox::PUT)
            .with(&Mailbox::TAKE)
            .with(&Mailbox::COUNT)
            .with(&Mailbox::REPEAT)
            .with(&Mailbox::NEVER)
    }
}
