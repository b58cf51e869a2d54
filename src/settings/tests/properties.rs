//! Nothing that a user can write makes the settings panic.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Any JSON value, not too deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,5}|repr", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_of_any_setting_panics(value in any_json(), index in 0..all().count()) {
        let name = all().nth(index).unwrap().name;
        let reading = Reading { python: Some(json!({ name: value })), ..Reading::default() };
        match reading.read() {
            Ok(resolved) => drop(resolved.print_config()),
            Err(errors) => prop_assert!(errors[0].to_string().contains(name)),
        }
    }

    #[test]
    fn no_arguments_panic(words in prop::collection::vec("-{0,2}[a-z=-]{0,8}|\\PC{0,8}", 0..4), text in "\\PC*") {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let variable = format!("GUNICORN_CMD_ARGS={text}");
        let _ = Reading { arguments: &words, environment: &[&variable], ..Reading::default() }.read();
    }

    #[test]
    fn no_toml_panics(text in "(\\PC|\n|=|'|\\[){0,40}") {
        let _ = Reading { toml: Some(&text), ..Reading::default() }.read();
    }
}
