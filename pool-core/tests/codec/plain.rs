//! Plain values move as memory.

use pool_core::codec::*;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{bytes, trip};

macro_rules! vectors {
    ($($name:ident $number:ty),*) => {
        proptest! {$(
            #[test]
            fn $name(list in any::<Vec<$number>>()) {
                prop_assert!(is_plain::<Vec<$number>>());
                let seen = with_plain(&list, <[u8]>::to_vec).unwrap();
                let buf = into_plain(list.clone()).unwrap();
                prop_assert_eq!(buf.as_ref(), &seen[..]);
                let back = from_plain_slice::<Vec<$number>>(&seen).unwrap().unwrap();
                prop_assert_eq!(&back, &list);
                // Bytes at an odd address, too.
                let mut shifted = vec![0];
                shifted.extend(&seen);
                let back = from_plain_slice::<Vec<$number>>(&shifted[1..]).unwrap().unwrap();
                prop_assert_eq!(&back, &list);
                let back = from_plain::<Vec<$number>>(seen).unwrap().unwrap();
                prop_assert_eq!(&back, &list);
                let Plain(back) = trip::<_, Plain<Vec<$number>>>(&Plain(list.clone())).unwrap();
                prop_assert_eq!(back, list);
            }
        )*}
    };
}

vectors!(
    u8s u8, u16s u16, u32s u32, u64s u64, u128s u128, usizes usize,
    i8s i8, i16s i16, i32s i32, i64s i64, i128s i128, isizes isize, f32s f32, f64s f64
);

#[test]
fn text_and_bytes_keep_their_buffer() {
    let text = "hello".repeat(100);
    let at = text.as_ptr();
    let buf = into_plain(text).unwrap();
    assert_eq!(buf.as_ref().as_ptr(), at);

    let bytes = b"hello".repeat(100);
    let at = bytes.as_ptr();
    let text = from_plain::<String>(bytes).unwrap().unwrap();
    assert_eq!(text.as_ptr(), at);
    let bytes = from_plain::<Vec<u8>>(text.into_bytes()).unwrap().unwrap();
    assert_eq!(bytes.as_ptr(), at);

    let numbers = vec![1.5_f64; 100];
    let at = numbers.as_ptr();
    assert_eq!(into_plain(numbers).unwrap().as_ref().as_ptr(), at.cast());
}

#[test]
fn a_plain_buffer_can_change_threads() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&into_plain(vec![1_u8]).unwrap());
}

#[test]
fn what_is_not_plain_comes_back() {
    assert_eq!(into_plain(Some(7)).unwrap_err(), Some(7));
    assert_eq!(into_plain(vec![true]).unwrap_err(), [true]);
    assert_eq!(into_plain("x").unwrap_err(), "x");
    assert!(!is_plain::<Vec<Vec<u8>>>() && !is_plain::<Box<[u8]>>() && !is_plain::<()>());
    assert!(from_plain::<u64>(vec![0; 8]).is_none());
    assert!(from_plain_slice::<Option<Vec<u8>>>(&[]).is_none());
    assert!(with_plain(&vec!['x'], |_| ()).is_none());
}

#[test]
fn bytes_that_do_not_fit_are_an_error() {
    let kind = |error: CodecError| error.kind();
    let error = from_plain::<Vec<u64>>(vec![0; 9]).unwrap().unwrap_err();
    assert_eq!(kind(error), CodecErrorKind::Truncated);
    let error = from_plain_slice::<Vec<u16>>(&[0]).unwrap().unwrap_err();
    assert_eq!(kind(error), CodecErrorKind::Truncated);
    let error = from_plain::<String>(vec![0xff]).unwrap().unwrap_err();
    assert_eq!(kind(error), CodecErrorKind::Invalid);
    let error = from_plain_slice::<String>(&[0xff]).unwrap().unwrap_err();
    assert_eq!(kind(error), CodecErrorKind::Invalid);
    let error = trip::<_, Plain<Vec<u16>>>(&Plain(vec![1_u8])).unwrap_err();
    assert_eq!(kind(error), CodecErrorKind::Invalid);
}

#[test]
fn a_nested_vector_is_one_run_of_bytes() {
    #[derive(Serialize, Deserialize)]
    struct Image {
        pixels: Plain<Vec<[f32; 4]>>,
    }
    let image = Image { pixels: Plain(vec![[1.0; 4]; 10]) };
    assert_eq!(bytes(&image).len(), 1 + 8 + 160);
    let back: Image = trip(&image).unwrap();
    assert_eq!(back.pixels, image.pixels);
    let back: Described<Image> = trip(&Described(image)).unwrap();
    assert_eq!(back.0.pixels.0.len(), 10);
}

#[test]
fn wrappers_pass_through_other_formats() {
    let json = serde_json::to_string(&(Plain(vec![1_u16, 2]), Described("x".to_string()))).unwrap();
    let (numbers, text): (Plain<Vec<u16>>, Described<String>) = serde_json::from_str(&json).unwrap();
    assert_eq!((numbers.0, text.0), (vec![1, 2], "x".to_string()));
}
