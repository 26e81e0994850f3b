//! A dict and a list that live in a server process, and a child that changes them.
//!
//! What to look for:
//! - The manager is a process of its own, which owns the objects. Everybody else has proxies, so that what the child
//!   changes is changed for the parent too. A `HashMap` that is passed to a process is copied.
//! - Keys and values are of any types together with `Dynamic`; of one type they need no such thing.
//! - A call is a round trip. `update` and `with_lock` do many things in one, and nobody comes in between.
//! - A list inside the dict is the live one.

mod common;

use common::say;
use pool::Process;
use pool::shared::{DictProxy, Dynamic, ListProxy, Manager};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn child((dict, list): (DictProxy<Dynamic, Dynamic>, ListProxy<i64>)) -> String {
    change(&dict, &list).map_or_else(|error| error.to_string(), |()| "changed".to_owned())
}

fn change(dict: &DictProxy<Dynamic, Dynamic>, list: &ListProxy<i64>) -> Result<()> {
    // Python: dict[1] = "1"; dict["2"] = 2; dict[0.25] = None
    dict.update([(1.into(), "1".into()), ("2".into(), 2.into()), (0.25.into(), Dynamic::None)])?;
    list.reverse()?;
    if let Some(Dynamic::ListProxy(inner)) = dict.get(&Dynamic::from("inner"))? {
        inner.push("from the child".into())?;
    }
    say("changed the dict and the lists");
    Ok(())
}

fn count(list: ListProxy<i64>) -> bool {
    let counted = (0..1000).try_for_each(|_| list.with_lock(0, |list, place: usize| list[place] += 1));
    counted.is_ok()
}

fn main() -> Result<()> {
    let manager = Manager::start()?;
    let dict = manager.dict()?;
    let list = manager.list(0..10)?;
    let inner = manager.list(["from the parent".into()])?;
    dict.insert("inner".into(), inner.clone().into())?;

    say(Process::spawn(child, (dict.clone(), list.clone()))?.join()?);
    for (key, value) in dict.iter()?.skip(1) {
        say(format!("{key:?}: {value:?}"));
    }
    say(format!("the list: {:?}", list.to_vec()?));
    say(format!("the list in the dict: {:?}", inner.to_vec()?));

    let counters: Vec<_> = (0..4).map(|_| Process::spawn(count, list.clone())).collect();
    for counter in counters {
        assert!(counter?.join()?);
    }
    say(format!("9 and 4 times 1000: {:?}", list.get(0)?));
    Ok(())
}
