//! Blocks with a name: what named memory and shareable lists have in common.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use pool_ipc::exit::random;
use pool_ipc::shared::{Block, Name, find};
use serde::{Deserialize, Serialize};

use crate::crossing::Kind;

/// How long a name may be, in bytes: it has to fit in the address of a socket.
pub(crate) const LONGEST_NAME: usize = 80;

/// A block with a name. A clone is the same one.
#[derive(Clone)]
pub(crate) struct NamedBlock {
    pub(crate) block: Block,
    name: Arc<Owned>,
}

struct Owned {
    name: String,
    /// Only where it was created, and only until it is unlinked.
    claim: Mutex<Option<Name>>,
    is_owner: bool,
}

/// What crosses to another process: it looks for the name, and finds this block or none.
#[derive(Serialize, Deserialize)]
pub(crate) struct EncodedName {
    name: String,
    id: u128,
}

impl NamedBlock {
    /// Gives a new block this name; `None`: one that is made up. Others may have it from then on.
    pub(crate) fn create(name: Option<&str>, block: Block) -> io::Result<NamedBlock> {
        let Some(name) = name else { return NamedBlock::create_by(generate, block) };
        check(name)?;
        NamedBlock::claim(name.to_owned(), block).map_err(|error| about(name, &error))
    }

    /// The same with the first name that nobody has.
    fn create_by(mut generate: impl FnMut() -> io::Result<String>, block: Block) -> io::Result<NamedBlock> {
        loop {
            match NamedBlock::claim(generate()?, block.clone()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => return other,
            }
        }
    }

    fn claim(name: String, block: Block) -> io::Result<NamedBlock> {
        let claim = Mutex::new(Some(Name::claim(&name, &block)?));
        Ok(NamedBlock { block, name: Arc::new(Owned { name, claim, is_owner: true }) })
    }

    pub(crate) fn attach(kind: Kind, name: &str) -> io::Result<NamedBlock> {
        check(name)?;
        let block = find(name, kind as u32).map_err(|error| about(name, &error))?;
        let owned = Owned { name: name.to_owned(), claim: Mutex::new(None), is_owner: false };
        Ok(NamedBlock { block, name: Arc::new(owned) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name.name
    }

    pub(crate) fn is_owner(&self) -> bool {
        self.name.is_owner
    }

    pub(crate) fn unlink(&self) -> io::Result<()> {
        if !self.is_owner() {
            let text = "only who created it can unlink it";
            return Err(about(self.name(), &io::Error::new(io::ErrorKind::PermissionDenied, text)));
        }
        let claim = self.name.claim.lock().unwrap_or_else(PoisonError::into_inner).take();
        match claim {
            Some(_) => Ok(()),
            None => Err(about(self.name(), &io::ErrorKind::NotFound.into())),
        }
    }

    pub(crate) fn encoded(&self) -> EncodedName {
        EncodedName { name: self.name().to_owned(), id: self.block.id() }
    }
}

impl EncodedName {
    pub(crate) fn open(&self, kind: Kind) -> io::Result<NamedBlock> {
        let named = NamedBlock::attach(kind, &self.name)?;
        if named.block.id() != self.id {
            return Err(about(&self.name, &io::ErrorKind::NotFound.into()));
        }
        Ok(named)
    }
}

/// As long as Python's.
fn generate() -> io::Result<String> {
    Ok(format!("psm_{:08x}", u32::from_ne_bytes(random()?)))
}

fn check(name: &str) -> io::Result<()> {
    let why = match name {
        "" => "an empty name for shared memory".to_owned(),
        name if name.contains('\0') => "a name for shared memory with a NUL in it".to_owned(),
        name if name.len() > LONGEST_NAME => {
            format!("a name for shared memory of {} bytes; the longest has {LONGEST_NAME}", name.len())
        }
        _ => return Ok(()),
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

fn about(name: &str, error: &io::Error) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::NotFound => format!("shared memory {name:?} is not found"),
        io::ErrorKind::AlreadyExists => format!("shared memory {name:?} exists already"),
        _ => format!("shared memory {name:?}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_that_somebody_has_is_tried_again() {
        let names = ["clash", "clash", "free"].map(|name| format!("test-{}-{name}", std::process::id()));
        let block = Block::create(0, 1).unwrap();
        let taken = NamedBlock::create(Some(&names[0]), block.clone()).unwrap();
        let mut next = names.iter().cloned();
        let generate = || next.next().ok_or_else(|| io::Error::other("asked for once more"));
        let other = NamedBlock::create_by(generate, block).unwrap();
        assert_eq!((taken.name(), other.name()), (&*names[0], &*names[2]));
    }
}
