//! Containers, values and namespaces.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use pool::shared::{
    ArrayProxy, DictProxy, Dynamic, ListProxy, Manager, ManagerError, NamespaceProxy, SetProxy, ValueProxy,
};
use serde::{Deserialize, Serialize};

use crate::support::eventually;
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    a_list_does_what_a_vec_does,
    lists_in_a_list_are_the_live_ones,
    an_inner_list_lives_after_the_outer_one,
    a_list_that_holds_itself_goes_when_it_is_taken_out,
    a_place_that_is_not_there_is_an_error,
    a_dict_does_what_a_map_does,
    the_keys_of_a_dict_are_in_the_order_in_which_they_came,
    an_iteration_is_not_disturbed_by_changes,
    an_inner_dict_lives_after_the_outer_one_is_cleared,
    a_set_does_what_a_set_does,
    a_value_is_got_and_set,
    an_array_has_its_length_for_ever,
    a_namespace_has_attributes_of_any_type,
    the_text_form_of_a_namespace_hides_private_names,
    a_change_with_the_lock_is_one_whole,
    a_function_that_panics_leaves_the_container_usable,
    keys_and_values_of_many_types_are_in_one_dict,
);

fn strings<const N: usize>(of: [&str; N]) -> Vec<String> {
    of.map(str::to_owned).into()
}

fn a_list_does_what_a_vec_does(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let list = manager.list(0..5).unwrap();
    let other = |list: ListProxy<i32>| {
        list.push(9).unwrap();
        list.extend([5, 1]).unwrap();
        list.insert(0, 7).unwrap();
        assert_eq!(list.to_vec().unwrap(), [7, 0, 1, 2, 3, 4, 9, 5, 1]);
        assert_eq!(list.iter().unwrap().sum::<i32>(), 32);
        assert_eq!((list.index_of(9).unwrap(), list.index_of(8).unwrap()), (Some(6), None));
        assert_eq!((list.count(1).unwrap(), list.contains(4).unwrap()), (2, true));
        list.sort().unwrap();
        list.reverse().unwrap();
        assert_eq!((list.pop().unwrap(), list.len().unwrap()), (Some(0), 8));
        assert_eq!(list.pop_at(0).unwrap(), Some(9));
        assert!(list.remove(1).unwrap() && !list.remove(100).unwrap());
    };
    elsewhere.start(other, list.clone()).join();
    assert_eq!(list.to_vec().unwrap(), [7, 5, 4, 3, 2, 1]);
    assert_eq!((list.get(0).unwrap(), list.get(6).unwrap()), (Some(7), None));
    assert_eq!(list.get_many([5, 0, 9]).unwrap(), [Some(1), Some(7), None]);
    assert_eq!(list.slice(1..3).unwrap(), [5, 4]);
    assert_eq!(list.slice(4..100).unwrap(), [2, 1]);
    assert_eq!(list.set_slice(1..3, [8, 8, 8]).unwrap(), [5, 4]);
    assert_eq!(list.set(0, 6).unwrap(), 7);
    list.truncate(3).unwrap();
    list.repeat(2).unwrap();
    assert_eq!(list.concat([1]).unwrap(), [6, 8, 8, 6, 8, 8, 1]);
    list.sort_by_key(|item| -item).unwrap();
    assert_eq!(list.to_vec().unwrap(), [8, 8, 8, 8, 6, 6]);
    list.repeat(0).unwrap();
    assert!(list.is_empty().unwrap() && list.pop().unwrap().is_none() && list.pop_at(0).unwrap().is_none());
    let floats = manager.list([2.5, -1.0]).unwrap();
    floats.sort_by(f64::total_cmp).unwrap();
    assert_eq!(floats.to_vec().unwrap(), [-1.0, 2.5]);
}

fn lists_in_a_list_are_the_live_ones(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let (a, b) = (manager.list([1]).unwrap(), manager.list([2]).unwrap());
    let lists = manager.list([a.clone(), b.clone()]).unwrap();
    a.push(3).unwrap();
    let other = |lists: ListProxy<ListProxy<i32>>| {
        let inner: Vec<Vec<i32>> = lists.iter().unwrap().map(|list| list.to_vec().unwrap()).collect();
        lists.get(1).unwrap().unwrap().push(4).unwrap();
        inner
    };
    assert_eq!(elsewhere.start(other, lists.clone()).join(), [vec![1, 3], vec![2]]);
    assert_eq!(b.to_vec().unwrap(), [2, 4]);
    assert_eq!(lists.index_of(b).unwrap(), Some(1));
}

fn an_inner_list_lives_after_the_outer_one(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let outer = manager.list([manager.list(0..3).unwrap()]).unwrap();
    let other = |outer: ListProxy<ListProxy<i32>>| {
        let inner = outer.get(0).unwrap().unwrap();
        inner.push(3).unwrap();
        inner
    };
    let inner = elsewhere.start(other, outer.clone()).join();
    assert_eq!(outer.get(0).unwrap().unwrap().len().unwrap(), 4);
    drop(outer);
    eventually("the outer list goes", || manager.status().unwrap().objects == 1);
    assert_eq!(inner.to_vec().unwrap(), [0, 1, 2, 3]);
    drop(inner);
    eventually("the inner list goes", || manager.status().unwrap().objects == 0);
}

fn a_list_that_holds_itself_goes_when_it_is_taken_out(elsewhere: Elsewhere) {
    #[derive(Clone, Serialize, Deserialize, PartialEq)]
    struct Tree(ListProxy<Tree>);

    let manager = Manager::start().unwrap();
    let list: ListProxy<Tree> = manager.list([]).unwrap();
    list.push(Tree(list.clone())).unwrap();
    list.push(Tree(list.clone())).unwrap();
    let other = |list: ListProxy<Tree>| {
        let itself = list.get(0).unwrap().unwrap();
        assert!(itself.0 == list);
        let deep = itself.0.get(1).unwrap().unwrap().0.get(0).unwrap().unwrap();
        deep.0.len().unwrap()
    };
    assert_eq!(elsewhere.start(other, list.clone()).join(), 2);
    list.clear().unwrap();
    drop(list);
    eventually("the list goes", || manager.status().unwrap().objects == 0);
}

fn a_place_that_is_not_there_is_an_error(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let (list, array) = (manager.list([1, 2]).unwrap(), manager.array([1, 2]).unwrap());
    let other = |(list, array): (ListProxy<i32>, ArrayProxy<i32>)| {
        let out_of_range = [
            list.set(2, 0).unwrap_err(),
            list.insert(3, 0).unwrap_err(),
            list.set(usize::MAX, 0).unwrap_err(),
            array.set(2, 0).unwrap_err(),
            array.set_slice(1, [0, 0]).unwrap_err(),
            array.set_slice(usize::MAX, [0, 0]).unwrap_err(),
        ];
        for error in out_of_range {
            assert!(matches!(error, ManagerError::OutOfRange { len: 2, .. }), "{error}");
        }
        assert_eq!(list.slice(Range { start: 5, end: 1 }).unwrap(), []);
        assert_eq!(array.slice(Range { start: 5, end: 1 }).unwrap(), []);
        assert!(list.repeat(usize::MAX).unwrap_err().to_string().contains("long"));
        assert!(list.repeat(1 << 60).is_err());
    };
    elsewhere.start(other, (list.clone(), array.clone())).join();
    assert_eq!((list.to_vec().unwrap(), array.to_vec().unwrap()), (vec![1, 2], vec![1, 2]));
}

fn a_dict_does_what_a_map_does(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<String, i64>().unwrap();
    let other = |dict: DictProxy<String, i64>| {
        dict.update(strings(["a", "b", "c"]).into_iter().zip(1..)).unwrap();
        assert_eq!(dict.len().unwrap(), 3);
        assert_eq!((dict.get("a").unwrap(), dict.get("z").unwrap()), (Some(1), None));
        assert_eq!(dict.get_or("z", 9).unwrap(), 9);
        assert_eq!(dict.items().unwrap()[1], ("b".to_owned(), 2));
        assert_eq!(dict.keys().unwrap(), ["a", "b", "c"]);
        assert_eq!(dict.values().unwrap(), [1, 2, 3]);
        assert_eq!(dict.to_map().unwrap(), HashMap::from_iter(strings(["a", "b", "c"]).into_iter().zip(1..)));
        assert_eq!(dict.popitem().unwrap(), Some(("c".to_owned(), 3)));
        assert_eq!(dict.get_or_insert("d".to_owned(), 4).unwrap(), 4);
        assert_eq!(dict.get_or_insert("d".to_owned(), 5).unwrap(), 4);
        assert_eq!(dict.remove("b").unwrap(), Some(2));
    };
    elsewhere.start(other, dict.clone()).join();
    assert!(dict.contains_key("d").unwrap() && !dict.contains_key("b").unwrap());
    assert_eq!(dict.get_many(strings(["d", "b", "a"])).unwrap(), [Some(4), None, Some(1)]);
    assert_eq!(dict.remove_many(strings(["a", "a"])).unwrap(), [Some(1), None]);
    dict.clear().unwrap();
    assert!(dict.is_empty().unwrap() && dict.popitem().unwrap().is_none());
    let plain = manager.dict::<u64, Vec<u64>>().unwrap();
    plain.insert(1 << 40, vec![1, 2]).unwrap();
    assert_eq!(plain.get(&(1 << 40)).unwrap(), Some(vec![1, 2]));
}

fn the_keys_of_a_dict_are_in_the_order_in_which_they_came(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<u32, u32>().unwrap();
    let keys: Vec<u32> = (0..100).map(|nth| nth * 7919 % 101).collect();
    dict.update(keys.iter().map(|key| (*key, 0))).unwrap();
    let other = |dict: DictProxy<u32, u32>| {
        // One that is there keeps its place; one that was away is the last.
        dict.insert(0, 1).unwrap();
        dict.remove(&7919_u32.rem_euclid(101)).unwrap();
        dict.insert(7919 % 101, 2).unwrap();
        dict.keys().unwrap()
    };
    let mut expected = keys;
    let moved = expected.remove(1);
    expected.push(moved);
    assert_eq!(elsewhere.start(other, dict.clone()).join(), expected);
    assert_eq!(dict.popitem().unwrap(), Some((moved, 2)));
    let even = dict.with_lock((), |dict, ()| {
        dict.retain(|key, _| key % 2 == 0);
        dict.iter().map(|(key, _)| *key).collect::<Vec<u32>>()
    });
    assert_eq!(
        even.unwrap(),
        expected.into_iter().filter(|key| key % 2 == 0 && *key != moved).collect::<Vec<_>>()
    );
}

fn an_iteration_is_not_disturbed_by_changes(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<u32, u32>().unwrap();
    dict.update((0..10).map(|key| (key, key * 2))).unwrap();
    let mut seen = 0;
    for (key, value) in dict.iter().unwrap() {
        if seen == 5 {
            elsewhere.start(|dict: DictProxy<u32, u32>| dict.clear().unwrap(), dict.clone()).join();
        }
        dict.insert(key + 100, 0).unwrap();
        assert_eq!((key, value), (seen, seen * 2));
        seen += 1;
    }
    assert_eq!((seen, dict.len().unwrap()), (10, 5));
}

fn an_inner_dict_lives_after_the_outer_one_is_cleared(elsewhere: Elsewhere) {
    #[derive(Clone, Serialize, Deserialize)]
    enum Pet {
        Named(DictProxy<String, String>),
        Plain(String),
    }

    let manager = Manager::start().unwrap();
    let pets = manager.dict::<String, Pet>().unwrap();
    let ferret = manager.dict::<String, String>().unwrap();
    pets.insert("ferret".to_owned(), Pet::Named(ferret.clone())).unwrap();
    pets.insert("hamster".to_owned(), Pet::Plain("Sam".to_owned())).unwrap();
    drop(ferret);
    let other = |pets: DictProxy<String, Pet>| {
        let Some(Pet::Named(ferret)) = pets.get("ferret").unwrap() else { panic!("no ferret") };
        assert!(matches!(pets.get("hamster").unwrap(), Some(Pet::Plain(name)) if name == "Sam"));
        ferret.insert("name".to_owned(), "Suki".to_owned()).unwrap();
        ferret
    };
    let ferret = elsewhere.start(other, pets.clone()).join();
    pets.clear().unwrap();
    assert_eq!(ferret.get("name").unwrap().as_deref(), Some("Suki"));
    drop(pets);
    eventually("the outer dict goes", || manager.status().unwrap().objects == 1);
    assert_eq!(ferret.len().unwrap(), 1);
}

fn a_set_does_what_a_set_does(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let set = manager.set(strings(["a", "b", "a"])).unwrap();
    let other = |set: SetProxy<String>| {
        assert!(set.add("c".to_owned()).unwrap() && !set.add("a".to_owned()).unwrap());
        set.update(strings(["d", "b"])).unwrap();
        assert!(set.remove("a").unwrap() && !set.remove("a").unwrap());
        assert!(set.contains("b").unwrap());
    };
    elsewhere.start(other, set.clone()).join();
    assert_eq!(set.to_vec().unwrap(), ["b", "c", "d"]);
    assert_eq!(set.contains_many(strings(["c", "x"])).unwrap(), [true, false]);
    assert_eq!(set.union(strings(["x", "x", "b"])).unwrap(), ["b", "c", "d", "x"]);
    assert_eq!(set.intersection(strings(["x", "d", "b"])).unwrap(), ["b", "d"]);
    assert_eq!(set.difference(strings(["d"])).unwrap(), ["b", "c"]);
    assert_eq!(set.to_set().unwrap(), HashSet::from_iter(strings(["b", "c", "d"])));
    assert_eq!(set.pop().unwrap().as_deref(), Some("d"));
    assert_eq!(set.remove_many(strings(["b", "y"])).unwrap(), 1);
    assert_eq!(set.len().unwrap(), 1);
    set.clear().unwrap();
    assert!(set.is_empty().unwrap() && set.pop().unwrap().is_none());
}

fn a_value_is_got_and_set(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let value = manager.value((1, "one".to_owned())).unwrap();
    let other = |value: ValueProxy<(i32, String)>| {
        let before = value.replace((2, "two".to_owned())).unwrap();
        value.with_lock(40, |value, more: i32| value.0 += more).unwrap();
        before
    };
    assert_eq!(elsewhere.start(other, value.clone()).join(), (1, "one".to_owned()));
    assert_eq!(value.get().unwrap(), (42, "two".to_owned()));
    value.set((0, String::new())).unwrap();
    assert_eq!(value.get().unwrap(), (0, String::new()));
}

fn an_array_has_its_length_for_ever(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let array = manager.array((0..1000).map(f64::from)).unwrap();
    let other = |array: ArrayProxy<f64>| {
        assert_eq!(array.set(1, 0.5).unwrap(), 1.0);
        array.set_slice(998, [-1.0, -2.0]).unwrap();
        array
            .with_lock(3.0, |array, factor: f64| array[..2].iter_mut().for_each(|item| *item *= factor))
            .unwrap();
    };
    elsewhere.start(other, array.clone()).join();
    assert_eq!((array.len().unwrap(), array.is_empty().unwrap()), (1000, false));
    assert_eq!((array.get(1).unwrap(), array.get(1000).unwrap()), (Some(1.5), None));
    assert_eq!(array.slice(997..2000).unwrap(), [997.0, -1.0, -2.0]);
    assert_eq!(array.iter().unwrap().len(), 1000);
}

fn a_namespace_has_attributes_of_any_type(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let space = manager.namespace().unwrap();
    space.set("x", 10).unwrap();
    space.set("y", "hello".to_owned()).unwrap();
    space.set("list", manager.list([1, 2]).unwrap()).unwrap();
    let other = |space: NamespaceProxy| {
        assert_eq!(space.get::<i32>("x").unwrap(), Some(10));
        assert_eq!(space.get::<String>("y").unwrap().as_deref(), Some("hello"));
        assert_eq!(space.get::<i32>("z").unwrap(), None);
        let error = space.get::<u64>("x").unwrap_err();
        assert!(
            matches!(&error, ManagerError::OtherType { name, found } if name == "x" && found == "i32"),
            "{error}"
        );
        space.get::<ListProxy<i32>>("list").unwrap().unwrap().push(3).unwrap();
        assert!(space.remove("y").unwrap() && !space.remove("y").unwrap());
        space.with_lock(5, |space, by: i32| *space.get_mut::<i32>("x").unwrap() += by).unwrap();
    };
    elsewhere.start(other, space.clone()).join();
    assert_eq!(space.get("x").unwrap(), Some(15));
    assert!(space.contains("list").unwrap() && !space.contains("y").unwrap());
    assert_eq!(space.names().unwrap(), ["list", "x"]);
    assert_eq!(space.get::<ListProxy<i32>>("list").unwrap().unwrap().to_vec().unwrap(), [1, 2, 3]);
    space.clear().unwrap();
    eventually("the list goes", || manager.status().unwrap().objects == 1);
}

fn the_text_form_of_a_namespace_hides_private_names(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let space = manager.namespace().unwrap();
    space.set("name", "Bob".to_owned()).unwrap();
    space.set("job", "Builder".to_owned()).unwrap();
    space.set("_hidden", "hidden".to_owned()).unwrap();
    let other = |space: NamespaceProxy| space.show().unwrap();
    assert_eq!(elsewhere.start(other, space.clone()).join(), r#"Namespace(job="Builder", name="Bob")"#);
    assert_eq!(space.get::<String>("_hidden").unwrap().as_deref(), Some("hidden"));
}

fn a_change_with_the_lock_is_one_whole(elsewhere: Elsewhere) {
    const TIMES: u64 = 300;
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<String, u64>().unwrap();
    fn count(dict: DictProxy<String, u64>) {
        for _ in 0..TIMES {
            dict.with_lock("hits".to_owned(), |dict, key: String| {
                let count = *dict.get_or_insert_with(key, || 0);
                std::thread::yield_now();
                *dict.get_mut("hits").unwrap() = count + 1;
            })
            .unwrap();
        }
    }
    let other = elsewhere.start(count, dict.clone());
    count(dict.clone());
    other.join();
    assert_eq!(dict.get("hits").unwrap(), Some(2 * TIMES));
}

fn a_function_that_panics_leaves_the_container_usable(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let list = manager.list([3, 1, 2]).unwrap();
    let other = |list: ListProxy<i32>| {
        let out_of_range = list.with_lock(9, |list, at: usize| list[at]).unwrap_err();
        assert!(matches!(out_of_range, ManagerError::Panicked(_)), "{out_of_range}");
        let sorting = list.sort_by(|_, _| panic!("no order")).unwrap_err();
        assert!(sorting.to_string().contains("no order"), "{sorting}");
    };
    elsewhere.start(other, list.clone()).join();
    list.sort().unwrap();
    assert_eq!(list.to_vec().unwrap(), [1, 2, 3]);
}

fn keys_and_values_of_many_types_are_in_one_dict(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<Dynamic, Dynamic>().unwrap();
    let list = manager.list([Dynamic::from(1)]).unwrap();
    dict.insert("list".into(), list.clone().into()).unwrap();
    dict.insert(list.clone().into(), "a proxy is a key".into()).unwrap();
    let other = |dict: DictProxy<Dynamic, Dynamic>| {
        dict.update([(1.into(), "1".into()), ("2".into(), 2.into()), (0.25.into(), Dynamic::None)]).unwrap();
        let list = dict.get(&Dynamic::from("list")).unwrap().unwrap();
        list.as_list_proxy().unwrap().push("from the other side".into()).unwrap();
        assert_eq!(dict.get(&list).unwrap(), Some("a proxy is a key".into()));
        dict.keys().unwrap().len()
    };
    assert_eq!(elsewhere.start(other, dict.clone()).join(), 5);
    assert_eq!(
        dict.get_many([1.into(), "2".into(), 0.25.into(), 1.0.into()]).unwrap(),
        [Some("1".into()), Some(2.into()), Some(Dynamic::None), None]
    );
    assert_eq!(list.to_vec().unwrap(), [1.into(), Dynamic::from("from the other side")]);
}
