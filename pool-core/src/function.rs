//! What may be given to a pool as a task function.
//!
//! A worker process is the same program, so a function needs no name, registry or macro to be found
//! there: its type is enough, because a `fn` item or a closure that captures nothing *is* its type
//! (the value has no bytes). What such a function cannot do is bring data along; [`with`] binds a
//! serializable context for that, and [`star`] spreads a tuple over several arguments.

use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};

use crate::codec::{self, CodecError};
use crate::luggage::{self, Luggage, Way};
use crate::shim;

/// A function from `A` to [`Output`](TaskFn::Output) that a pool can run in any of its workers:
/// a `fn` item, a closure that captures nothing, or one of those wrapped by [`with`] or [`star`].
///
/// It is implemented for you; there is nothing to implement.
///
/// A closure that captures something is refused when the program is built, with a message that names
/// [`with`]:
///
/// ```compile_fail
/// use pool_core::{AnyPool, Pool};
/// fn scale(pool: &dyn AnyPool, factor: u64) {
///     let _ = pool.map(move |x: u64| x * factor, 0..10u64);
/// }
/// # fn main() {
/// #     let _ = scale as fn(&dyn AnyPool, u64); // Refused where it is built, not where it is checked.
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task function that takes `{A}`",
    label = "not a task function of `{A}`",
    note = "a task function is a `fn` item or a closure that captures nothing, called with one `{A}`",
    note = "use `with(context, |context, x| ..)` to bind data, and `star(f)` for a function of several arguments"
)]
pub trait TaskFn<A>: Sized + 'static {
    /// What the function returns.
    type Output;
    /// The data bound to it: nothing, or a shared context.
    #[doc(hidden)]
    type Bound: Clone + Send + Sync + 'static;

    #[doc(hidden)]
    fn bind(self) -> Self::Bound;
    #[doc(hidden)]
    fn call(bound: &Self::Bound, arg: A) -> Self::Output;
    /// The bound data on its way out, encoded at most once per call of a pool's method.
    #[doc(hidden)]
    fn carry(bound: &Self::Bound) -> Result<Option<Carried>, CodecError>;
    /// The bound data as it arrived in a worker.
    #[doc(hidden)]
    fn receive(slot: ContextSlot, bytes: &[u8]) -> Result<Self::Bound, CodecError>;
}

/// An encoded context: its identity within this process, and its bytes.
#[derive(Debug, Clone)]
pub struct Carried {
    /// Differs between any two contexts of this process.
    pub id: u64,
    /// The encoding.
    pub bytes: Arc<[u8]>,
    /// What goes along with it.
    pub luggage: Option<Luggage>,
}

/// Where a worker keeps the context of a request. A worker remembers the last
/// [`ContextSlot::COUNT`] contexts it was sent; the sender decides which is overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextSlot(u32);

impl ContextSlot {
    /// How many contexts a worker remembers.
    pub const COUNT: usize = 8;
    /// The request has no context.
    pub const NONE: ContextSlot = ContextSlot(u32::MAX);
    const FRESH: u32 = 1 << 31;

    /// The context is in slot `index` already, or (`fresh`) comes with this request and goes there.
    pub fn new(index: usize, fresh: bool) -> ContextSlot {
        ContextSlot(index as u32 | if fresh { Self::FRESH } else { 0 })
    }

    /// As one word of a request.
    pub fn to_word(self) -> u32 {
        self.0
    }

    /// From one word of a request.
    pub fn from_word(word: u32) -> ContextSlot {
        ContextSlot(word)
    }

    /// The slot's number.
    pub fn index(self) -> usize {
        (self.0 & !Self::FRESH) as usize
    }

    /// Whether the context comes with the request; not so for [`NONE`](ContextSlot::NONE).
    pub fn is_fresh(self) -> bool {
        self != Self::NONE && self.0 & Self::FRESH != 0
    }
}

impl<F, A, R> TaskFn<A> for F
where
    F: Fn(A) -> R + Send + Sync + 'static,
{
    type Output = R;
    type Bound = ();

    fn bind(self) {
        shim::give_up(self);
    }

    #[inline]
    fn call(_: &(), arg: A) -> R {
        shim::conjure::<F>()(arg)
    }

    fn carry(_: &()) -> Result<Option<Carried>, CodecError> {
        Ok(None)
    }

    fn receive(_: ContextSlot, _: &[u8]) -> Result<(), CodecError> {
        Ok(())
    }
}

/// A function with a context bound to it: see [`with`].
#[derive(Debug, Clone, Copy)]
pub struct With<C, F> {
    context: C,
    f: F,
}

/// Binds `context` to `f`: the pool calls `f(&context, item)`.
///
/// The context is encoded once per call of a pool's method and decoded once per worker, however
/// many items there are. On a thread pool it is shared and never encoded.
///
/// ```
/// # use pool_core::{Pool, with};
/// # fn scaled<P: Pool>(pool: &P) -> pool_core::Result<Vec<u64>> {
/// let factor = 3u64;
/// pool.map(with(factor, |factor, x: u64| x * factor), 0..10)
/// # }
/// ```
pub fn with<C, A, R, F>(context: C, f: F) -> With<C, F>
where
    F: Fn(&C, A) -> R,
{
    With { context, f }
}

/// A bound context, shared by the tasks of one call.
#[doc(hidden)]
#[derive(Debug)]
pub struct Context<C> {
    id: u64,
    value: C,
    /// Filled when the first task leaves for another process.
    encoded: OnceLock<Result<Packed, CodecError>>,
}

/// An encoding, and what goes along with it.
type Packed = (Arc<[u8]>, Option<Luggage>);

impl<C> Context<C> {
    fn new(value: C) -> Arc<Context<C>> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // ORDERING: only uniqueness matters.
        let id = NEXT.fetch_add(1, Relaxed);
        Arc::new(Context { id, value, encoded: OnceLock::new() })
    }
}

impl<C, F, A, R> TaskFn<A> for With<C, F>
where
    F: Fn(&C, A) -> R + Send + Sync + 'static,
    C: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    type Output = R;
    type Bound = Arc<Context<C>>;

    fn bind(self) -> Arc<Context<C>> {
        shim::give_up(self.f);
        Context::new(self.context)
    }

    #[inline]
    fn call(bound: &Arc<Context<C>>, arg: A) -> R {
        shim::conjure::<F>()(&bound.value, arg)
    }

    fn carry(bound: &Arc<Context<C>>) -> Result<Option<Carried>, CodecError> {
        let encoded = bound.encoded.get_or_init(|| {
            if let Some(bytes) = codec::with_plain(&bound.value, |bytes| Arc::from(bytes)) {
                return Ok((bytes, None));
            }
            let mut bytes = Vec::new();
            let (encoded, luggage) =
                luggage::pack(Way::Everywhere, || codec::encode(&bound.value, &mut bytes));
            encoded.map(|()| (bytes.into(), luggage))
        });
        let carried = |(bytes, luggage)| Some(Carried { id: bound.id, bytes, luggage });
        encoded.clone().map(carried)
    }

    fn receive(slot: ContextSlot, bytes: &[u8]) -> Result<Arc<Context<C>>, CodecError> {
        if slot.is_fresh() {
            let value = codec::from_plain_slice(bytes).unwrap_or_else(|| codec::decode(bytes));
            remember(slot.index(), value.map(Context::<C>::new))
        } else {
            recall(slot.index())
        }
    }
}

type Remembered<C> = Result<Arc<Context<C>>, CodecError>;

thread_local! {
    /// The contexts this worker was sent, by slot. A context that did not decode is remembered too:
    /// its bytes come once, its error belongs to every task of the call.
    static CONTEXTS: RefCell<[Option<Box<dyn Any>>; ContextSlot::COUNT]> = const {
        RefCell::new([const { None }; ContextSlot::COUNT])
    };
}

fn remember<C: 'static>(index: usize, context: Remembered<C>) -> Remembered<C> {
    let old = CONTEXTS.with(|contexts| {
        let mut contexts = contexts.borrow_mut();
        contexts.get_mut(index).and_then(|slot| slot.replace(Box::new(context.clone())))
    });
    drop(old); // Runs the user's Drop, so not under the borrow.
    context
}

fn recall<C: 'static>(index: usize) -> Remembered<C> {
    CONTEXTS.with(|contexts| {
        contexts
            .borrow()
            .get(index)
            .and_then(|slot| slot.as_ref())
            .and_then(|known| known.downcast_ref::<Remembered<C>>())
            .cloned()
            .unwrap_or_else(|| Err(CodecError::custom("the worker does not have this context")))
    })
}

/// A function of several arguments that takes them as one tuple: see [`star`].
#[derive(Debug, Clone, Copy)]
pub struct Star<F>(F);

/// Makes a function of two to eight arguments a task function of a tuple.
///
/// ```
/// # use pool_core::{Pool, star};
/// # fn powers<P: Pool>(pool: &P) -> pool_core::Result<Vec<u64>> {
/// pool.map(star(|base: u64, exponent: u32| base.pow(exponent)), [(2, 5), (3, 2)])
/// # }
/// ```
pub fn star<F>(f: F) -> Star<F> {
    Star(f)
}

/// A function that [`star`] can spread a tuple `T` over: `Fn(A, B, ..) -> R`, capturing nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task function that takes the parts of `{T}` as its arguments",
    note = "a task function is a `fn` item or a closure that captures nothing; use `with(context, f)` to bind data"
)]
pub trait StarFn<T>: Sized + 'static {
    /// What the function returns.
    type Output;
    #[doc(hidden)]
    fn spend(self);
    #[doc(hidden)]
    fn call(args: T) -> Self::Output;
}

impl<F, T> TaskFn<T> for Star<F>
where
    F: StarFn<T>,
{
    type Output = F::Output;
    type Bound = ();

    fn bind(self) {
        self.0.spend();
    }

    #[inline]
    fn call(_: &(), args: T) -> F::Output {
        F::call(args)
    }

    fn carry(_: &()) -> Result<Option<Carried>, CodecError> {
        Ok(None)
    }

    fn receive(_: ContextSlot, _: &[u8]) -> Result<(), CodecError> {
        Ok(())
    }
}

macro_rules! star_fn {
    ($($arg:ident $name:ident),+) => {
        impl<Func, Ret, $($arg),+> StarFn<($($arg,)+)> for Func
        where
            Func: Fn($($arg),+) -> Ret + Send + Sync + 'static,
        {
            type Output = Ret;

            fn spend(self) {
                shim::give_up(self);
            }

            #[inline]
            fn call(($($name,)+): ($($arg,)+)) -> Ret {
                shim::conjure::<Func>()($($name),+)
            }
        }
    };
}

star_fn!(A a);
star_fn!(A a, B b);
star_fn!(A a, B b, C c);
star_fn!(A a, B b, C c, D d);
star_fn!(A a, B b, C c, D d, E e);
star_fn!(A a, B b, C c, D d, E e, G g);
star_fn!(A a, B b, C c, D d, E e, G g, H h);
star_fn!(A a, B b, C c, D d, E e, G g, H h, I i);
