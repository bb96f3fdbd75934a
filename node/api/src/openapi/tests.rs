// SPDX-License-Identifier: Apache-2.0

use hyper::HeaderMap;
use proptest::prelude::*;
use serde_json::{json, Value};

use super::*;

mod hostile;
mod real;

const JSON: Option<&str> = Some("application/json");

const PETS: &str = r#"
openapi: 3.1.0
info: { title: Pets, version: '1' }
paths:
  /pets:
    get:
      operationId: listPets
      x-cairn-deterministic: true
      parameters:
        - { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 100 } }
        - { name: tag, in: query, schema: { type: array, items: { type: string, maxLength: 4 } } }
        - { name: near, in: query, explode: false, schema: { type: array, items: { type: number }, minItems: 2 } }
        - { name: X-Trace, in: header, schema: { type: string, pattern: '^[a-f0-9]+$' } }
      responses:
        '200':
          content:
            application/json:
              schema: { type: array, items: { $ref: '#/components/schemas/Pet' } }
        default: { description: anything else }
    post:
      operationId: addPet
      x-cairn-units: 5
      requestBody:
        required: true
        content: { application/json: { schema: { $ref: '#/components/schemas/Pet' } } }
      responses: { '201': { description: made } }
  /pets/{id}:
    parameters:
      - { name: id, in: path, required: true, schema: { type: integer } }
    get:
      responses: { '200': { content: { 'image/*': {} } } }
  /pets/mine:
    get: { operationId: mine }
components:
  schemas:
    Pet:
      type: object
      required: [name]
      additionalProperties: false
      properties:
        name: { type: string, minLength: 1 }
        age: { type: integer, minimum: 0 }
        children: { type: array, items: { $ref: '#/components/schemas/Pet' } }
        colour: { oneOf: [ { const: red }, { type: integer } ] }
"#;

fn pets() -> Document {
    Document::read(PETS.as_bytes()).expect("valid")
}

fn find(document: &Document, method: &str, path: &str, query: &str) -> Result<String, String> {
    let found = document.find(method, path, Some(query), &HeaderMap::new());
    found.map(|operation| operation.name.clone()).map_err(|error| error.to_string())
}

#[test]
fn requests_find_their_operations() {
    let pets = pets();
    assert_eq!(find(&pets, "GET", "/pets", "limit=3&tag=a&tag=b").as_deref(), Ok("listPets"));
    assert_eq!(find(&pets, "GET", "/pets/17", "").as_deref(), Ok("GET /pets/{id}"));
    assert_eq!(find(&pets, "GET", "/pets/mine", "").as_deref(), Ok("mine"), "a literal goes before a parameter");
    assert_eq!(find(&pets, "GET", "/pets", "near=1.5,2").as_deref(), Ok("listPets"));
    for (index, operation) in pets.operations().iter().enumerate() {
        assert_eq!(usize::from(operation.index), index, "answers are signed with it");
        assert_eq!(operation.units, if operation.name == "addPet" { 5 } else { 1 });
    }
}

#[test]
fn everything_else_is_refused_with_the_reason() {
    let pets = pets();
    for (method, path, query, reason) in [
        ("GET", "/", "", "no such path"),
        ("GET", "/pets/", "", "no such path"),
        ("GET", "/pets/1/2", "", "no such path"),
        ("GET", "pets", "", "no such path"),
        ("DELETE", "/pets", "", "it has GET, POST"),
        ("GET", "/pets", "limit=0", "query parameter limit: it must be at least 1"),
        ("GET", "/pets", "limit=1.5", "of the type integer"),
        ("GET", "/pets", "limit=x", "of the type integer"),
        ("GET", "/pets", "limit=1&limit=2", "more than once"),
        ("GET", "/pets", "colour=red", "query parameter colour: it is not expected here"),
        ("GET", "/pets", "tag=%zz", "not well escaped"),
        ("GET", "/pets", "tag=%ff", "not well escaped"),
        ("GET", "/pets", "tag=toolong", "at most 4 characters"),
        ("GET", "/pets", "near=1", "at least 2 items"),
        ("GET", "/pets/abc", "", "path parameter id"),
    ] {
        let error = find(&pets, method, path, query).expect_err(path);
        assert!(error.contains(reason), "{path}?{query}: {error}");
    }
    let mut headers = HeaderMap::new();
    headers.insert("x-trace", "xyz".parse().expect("a header"));
    assert!(pets.find("GET", "/pets", None, &headers).is_err());
}

#[test]
fn bodies_are_checked_against_their_schemas() {
    let pets = pets();
    let add = pets.find("POST", "/pets", None, &HeaderMap::new()).expect("there");
    let schema =
        pets.body_schema(add, Some("application/json; charset=utf-8"), true).expect("expected").expect("has one");
    for good in [json!({"name": "a"}), json!({"name": "a", "age": 0, "colour": "red", "children": [{"name": "b"}]})] {
        pets.check_body(schema, JSON, good.to_string().as_bytes(), Effort::Whole).expect("fits");
    }
    for (bad, at) in [
        (json!({}), "`name` is missing"),
        (json!({"name": ""}), "body/name"),
        (json!({"name": "a", "age": -1}), "body/age"),
        (json!({"name": "a", "age": 1.5}), "body/age"),
        (json!({"name": "a", "more": 1}), "`more` is not expected"),
        (json!({"name": "a", "colour": "blue"}), "body/colour"),
        (json!({"name": "a", "children": [{"name": "b"}, {}]}), "body/children/1"),
        (json!([]), "of the type object"),
    ] {
        let error = pets
            .check_body(schema, JSON, bad.to_string().as_bytes(), Effort::Whole)
            .expect_err("does not fit")
            .to_string();
        assert!(error.contains(at), "{bad}: {error}");
    }
    assert!(pets.check_body(schema, JSON, b"{", Effort::Whole).is_err());
    assert!(pets.body_schema(add, Some("text/plain"), true).is_err());
    assert!(pets.body_schema(add, None, false).is_err(), "it is required");
    let list = pets.find("GET", "/pets", None, &HeaderMap::new()).expect("there");
    assert!(pets.body_schema(list, Some("application/json"), true).is_err(), "none is expected");
}

#[test]
fn responses_are_checked_too() {
    let pets = pets();
    let list = pets.find("GET", "/pets", None, &HeaderMap::new()).expect("there");
    let json = Some("application/json");
    pets.check_response(list, 200, json, Some(br#"[{"name": "a"}]"#), Effort::Whole).expect("fits");
    pets.check_response(list, 500, Some("text/plain"), Some(b"oh"), Effort::Whole).expect("the default says nothing");
    assert!(pets.check_response(list, 200, json, Some(br#"[{"name": 1}]"#), Effort::Whole).is_err());
    assert!(pets.check_response(list, 200, json, Some(b"<html>"), Effort::Whole).is_err());
    assert!(pets.check_response(list, 200, Some("text/html"), Some(b""), Effort::Whole).is_err());
    let one = pets.find("GET", "/pets/1", None, &HeaderMap::new()).expect("there");
    pets.check_response(one, 200, Some("image/png"), Some(b"\x89PNG"), Effort::Whole).expect("any image");
    assert!(
        pets.check_response(one, 404, json, None, Effort::Whole).is_err(),
        "a status that the document doesn't have"
    );
}

#[test]
fn yaml_and_json_are_the_same_document() {
    let value = tree::read(PETS.as_bytes()).expect("valid");
    assert_eq!(tree::read(value.to_string().as_bytes()).expect("valid"), value);
    assert_eq!(value["openapi"], "3.1.0");
    let scalars =
        tree::read(b"a: 1\nb: 0x\nc: 1.5\nd: ~\ne: 'true'\nf: true\ng: -3\nh: 1e3\ni: 1.2.3\n").expect("valid");
    let expected: Value =
        json!({"a": 1, "b": "0x", "c": 1.5, "d": null, "e": "true", "f": true, "g": -3, "h": 1e3, "i": "1.2.3"});
    assert_eq!(scalars, expected);
}

#[test]
fn hostile_documents_are_refused() {
    let path = "paths: { /a: { get: { parameters: [ { name: q, in: query, schema: SCHEMA } ] } } }";
    let with = |schema: &str| format!("openapi: 3.0.0\n{}\n", path.replace("SCHEMA", schema));
    Document::read(with("{ type: string }").as_bytes()).expect("valid");
    for (schema, reason) in [
        ("{ $ref: 'http://example.com/x' }", "must stay within"),
        ("{ $ref: '#/nowhere' }", "nothing at"),
        ("{ type: strange }", "no type of JSON"),
        ("{ unevaluatedProperties: false }", "not supported"),
        ("{ pattern: '(?=a)' }", "pattern"),
        ("{ pattern: '(a{1000}){1000}' }", "pattern"),
        ("{ minLength: -1 }", "whole number"),
        ("&x { type: string }", "anchors"),
        ("!!str x", "tags"),
        ("{ type: string, type: string }", "twice"),
    ] {
        let error = Document::read(with(schema).as_bytes()).expect_err(schema).to_string();
        assert!(error.contains(reason), "{schema}: {error}");
    }
    let looping = "openapi: 3.0.0\npaths: { /a: { $ref: '#/paths/~1b' }, /b: { $ref: '#/paths/~1a' } }\n";
    assert!(Document::read(looping.as_bytes()).is_err());
    let deep = format!("openapi: 3.0.0\npaths: {}1{}", "[".repeat(100), "]".repeat(100));
    assert!(matches!(Document::read(deep.as_bytes()), Err(DocumentError::TooBig { .. })));
    assert!(
        Document::read(format!("{{\"openapi\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes()).is_err()
    );
    assert!(Document::read(&vec![b'a'; DOCUMENT_BYTES_MAX + 1]).is_err());
    let many = format!("openapi: 3.0.0\npaths: [{}]", "1,".repeat(NODES_MAX));
    assert!(matches!(Document::read(many.as_bytes()), Err(DocumentError::TooBig { .. })));
}

#[test]
fn a_schema_that_holds_itself_ends() {
    let text = "openapi: 3.0.0\npaths: { /a: { post: { requestBody: { content: { application/json: { schema: \
                { $ref: '#/components/schemas/S' } } } } } } }\ncomponents: { schemas: { S: { allOf: [ { $ref: \
                '#/components/schemas/S' } ] }, T: { anyOf: [ { $ref: '#/components/schemas/T' }, { $ref: \
                '#/components/schemas/T' } ] } } }\n";
    let document = Document::read(text.as_bytes()).expect("odd, but valid");
    let operation = document.find("POST", "/a", None, &HeaderMap::new()).expect("there");
    let schema = document.body_schema(operation, Some("application/json"), true).expect("expected").expect("has one");
    assert!(document.check_body(schema, JSON, b"1", Effort::Whole).is_err());
    let twice = text.replacen("schemas/S'", "schemas/T'", 1);
    let document = Document::read(twice.as_bytes()).expect("odd, but valid");
    let operation = document.find("POST", "/a", None, &HeaderMap::new()).expect("there");
    let schema = document.body_schema(operation, Some("application/json"), true).expect("expected").expect("has one");
    assert!(
        document.check_body(schema, JSON, b"1", Effort::Whole).is_err(),
        "two to the depth's power steps are never taken"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z#/$]{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("type".to_string()),
        Just("$ref".into()),
        Just("allOf".into()),
        Just("properties".into()),
        Just("items".into()),
        Just("required".into()),
        Just("parameters".into()),
        Just("get".into()),
        Just("schema".into()),
        Just("in".into()),
        Just("name".into()),
        Just("content".into()),
        Just("enum".into()),
        "[a-z/{}]{0,8}",
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Document::read(&bytes);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(openapi: 3.0.0\n|paths:\n|  /a:\n|    get:\n|[ \n:{}\\[\\],'\"&*!|>-]|[a-z]{1,4}){0,60}") {
        let _ = Document::read(text.as_bytes());
    }

    #[test]
    fn no_tree_makes_the_reader_panic(paths in any_json(), value in any_json()) {
        let document = json!({ "openapi": "3.0.0", "paths": { "/a": { "post": {
            "parameters": [{ "name": "q", "in": "query", "schema": paths.clone() }],
            "requestBody": { "content": { "application/json": { "schema": paths } } },
        } } } });
        if let Ok(document) = Document::read(document.to_string().as_bytes()) {
            let operation = document.find("POST", "/a", Some("q=1&q=%41"), &HeaderMap::new());
            let _ = operation.map(|operation| operation.name.clone());
            let operation = &document.operations()[0];
            if let Ok(Some(schema)) = document.body_schema(operation, Some("application/json"), true) {
                let _ = document.check_body(schema, JSON, value.to_string().as_bytes(), Effort::Whole);
            }
        }
    }

    #[test]
    fn no_request_makes_the_check_panic(path in "[/a-z0-9%{}.]{0,40}", query in "[a-z0-9=&%+,]{0,60}") {
        let _ = find(&pets(), "GET", &path, &query);
    }
}
