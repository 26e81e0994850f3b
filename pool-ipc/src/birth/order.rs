//! What a child is told at its birth, as bytes: which entry, which words, and the [`Setting`].

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::start_method::StartMethod;

/// What a child has otherwise than its starter. Whatever is not named here stays as it is.
///
/// The child applies it to itself before its entry runs. What cannot be applied ends it, and
/// [`Child::refusal`](crate::child::Child::refusal) says why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setting {
    /// Variables of the environment to set, or to remove (`None`), in this order.
    pub environment: Vec<(OsString, Option<OsString>)>,
    /// The working directory.
    pub directory: Option<PathBuf>,
    /// The niceness, from -20 (favoured) to 19: the number itself, not what is added to it. Less than
    /// now needs a privilege.
    pub niceness: Option<i32>,
    /// The cores that it may run on, numbered from 0.
    pub cores: Option<Vec<usize>>,
    /// How many bytes of address space it may have at most. It can lower that and never raise it.
    pub memory: Option<u64>,
}

impl Setting {
    /// A name or value that no environment can hold is told where it is asked for, not by the child.
    fn check(&self) -> io::Result<()> {
        for (name, value) in &self.environment {
            let (name, value) = (name.as_bytes(), value.as_deref().unwrap_or_default().as_bytes());
            if name.is_empty() || name.contains(&b'=') || [name, value].iter().any(|text| text.contains(&0)) {
                let text = format!("no variable of the environment can be {:?}", OsStr::from_bytes(name));
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        }
        Ok(())
    }
}

/// The whole of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// The name of the entry.
    pub(crate) entry: u64,
    /// The process that the child is to be a child of.
    pub(crate) parent: u32,
    /// It dies with the thread that started it.
    pub(crate) dies_with_starter: bool,
    /// How the child is started.
    pub(crate) method: StartMethod,
    /// What it uses for children of its own.
    pub(crate) default_method: StartMethod,
    /// How many descriptors belong to it.
    pub(crate) descriptors: u64,
    pub(crate) words: Vec<String>,
    pub(crate) setting: Setting,
}

impl Order {
    pub(crate) fn to_bytes(&self) -> io::Result<Vec<u8>> {
        self.setting.check()?;
        let mut bytes = Vec::new();
        let number = |bytes: &mut Vec<u8>, number: u64| bytes.extend(number.to_le_bytes());
        let text = |bytes: &mut Vec<u8>, text: &[u8]| {
            number(bytes, text.len() as u64);
            bytes.extend(text);
        };
        let out = &mut bytes;
        [
            self.entry,
            self.parent.into(),
            self.dies_with_starter.into(),
            self.method.number(),
            self.default_method.number(),
            self.descriptors,
        ]
        .into_iter()
        .for_each(|field| number(out, field));
        number(out, self.words.len() as u64);
        self.words.iter().for_each(|word| text(out, word.as_bytes()));
        let Setting { environment, directory, niceness, cores, memory } = &self.setting;
        number(out, environment.len() as u64);
        for (name, value) in environment {
            text(out, name.as_bytes());
            number(out, value.is_some().into());
            text(out, value.as_deref().unwrap_or_default().as_bytes());
        }
        number(out, directory.is_some().into());
        text(out, directory.as_deref().map_or(&[][..], |path| path.as_os_str().as_bytes()));
        number(out, niceness.is_some().into());
        number(out, i64::from(niceness.unwrap_or(0)) as u64);
        number(out, cores.is_some().into());
        let list = cores.as_deref().unwrap_or_default();
        number(out, list.len() as u64);
        list.iter().for_each(|core| number(out, *core as u64));
        number(out, memory.is_some().into());
        number(out, memory.unwrap_or(0));
        Ok(bytes)
    }

    /// `None`: that is not what [`to_bytes`](Order::to_bytes) gives.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Order> {
        let mut read = Reader(bytes);
        let (entry, parent) = (read.number()?, read.number()? as u32);
        let dies_with_starter = read.flag()?;
        let method = StartMethod::from_number(read.number()?)?;
        let default_method = StartMethod::from_number(read.number()?)?;
        let descriptors = read.number()?;
        let words = (0..read.number()?).map(|_| String::from_utf8(read.text()?.to_vec()).ok());
        let words = words.collect::<Option<_>>()?;
        let environment = (0..read.number()?).map(|_| {
            let name = OsString::from_vec(read.text()?.to_vec());
            let (is_set, value) = (read.flag()?, read.text()?);
            Some((name, is_set.then(|| OsString::from_vec(value.to_vec()))))
        });
        let environment = environment.collect::<Option<_>>()?;
        let (has_directory, path) = (read.flag()?, read.text()?);
        let directory = has_directory.then(|| PathBuf::from(OsString::from_vec(path.to_vec())));
        let (has_niceness, niceness) = (read.flag()?, read.number()? as i64 as i32);
        let has_cores = read.flag()?;
        let cores: Vec<usize> =
            (0..read.number()?).map(|_| read.number().map(|core| core as usize)).collect::<Option<_>>()?;
        let (has_memory, memory) = (read.flag()?, read.number()?);
        let setting = Setting {
            environment,
            directory,
            niceness: has_niceness.then_some(niceness),
            cores: has_cores.then_some(cores),
            memory: has_memory.then_some(memory),
        };
        read.0.is_empty().then_some(Order {
            entry,
            parent,
            dies_with_starter,
            method,
            default_method,
            descriptors,
            words,
            setting,
        })
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn flag(&mut self) -> Option<bool> {
        self.number().map(|number| number != 0)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.number()?.try_into().ok()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            entry: 7,
            parent: 8,
            dies_with_starter: true,
            method: StartMethod::Fork,
            default_method: StartMethod::Spawn,
            descriptors: 3,
            words: vec![String::new(), "a\u{1f}b:\0c\n".to_owned(), "ü".to_owned()],
            setting: Setting {
                environment: vec![("A".into(), Some("=".into())), ("B".into(), None)],
                directory: Some("/a b".into()),
                niceness: Some(-3),
                cores: Some(vec![0, 5]),
                memory: Some(u64::MAX),
            },
        }
    }

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let bare = Order { words: Vec::new(), setting: Setting::default(), ..order() };
        for order in [order(), bare] {
            assert_eq!(Order::from_bytes(&order.to_bytes().unwrap()), Some(order));
        }
    }

    #[test]
    fn half_an_order_is_none() {
        let bytes = order().to_bytes().unwrap();
        assert!((0..bytes.len()).all(|end| Order::from_bytes(&bytes[..end]).is_none()));
    }

    #[test]
    fn a_variable_that_cannot_be_is_refused_before_the_birth() {
        for name in ["", "a=b", "a\0"] {
            let setting =
                Setting { environment: vec![(name.into(), Some("x".into()))], ..Setting::default() };
            assert!(Order { setting, ..order() }.to_bytes().is_err(), "{name:?}");
        }
    }
}
