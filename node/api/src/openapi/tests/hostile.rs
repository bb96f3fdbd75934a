// SPDX-License-Identifier: Apache-2.0

//! Documents and values made to cost as much as they can.

use std::fmt::Write as _;

use super::*;

/// The stack that a thread of the program has.
const STACK: usize = 2 << 20;

/// Does something on a thread with the stack that all threads of the program have but the first.
fn on_a_small_stack(what: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(what).expect("a thread");
    thread.join().expect("no overflow and no panic");
}

/// A document whose one operation takes a body of the first of these schemas.
fn of(schemas: &str) -> String {
    format!(
        r##"{{"openapi":"3.1.0","info":{{"title":"deep","version":"1"}},"paths":{{"/a":{{"post":{{"operationId":"a","requestBody":{{"content":{{"application/json":{{"schema":{{"$ref":"#/d/0"}}}}}}}}}}}}}},"d":[{schemas}]}}"##
    )
}

fn chain(count: usize, link: impl Fn(String) -> String) -> String {
    let mut schemas = String::new();
    for next in 1..=count {
        let _ = write!(schemas, "{},", link(format!(r##"{{"$ref":"#/d/{next}"}}"##)));
    }
    of(&(schemas + r#"{"type":"string"}"#))
}

#[test]
fn chains_of_references_take_no_stack() {
    on_a_small_stack(|| {
        for link in [
            (|to| format!(r#"{{"not":{to}}}"#)) as fn(String) -> String,
            |to| format!(r#"{{"items":{to}}}"#),
            |to| format!(r#"{{"allOf":[{to}]}}"#),
            |to| format!(r#"{{"properties":{{"a":{to}}}}}"#),
            |to| format!(r#"{{"additionalProperties":{to}}}"#),
            |to| format!(r#"{{"if":{to}}}"#),
            |to| format!(r#"{{"prefixItems":[{to}]}}"#),
            |to| format!(r#"{{"type":"array","$ref":{}}}"#, &to[8..to.len() - 1]),
        ] {
            let document = Document::read(chain(NODES_MAX / 5, link).as_bytes()).expect("odd, but valid");
            let operation = &document.operations()[0];
            let schema = document.body_schema(operation, JSON, true).expect("expected").expect("has one");
            for body in
                ["1".to_string(), "[".repeat(100) + &"]".repeat(100), r#"{"a":"#.repeat(100) + "1" + &"}".repeat(100)]
            {
                let _ = document.check_body(schema, JSON, body.as_bytes(), Effort::Whole);
            }
        }
    });
}

#[test]
fn references_to_references_end() {
    on_a_small_stack(|| {
        let text = chain(NODES_MAX / 5, |to| to);
        let error = Document::read(text.as_bytes()).expect_err("too many").to_string();
        assert!(error.contains("again and again"), "{error}");
    });
}

#[test]
fn a_long_name_is_not_kept_for_each_schema_below_it() {
    let name = "n".repeat(500_000);
    let inside = (0..20_000).map(|_| "{}").collect::<Vec<_>>().join(",");
    let text = of(&format!(r#"{{"properties":{{"{name}":{{"allOf":[{inside}]}}}}}}"#));
    // With a text for each of them this would be 10 GB.
    Document::read(text.as_bytes()).expect("odd, but valid");
}

#[test]
fn too_many_schemas_patterns_or_shared_parts_are_refused_or_left_out() {
    let patterns = (0..20_000).map(|n| format!(r#"{{"pattern":"\\w{n}"}}"#)).collect::<Vec<_>>().join(",");
    let error =
        Document::read(of(&format!(r#"{{"anyOf":[{patterns}]}}"#)).as_bytes()).expect_err("too many").to_string();
    assert!(error.contains("too many"), "{error}");
    let schemas = (0..60_000).map(|_| "{}").collect::<Vec<_>>().join(",");
    let error =
        Document::read(of(&format!(r#"{{"anyOf":[{schemas}]}}"#)).as_bytes()).expect_err("too many").to_string();
    assert!(error.contains("schemas"), "{error}");
    // One path with many parameters, named by many others.
    let parameters = (0..200).map(|n| format!(r#"{{"name":"p{n}","in":"query"}}"#)).collect::<Vec<_>>().join(",");
    let item = format!(r#"{{"parameters":[{parameters}],"get":{{}},"put":{{}},"post":{{}},"delete":{{}}}}"#);
    let others = (0..5_000).map(|n| format!(r##""/b{n}":{{"$ref":"#/paths/~1a"}}"##)).collect::<Vec<_>>().join(",");
    let text = format!(r#"{{"openapi":"3.0.0","paths":{{"/a":{item},{others}}}}}"#);
    assert!(matches!(Document::read(text.as_bytes()), Err(DocumentError::TooBig { .. })));
}

fn steps_of(schema: &str, body: &str) -> Result<(), Violation> {
    let document = Document::read(of(schema).as_bytes()).expect("odd, but valid");
    let schema = document.body_schema(&document.operations()[0], JSON, true).expect("expected").expect("has one");
    document.check_body(schema, JSON, body.as_bytes(), Effort::Whole)
}

#[test]
fn a_check_that_would_take_long_says_that_nothing_is_known() {
    let slow = (0..13).map(|n| format!(r#"{{"pattern":"a[ab]{{400}}X{n}"}}"#)).collect::<Vec<_>>().join(",");
    let text = format!("\"{}\"", "ab".repeat(500_000));
    let started = std::time::Instant::now();
    let violation = steps_of(&format!(r#"{{"anyOf":[{slow}]}}"#), &text).expect_err("too long");
    assert!(violation.unchecked, "{violation}");
    // Seconds before; no assertion on a time of a busy machine but one that only a hang misses.
    assert!(started.elapsed().as_secs() < 60);
    let nested = format!("[{}]", vec![format!("[{}]", vec!["1"; 250].join(",")); 1_500].join(","));
    let violation = steps_of(r#"{"uniqueItems":true}"#, &nested).expect_err("equal items");
    assert!(!violation.unchecked, "found in linear time: {violation}");
    let wide = (0..3_000).map(|_| r#"{"properties":{"x":{}},"required":["y"],"minProperties":1}"#).collect::<Vec<_>>();
    let map = format!("{{{}}}", (0..50_000).map(|n| format!(r#""k{n}":1"#)).collect::<Vec<_>>().join(","));
    let violation = steps_of(&format!(r#"{{"anyOf":[{}]}}"#, wide.join(",")), &map).expect_err("fits none");
    assert!(violation.reason.contains("none of the forms") || violation.unchecked);
}

#[test]
fn a_big_list_of_numbers_is_checked() {
    let body = format!("[{}]", vec!["1"; 250_000].join(","));
    steps_of(r#"{"type":"array","items":{"type":"integer"}}"#, &body).expect("fits");
    let body = body.replace("1]", "1.5]");
    assert!(!steps_of(r#"{"type":"array","items":{"type":"integer"}}"#, &body).expect_err("not all").unchecked);
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    let text = "openapi: 3.0.0\npaths:\n  /files/{name}: { get: {} }\n  /a/{b}/{c}: { get: {} }\n  \
                /open/{name}: { get: { parameters: [ { name: name, in: path, required: true, x-cairn-encoded-slash: true, \
                schema: { type: string } } ] } }\n";
    let document = Document::read(text.as_bytes()).expect("valid");
    let find = |path: &str| document.find("GET", path, None, &HeaderMap::new()).map(|found| found.path.clone());
    for path in [
        "/files/..",
        "/files/.",
        "/files/%2e%2e",
        "/files/.%2E",
        "/files/..%2fsecret",
        "/files/%2e%2e%2fsecret%2fadmin.txt",
        "/files/a%2f..%2f..%2fb",
        "/files/..%5csecret",
        "/files/a%5c..%5cb",
        "/files/a\\..\\b",
        "/files/..;",
        "/files/..;x=1",
        "/files/%00",
        "/files/a%0ab",
        "/files/%252e%252e",
        "/files/%252e%252e%252fsecret",
        "/files/secret%2fadmin.txt",
        "/files/..%252fsecret",
        "/a/../admin",
        "/a/x/..",
        "/a/%2e/x",
        "/open/..%2fx",
        "/open/a%2f..%2fb",
        "/open/%2e%2e",
        "/files/%25252e%25252e",
    ] {
        assert!(matches!(find(path), Err(RequestError::Violation(_))), "{path}: {:?}", find(path));
    }
    for path in [
        "/files/a.txt",
        "/files/.hidden",
        "/files/..a",
        "/files/a..b",
        "/files/...",
        "/files/50%25",
        "/files/a%20b",
        "/files/a;b",
        "/a/.b/c.",
        "/files/%E2%82%AC",
    ] {
        find(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    assert_eq!(find("/open/a%2Fb").as_deref(), Ok("/open/{name}"));
}
