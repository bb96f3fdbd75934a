// SPDX-License-Identifier: Apache-2.0

//! What documents of real APIs have.

use super::*;

fn read(text: &str) -> Document {
    Document::read(text.as_bytes()).expect("valid")
}

fn query(document: &Document, query: &str) -> Result<(), String> {
    let found = document.find("GET", "/a", Some(query), &HeaderMap::new());
    found.map(drop).map_err(|error| error.to_string())
}

/// A document with one operation, `GET /a`, and one parameter in the query.
fn with(parameter: &str) -> Document {
    read(&format!("openapi: 3.1.0\npaths: {{ /a: {{ get: {{ parameters: [ {parameter} ] }} }} }}\n"))
}

#[test]
fn optional_parameters_of_fastapi_are_taken() {
    let optional = with("{ name: q, in: query, schema: { anyOf: [ { type: integer }, { type: 'null' } ] } }");
    for good in ["q=2", "q=-7", ""] {
        query(&optional, good).expect(good);
    }
    for bad in ["q=x", "q=1.5", "q=1&q=2"] {
        query(&optional, bad).expect_err(bad);
    }
    let several = with(
        "{ name: q, in: query, schema: { anyOf: [ { type: array, items: { type: integer } }, { type: 'null' } ] } }",
    );
    query(&several, "q=1&q=2").expect("a list");
    query(&several, "q=1&q=x").expect_err("not of integers");
    let either =
        with("{ name: q, in: query, schema: { oneOf: [ { type: integer, minimum: 5 }, { enum: [ auto ] } ] } }");
    for (text, good) in [("q=7", true), ("q=auto", true), ("q=4", false), ("q=other", false)] {
        assert_eq!(query(&either, text).is_ok(), good, "{text}");
    }
    let untyped = with("{ name: q, in: query, schema: { enum: [ 1, 2, x ] } }");
    for (text, good) in [("q=1", true), ("q=x", true), ("q=3", false)] {
        assert_eq!(query(&untyped, text).is_ok(), good, "{text}");
    }
}

#[test]
fn lists_and_maps_are_read_in_every_style() {
    let numbers = "schema: { type: array, items: { type: integer }, minItems: 2 }";
    for (style, good) in [
        ("explode: false", "q=1,2"),
        ("explode: false", "q=1%2C2"),
        ("style: pipeDelimited", "q=1|2"),
        ("style: pipeDelimited", "q=1%7C2"),
        ("style: spaceDelimited", "q=1%202"),
        ("style: form", "q=1&q=2"),
    ] {
        let document = with(&format!("{{ name: q, in: query, {style}, {numbers} }}"));
        query(&document, good).unwrap_or_else(|error| panic!("{style} {good}: {error}"));
        query(&document, "q=1").expect_err("too few");
    }
    let texts =
        with("{ name: q, in: query, explode: false, schema: { type: array, items: { type: string }, maxItems: 2 } }");
    query(&texts, "q=a%2Cb,c").expect("an encoded comma is a part of a value");
    let colour =
        "schema: { type: object, required: [ r ], properties: { r: { type: integer }, g: { type: integer } } }";
    let deep = with(&format!("{{ name: c, in: query, style: deepObject, {colour} }}"));
    query(&deep, "c[r]=1&c%5Bg%5D=2").expect("a map");
    query(&deep, "c[g]=1").expect_err("r is missing");
    query(&deep, "c[r]=x").expect_err("not an integer");
    let loose = with(&format!("{{ name: c, in: query, {colour} }}"));
    query(&loose, "r=1&g=2").expect("its properties");
    query(&loose, "r=x").expect_err("not an integer");
    query(&loose, "b=1").expect_err("not expected");
    let json =
        with("{ name: f, in: query, content: { application/json: { schema: { type: object, required: [ a ] } } } }");
    query(&json, "f=%7B%22a%22%3A1%7D").expect("JSON");
    query(&json, "f=%7B%7D").expect_err("a is missing");
    let empty = with("{ name: flag, in: query, allowEmptyValue: true, schema: { type: boolean } }");
    for (text, good) in [("flag", true), ("flag=true", true), ("flag=x", false)] {
        assert_eq!(query(&empty, text).is_ok(), good, "{text}");
    }
}

#[test]
fn headers_that_other_parts_describe_are_ignored_and_keys_may_stand_in_the_query() {
    let text = "openapi: 3.0.0\npaths: { /a: { get: { parameters: [ { name: Accept, in: header, required: true, schema: { enum: [ x ] } } \
                ] } } }\ncomponents: { securitySchemes: { k: { type: apiKey, in: query, name: api_key }, b: { type: http, scheme: bearer } } }\n";
    let document = read(text);
    query(&document, "api_key=secret").expect("a key");
    query(&document, "other=1").expect_err("not expected");
    assert!(document.asks_authorization() && !pets().asks_authorization());
}

#[test]
fn a_property_counts_in_its_direction() {
    let text = "openapi: 3.0.0\npaths: { /a: { post: { requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/U' } } } }, \
                responses: { '200': { content: { application/json: { schema: { $ref: '#/components/schemas/U' } } } } } } } }\n\
                components: { schemas: { U: { type: object, required: [ id, password, name ], properties: { id: { type: integer, readOnly: true }, \
                password: { type: string, writeOnly: true }, name: { type: string } } } } }\n";
    let document = read(text);
    let operation = &document.operations()[0];
    let schema = document.body_schema(operation, JSON, true).expect("expected").expect("has one");
    let ask = |body: &str| document.check_body(schema, JSON, body.as_bytes(), Effort::Whole);
    let answer = |body: &str| document.check_response(operation, 200, JSON, Some(body.as_bytes()), Effort::Whole);
    ask(r#"{"password":"x","name":"n"}"#).expect("no id is asked for");
    ask(r#"{"id":1,"name":"n"}"#).expect_err("the password is missing");
    answer(r#"{"id":1,"name":"n"}"#).expect("no password comes back");
    answer(r#"{"password":"x","name":"n"}"#).expect_err("the id is missing");
    ask("\u{feff}{\"password\":\"x\",\"name\":\"n\"}").expect("a byte order mark says nothing");
}

#[test]
fn forms_are_checked() {
    let text = "openapi: 3.0.0\npaths: { /a: { post: { requestBody: { content: { application/x-www-form-urlencoded: { schema: { type: object, \
                additionalProperties: false, required: [ n ], properties: { n: { type: integer }, tags: { type: array, items: { type: string } } } } } } } } } }\n";
    let document = read(text);
    let form = Some("application/x-www-form-urlencoded");
    let schema = document.body_schema(&document.operations()[0], form, true).expect("expected").expect("has one");
    let check = |body: &str| document.check_body(schema, form, body.as_bytes(), Effort::Whole);
    for good in ["n=1", "n=1&tags=a&tags=b%20c", "tags=+&n=2"] {
        check(good).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for bad in ["nonsense=1", "n=x", "tags=a", "n=1&n=2", "n=%zz", "n=1&more=2"] {
        check(bad).expect_err(bad);
    }
}

#[test]
fn what_can_not_be_used_is_left_out_and_named() {
    let text = "openapi: 3.0.0\npaths:\n  /good: { get: { operationId: good } }\n  /bad: { get: { operationId: bad, parameters: [ { name: q, in: query, \
                schema: { pattern: '(?=x)' } } ] } }\n  /worse: { get: { operationId: worse, requestBody: { content: { application/json: { schema: { $ref: \
                '#/components/schemas/A' } } } } } }\n  /odd{a}{b}: { get: { operationId: odd } }\n  /c/{x}: { get: { operationId: one } }\n  /c/{y}: { get: \
                { operationId: two }, post: { operationId: three } }\ncomponents: { schemas: { A: { items: { $ref: '#/components/schemas/B' } }, B: \
                { properties: { x: { unevaluatedProperties: false } } } } }\n";
    let document = read(text);
    let mut names: Vec<_> = document.operations().iter().map(|operation| operation.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["good", "one", "three"]);
    let mut out: Vec<_> = document.left_out().iter().map(|left| (left.name.as_str(), left.to_string())).collect();
    out.sort();
    for ((name, text), (wanted, reason)) in out.iter().zip([
        ("bad", "look-around"),
        ("odd", "parameter is written"),
        ("two", "same shape"),
        ("worse", "not supported"),
    ]) {
        assert_eq!(*name, wanted);
        assert!(text.contains(reason), "{text}");
    }
    assert_eq!(out.len(), 4);
    let only = Document::read_selected(text.as_bytes(), |name| name == "three").expect("valid");
    assert_eq!((only.operations().len(), only.left_out().len()), (1, 0));
    let error =
        Document::read_selected(text.as_bytes(), |name| name == "bad").expect_err("nothing is left").to_string();
    assert!(error.contains("bad: ") && error.contains("look-around"), "{error}");
}

#[test]
fn more_operations_than_a_listing_has_are_left_out() {
    let paths: String = (0..70).map(|n| format!("  /p{n:02}: {{ get: {{ operationId: o{n:02} }} }}\n")).collect();
    let text = format!("openapi: 3.0.0\npaths:\n{paths}");
    let document = read(&text);
    assert_eq!((document.operations().len(), document.left_out().len()), (OPERATIONS_MAX, 6));
    assert!(document.left_out()[0].reason.contains("--only"));
    let last = Document::read_selected(text.as_bytes(), |name| name == "o69").expect("valid");
    assert_eq!(last.operations()[0].path, "/p69");
}

#[test]
fn names_are_unique_and_short_enough_for_the_marketplace() {
    let long = "x".repeat(200);
    let text = format!("openapi: 3.0.0\npaths:\n  /a: {{ get: {{ operationId: same }} }}\n  /b: {{ get: {{ operationId: same }} }}\n  /{long}: {{ get: {{}} }}\n");
    let document = read(&text);
    let names: Vec<_> = document.operations().iter().map(|operation| operation.name.as_str()).collect();
    assert_eq!(names[..2], ["same", "GET /b"]);
    assert!(names[2].len() <= METHOD_NAME_BYTES_MAX && names[2].starts_with("GET /xxx"), "{}", names[2]);
}

#[test]
fn references_are_uris() {
    let text = "openapi: 3.0.0\npaths:\n  /a/{b}: { get: { parameters: [ { name: b, in: path, required: true, schema: { type: integer } } ] } }\n  \
                /c/{b}: { get: { parameters: [ { $ref: '#/paths/~1a~1%7Bb%7D/get/parameters/0' } ] } }\n";
    let document = read(text);
    document.find("GET", "/c/1", None, &HeaderMap::new()).expect("an integer");
    document.find("GET", "/c/x", None, &HeaderMap::new()).expect_err("no integer");
}

#[test]
fn operations_of_one_path_are_told_apart_by_their_parameters() {
    let operation = |action: &str| {
        format!("get: {{ operationId: {action}, parameters: [ {{ name: Action, in: query, required: true, schema: {{ type: string, enum: [ {action} ] }} }} ] }}")
    };
    let text = format!("openapi: 3.0.0\npaths:\n  '/#Action=Start': {{ {} }}\n  '/#Action=Stop': {{ {} }}\n  '/?Mode=x': {{ get: {{ operationId: mode }} }}\n",
        operation("Start"), operation("Stop"));
    let document = read(&text);
    assert_eq!(document.operations().len(), 3, "{:?}", document.left_out());
    for (query, name) in [("Action=Start", "Start"), ("Action=Stop", "Stop"), ("Mode=x", "mode")] {
        let found = document.find("GET", "/", Some(query), &HeaderMap::new()).expect(query);
        assert_eq!(found.name, name);
    }
    document.find("GET", "/", Some("Action=Other"), &HeaderMap::new()).expect_err("no such action");
}

#[test]
fn keywords_of_3_1_are_checked() {
    for (schema, good, bad) in [
        ("{ prefixItems: [ { type: integer }, { type: string } ], items: false }", "[1,\"a\"]", "[\"a\",1]"),
        (
            "{ patternProperties: { '^x-': { type: integer } }, additionalProperties: false }",
            "{\"x-a\":1}",
            "{\"x-a\":\"b\"}",
        ),
        ("{ propertyNames: { maxLength: 2 } }", "{\"ab\":1}", "{\"abc\":1}"),
        ("{ contains: { const: 1 }, maxContains: 1 }", "[1,2]", "[1,1]"),
        ("{ dependentRequired: { a: [ b ] } }", "{\"a\":1,\"b\":2}", "{\"a\":1}"),
        ("{ if: { const: 1 }, then: { multipleOf: 2 }, else: { type: string } }", "\"x\"", "1"),
        ("{ minimum: 5, exclusiveMinimum: 5 }", "6", "5"),
        ("{ maximum: 3, exclusiveMaximum: 9 }", "3", "4"),
        ("{ enum: [ 1, 2 ], const: 2 }", "2", "1"),
        ("{ $ref: '#/components/schemas/N', maximum: 3 }", "3", "4"),
        ("{ $ref: '#/components/schemas/N', maximum: 3 }", "1", "\"x\""),
    ] {
        let text = format!("openapi: 3.1\npaths: {{ /a: {{ post: {{ requestBody: {{ content: {{ application/json: {{ schema: {schema} }} }} }} }} }} }}\n\
                            components: {{ schemas: {{ N: {{ type: integer }} }} }}\n");
        let document = read(&text);
        let id = document.body_schema(&document.operations()[0], JSON, true).expect("expected").expect("has one");
        document
            .check_body(id, JSON, good.as_bytes(), Effort::Whole)
            .unwrap_or_else(|error| panic!("{schema} {good}: {error}"));
        document.check_body(id, JSON, bad.as_bytes(), Effort::Whole).expect_err(bad);
    }
    for (text, reason) in
        [("swagger: '2.0'\n", "Swagger 2.0"), ("openapi: 3.2.0\n", "3.2.0"), ("a: 1\n", "which version")]
    {
        let error = Document::read(text.as_bytes()).expect_err(text).to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn media_types_of_json_are_known() {
    for kind in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "text/json",
        "application/problem+json",
        "application/vnd.x+JSON",
    ] {
        assert!(is_json(kind), "{kind}");
    }
    for kind in [
        "application/x-ndjson",
        "application/json-seq",
        "application/stream+json",
        "text/event-stream",
        "json",
        "+json",
    ] {
        assert!(!is_json(kind), "{kind}");
    }
}
