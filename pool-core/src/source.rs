//! Where the items of a `map` come from, and whether workers can have them without the caller.
//!
//! Only the caller may use the user's iterator. As a rule it takes the items one by one and lays each where a worker
//! finds it; with a function that takes no time that is most of the work, and the caller does it alone. Two inputs are
//! known for what they are and need no iterator, where workers have the caller's memory:
//!
//! | input | a chunk is | its memory is first touched by |
//! |---|---|---|
//! | a `Vec` whose items lie as values do | a part of the vector, in which values take the places of items | the worker |
//! | a range of integers | its first number, and places for the values | the worker |
//! | anything else | what the caller took out of the iterator | the caller |
//!
//! It makes no difference but in time.

use std::any::Any;
use std::ops::{Range, RangeInclusive};
use std::vec;

use serde::de::DeserializeOwned;

use crate::chunk::Input;
use crate::gather::Gather;
use crate::room::Seeded;
use crate::shim::is_same;

pub(crate) enum Source<I: Iterator, R> {
    /// In the places of their values.
    Seeded(Seeded<I::Item, R>),
    /// They need not be anywhere.
    Numbers(Numbers),
    Collected(vec::IntoIter<I::Item>),
    /// As many as it says.
    Other(I, usize),
}

impl<I, R> Source<I, R>
where
    I: Iterator<Item: 'static>,
    R: DeserializeOwned + Send + 'static,
{
    /// `shared`: workers have this process's memory.
    pub(crate) fn of(mut items: I, shared: bool) -> Source<I, R> {
        let (least, most) = items.size_hint();
        let is_vector = Seeded::<I::Item, R>::SAME && is_same::<I, vec::IntoIter<I::Item>>();
        if most != Some(least) || (shared && is_vector) {
            // Of a vector this moves nothing, unless most of its items were taken before.
            let items: Vec<I::Item> = items.collect();
            return match if shared { Seeded::of(items) } else { Err(items) } {
                Ok(seeded) => Source::Seeded(seeded),
                Err(items) => Source::Collected(items.into_iter()),
            };
        }
        if shared
            && Numbers::are_in::<I>()
            && let Some(first) = items.next()
        {
            return Source::Numbers(Numbers { first: bits_of(&first), count: least });
        }
        Source::Other(items, least)
    }

    /// How many items it has.
    pub(crate) fn count(&self) -> usize {
        match self {
            Source::Seeded(seeded) => seeded.len(),
            Source::Numbers(numbers) => numbers.count,
            Source::Collected(items) => items.len(),
            Source::Other(_, count) => *count,
        }
    }

    /// Whether the caller takes and lays down each of them.
    pub(crate) fn is_laid_down(&self) -> bool {
        matches!(self, Source::Collected(_) | Source::Other(..))
    }

    /// For how many values there are to be places that no item has.
    pub(crate) fn places(&self) -> usize {
        match self {
            Source::Seeded(_) => 0,
            other => other.count(),
        }
    }

    /// The next items of a chunk, at most `most`; none when they have ended.
    pub(crate) fn take(&mut self, gather: &Gather<R>, most: usize) -> Input<I::Item, R> {
        match self {
            Source::Seeded(seeded) => Input::Seeded(seeded.cut(most)),
            Source::Numbers(numbers) => {
                let numbers = numbers.cut(most);
                match gather.cut(numbers.count) {
                    Some(row) => Input::Numbers(numbers, row),
                    None => Input::Apart(numbers.into_items(), None),
                }
            }
            Source::Collected(items) => gather.lay_down(items, most),
            Source::Other(items, _) => gather.lay_down(items, most),
        }
    }
}

/// Successive integers.
pub(crate) struct Numbers {
    /// Its lowest 64 bits, of which smaller types have fewer.
    first: u64,
    count: usize,
}

/// Calls a macro with every integer that ranges may be of, but for the two that are wider than a word.
macro_rules! with_integers {
    ($callback:ident) => {
        $callback!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize)
    };
}

impl Numbers {
    /// Whether `I` is a range of integers.
    fn are_in<I: Iterator>() -> bool {
        macro_rules! any {
            ($($integer:ident)*) => { $(is_same::<I, Range<$integer>>() || is_same::<I, RangeInclusive<$integer>>())||* };
        }
        with_integers!(any)
    }

    fn cut(&mut self, most: usize) -> Numbers {
        let cut = Numbers { first: self.first, count: most.min(self.count) };
        self.first = self.first.wrapping_add(cut.count as u64);
        self.count -= cut.count;
        cut
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The number at a place, counted from 0; `None` if `A` is not an integer. Folds to an addition.
    #[inline(always)]
    pub(crate) fn at<A: 'static>(&self, place: usize) -> Option<A> {
        let bits = self.first.wrapping_add(place as u64);
        macro_rules! try_each {
            ($($integer:ident)*) => {
                $(if let Some(number) = (&mut Some(bits as $integer) as &mut dyn Any).downcast_mut::<Option<A>>() {
                    return number.take();
                })*
            };
        }
        with_integers!(try_each);
        None
    }

    /// All of them.
    pub(crate) fn into_items<A: 'static>(self) -> Vec<A> {
        (0..self.count).map_while(|place| self.at(place)).collect()
    }
}

/// The lowest 64 bits of an integer.
fn bits_of<A: 'static>(number: &A) -> u64 {
    macro_rules! try_each {
        ($($integer:ident)*) => {
            $(if let Some(number) = (number as &dyn Any).downcast_ref::<$integer>() {
                return *number as u64;
            })*
        };
    }
    with_integers!(try_each);
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_their_range() {
        macro_rules! check {
            ($($integer:ident)*) => {$({
                for range in [$integer::MIN..$integer::MIN + 5, $integer::MAX - 5..$integer::MAX, 3..8] {
                    let Source::Numbers(mut numbers) = Source::<_, u8>::of(range.clone(), true) else { panic!() };
                    let mut items: Vec<$integer> = numbers.cut(2).into_items();
                    items.extend(numbers.into_items::<$integer>());
                    assert_eq!(items, range.collect::<Vec<_>>());
                }
                let Source::Numbers(all) = Source::<_, u8>::of($integer::MAX - 5..=$integer::MAX, true) else {
                    panic!()
                };
                assert_eq!(all.into_items::<$integer>(), ($integer::MAX - 5..=$integer::MAX).collect::<Vec<_>>());
            })*};
        }
        with_integers!(check);
    }

    #[test]
    fn a_source_is_what_its_input_is() {
        fn what<I: Iterator<Item: 'static>, R: DeserializeOwned + Send + 'static>(
            items: I,
            shared: bool,
        ) -> (&'static str, usize) {
            let source = Source::<I, R>::of(items, shared);
            let name = match source {
                Source::Seeded(_) => "seeded",
                Source::Numbers(_) => "numbers",
                Source::Collected(_) => "collected",
                Source::Other(..) => "other",
            };
            (name, source.count())
        }
        let vector = || vec![1_u32, 2, 3].into_iter();
        assert_eq!(what::<_, i32>(vector(), true), ("seeded", 3));
        assert_eq!(what::<_, u64>(vector(), true), ("other", 3));
        assert_eq!(what::<_, i32>(vector(), false), ("other", 3));
        assert_eq!(what::<_, i32>(vector().filter(|x| *x > 1), true), ("seeded", 2));
        assert_eq!(what::<_, u64>(vector().filter(|x| *x > 1), true), ("collected", 2));
        assert_eq!(what::<_, u64>(0..7_u64, true), ("numbers", 7));
        assert_eq!(what::<_, u64>(0..7_u64, false), ("other", 7));
        assert_eq!(what::<_, u64>(7..7_u64, true), ("other", 0));
        let mut used_up = 1..=1_u64;
        used_up.next();
        assert_eq!(what::<_, u64>(used_up, true), ("other", 0));
        assert_eq!(what::<_, u64>((0..7_u64).skip(2), true), ("other", 5));
        assert_eq!(what::<_, u64>(["a", "b"].iter(), true), ("other", 2));
    }
}
