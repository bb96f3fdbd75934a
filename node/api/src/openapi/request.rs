// SPDX-License-Identifier: Apache-2.0

//! Requests and responses against a document.

use std::borrow::Cow;

use hyper::HeaderMap;
use serde_json::Value;

use super::{
    check_json,
    document::media_type,
    schema::{SchemaId, Schemas, Types},
    Document, Operation, Parameter, Place, Violation,
};

/// Values of one parameter in a query.
const VALUES_MAX: usize = 256;

/// Why a request is not one of the API's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The API has no such path.
    #[error("this API has no such path; its OpenAPI document lists those there are")]
    NoPath,
    /// The path has no such method.
    #[error("this path has no such method; it has {0}")]
    NoMethod(String),
    /// A parameter or the body is not as the document has it.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The body's media type is none of those expected.
    #[error("a body of the type `{0}` is not expected here")]
    MediaType(String),
}

impl Document {
    /// The operation that a request calls, with its parameters checked. `path` is raw, without the query.
    ///
    /// # Errors
    /// The path, the method or a parameter is not one of the document's.
    pub fn find(
        &self,
        method: &str,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<&Operation, RequestError> {
        let (at, segments) = self.router.find(path).ok_or(RequestError::NoPath)?;
        let methods = &self.paths[at];
        let Some(index) = methods.get(method) else {
            let mut names: Vec<_> = methods.keys().map(String::as_str).collect();
            names.sort_unstable();
            return Err(RequestError::NoMethod(names.join(", ")));
        };
        let operation = &self.operations[*index];
        for (parameter, segment) in operation.parameters.iter().zip(segments) {
            let at = || format!("path parameter {}", parameter.name);
            let text = decoded(segment, false).ok_or_else(|| Violation::new(at(), "it is not well escaped"))?;
            check_text(&self.schemas, parameter, &[text], at)?;
        }
        self.check_query(operation, query.unwrap_or_default())?;
        for parameter in operation.parameters.iter().filter(|parameter| parameter.place == Place::Header) {
            let at = || format!("header {}", parameter.name);
            match headers.get(&parameter.name) {
                Some(value) => {
                    let text = value.to_str().map_err(|_| Violation::new(at(), "it is not plain text"))?;
                    check_text(&self.schemas, parameter, &[text.into()], at)?;
                },
                None if parameter.required => return Err(Violation::new(at(), "it is missing").into()),
                None => {},
            }
        }
        Ok(operation)
    }

    fn check_query(&self, operation: &Operation, query: &str) -> Result<(), Violation> {
        let of_query = || operation.parameters.iter().filter(|parameter| parameter.place == Place::Query);
        if query.is_empty() && !of_query().any(|parameter| parameter.required) {
            return Ok(());
        }
        let mut values: Vec<(&Parameter, Vec<Cow<'_, str>>)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let wrong = |reason: &str| Violation::new(format!("query parameter {name:.64}"), reason);
            let name = decoded(name, true).ok_or_else(|| wrong("it is not well escaped"))?;
            let value = decoded(value, true).ok_or_else(|| wrong("it is not well escaped"))?;
            let parameter = of_query().find(|parameter| parameter.name == name);
            let parameter = parameter.ok_or_else(|| wrong("it is not expected here"))?;
            match values.iter_mut().find(|(known, _)| known.name == parameter.name) {
                Some((_, list)) if list.len() == VALUES_MAX => return Err(wrong("it is there too many times")),
                Some((_, list)) => list.push(value),
                None => values.push((parameter, vec![value])),
            }
        }
        for parameter in of_query() {
            let at = || format!("query parameter {}", parameter.name);
            match values.iter().find(|(known, _)| known.name == parameter.name) {
                Some((_, list)) => check_text(&self.schemas, parameter, list, at)?,
                None if parameter.required => return Err(Violation::new(at(), "it is missing")),
                None => {},
            }
        }
        Ok(())
    }

    /// The schema that a request's body must fit, if it must fit one; `None` for a body that is not expected to be JSON.
    ///
    /// # Errors
    /// There must be a body and is none, or there is one that isn't expected, or of another type.
    pub fn body_schema(
        &self,
        operation: &Operation,
        content_type: Option<&str>,
        has_body: bool,
    ) -> Result<Option<SchemaId>, RequestError> {
        match (&operation.body, has_body) {
            (Some(body), false) if body.required => Err(Violation::new("body", "it is missing").into()),
            (_, false) => Ok(None),
            (None, true) => Err(Violation::new("body", "none is expected here").into()),
            (Some(body), true) => {
                let kind = content_type.unwrap_or("application/octet-stream");
                let schema = body.of_type(kind).ok_or_else(|| RequestError::MediaType(media_type(kind)))?;
                Ok(schema.filter(|_| is_json(kind)))
            },
        }
    }

    /// Checks a body that is JSON.
    ///
    /// # Errors
    /// It isn't JSON, or doesn't fit.
    pub fn check_body(&self, schema: SchemaId, body: &[u8]) -> Result<(), Violation> {
        let value: Value =
            serde_json::from_slice(body).map_err(|error| Violation::new("body", format!("it is not JSON: {error}")))?;
        check_json(&self.schemas, schema, &value, "body")
    }

    /// Checks a response: its status, its type and, where it is JSON, its body (`None`: not known whole).
    ///
    /// # Errors
    /// What isn't as the document has it. A document that says nothing of responses has none that are wrong.
    pub fn check_response(
        &self,
        operation: &Operation,
        status: u16,
        content_type: Option<&str>,
        body: Option<&[u8]>,
    ) -> Result<(), Violation> {
        if operation.responses.is_empty() {
            return Ok(());
        }
        let Some(expected) = operation.response(status) else {
            return Err(Violation::new("status", format!("{status} is none of the document's")));
        };
        if expected.content.is_empty() || body.is_some_and(<[u8]>::is_empty) && status == 304 {
            return Ok(());
        }
        let kind = content_type.ok_or_else(|| Violation::new("content-type", "it is missing"))?;
        let schema = expected
            .of_type(kind)
            .ok_or_else(|| Violation::new("content-type", format!("`{}` is not expected", media_type(kind))))?;
        match (schema, body) {
            (Some(schema), Some(body)) if is_json(kind) => self.check_body(schema, body),
            _ => Ok(()),
        }
    }
}

/// Whether a media type is JSON's or one of those built on it.
pub fn is_json(content_type: &str) -> bool {
    let kind = media_type(content_type);
    kind == "application/json" || kind.ends_with("+json")
}

/// Checks the texts of a parameter, read as its schema's type has it.
fn check_text(
    schemas: &Schemas,
    parameter: &Parameter,
    texts: &[Cow<'_, str>],
    at: impl Fn() -> String,
) -> Result<(), Violation> {
    let Some(id) = parameter.schema else { return Ok(()) };
    let schema = schemas.get(id);
    let types = schema.types();
    let value = if types.has(Types::ARRAY) {
        let of_items = schema.items().map(|items| schemas.get(items).types()).unwrap_or_default();
        let items: Vec<Value> = if parameter.explode {
            texts.iter().map(|text| read_as(of_items, text)).collect()
        } else {
            let first = texts.first().map(AsRef::as_ref).unwrap_or_default();
            first.split(',').take(VALUES_MAX + 1).map(|text| read_as(of_items, text)).collect()
        };
        if items.len() > VALUES_MAX {
            return Err(Violation::new(at(), "it has too many values"));
        }
        Value::Array(items)
    } else {
        match texts {
            [one] => read_as(types, one),
            _ => return Err(Violation::new(at(), "it is there more than once")),
        }
    };
    check_json(schemas, id, &value, &at())
}

/// A text as a value of one of these types, or else as a text.
fn read_as(types: Types, text: &str) -> Value {
    let is_number = types.has(Types::INTEGER) || types.has(Types::NUMBER);
    match text {
        "true" if types.has(Types::BOOLEAN) => Value::Bool(true),
        "false" if types.has(Types::BOOLEAN) => Value::Bool(false),
        _ if is_number => serde_json::from_str::<serde_json::Number>(text).map_or_else(|_| text.into(), Value::Number),
        _ => text.into(),
    }
}

/// Percent-decoded; in queries, `+` is a space. `None` if that gives no text.
fn decoded(text: &str, query: bool) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            },
            b'+' if query => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Into::into)
}
