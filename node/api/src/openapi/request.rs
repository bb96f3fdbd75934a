// SPDX-License-Identifier: Apache-2.0

//! Requests and responses against a document.

use std::borrow::Cow;

use hyper::HeaderMap;
use serde_json::Value;

use super::{
    check_json,
    document::{is_form, media_type},
    schema::SchemaId,
    text::{has_property, is_map, Texts, VALUES_MAX},
    Direction, Document, Effort, Operation, Parameter, Place, Style, Violation,
};

/// Pairs of a query or a form that are checked.
const PAIRS_MAX: usize = 2_000;
/// Times that a text is decoded to find what a server behind may make of it.
const DECODED_MAX: usize = 3;

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

type Pair<'q> = (Cow<'q, str>, &'q str);

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
        let (at, parts) = self.router.find(path).ok_or(RequestError::NoPath)?;
        let methods = &self.paths[at];
        let Some(indices) = methods.get(method) else {
            let mut names: Vec<_> = methods.keys().map(String::as_str).collect();
            names.sort_unstable();
            return Err(RequestError::NoMethod(names.join(", ")));
        };
        let mut first = None;
        for index in indices {
            let operation = &self.operations[*index];
            match self.check_parameters(operation, &parts, query.unwrap_or_default(), headers) {
                Ok(()) => return Ok(operation),
                Err(violation) => first = first.or(Some(violation)),
            }
        }
        Err(first.map_or(RequestError::NoPath, RequestError::Violation))
    }

    fn check_parameters(
        &self,
        operation: &Operation,
        parts: &[&str],
        query: &str,
        headers: &HeaderMap,
    ) -> Result<(), Violation> {
        for (parameter, part) in operation.parameters.iter().zip(parts) {
            let at = || format!("path parameter {}", parameter.name);
            check_part(part, parameter.encoded_slash).map_err(|reason| Violation::new(at(), reason))?;
            Texts { schemas: &self.schemas, at: &at() }.parameter(parameter, &[part], false)?;
        }
        self.check_query(operation, query)?;
        for parameter in operation.parameters.iter().filter(|parameter| parameter.place == Place::Header) {
            let at = || format!("header {}", parameter.name);
            match headers.get(&parameter.name) {
                Some(value) => {
                    let text = value.to_str().map_err(|_| Violation::new(at(), "it is not plain text"))?;
                    // Headers are not percent-encoded.
                    let escaped = text.replace('%', "%25");
                    Texts { schemas: &self.schemas, at: &at() }.parameter(parameter, &[&escaped], false)?;
                },
                None if parameter.required => return Err(Violation::new(at(), "it is missing")),
                None => {},
            }
        }
        Ok(())
    }

    fn check_query(&self, operation: &Operation, query: &str) -> Result<(), Violation> {
        let of_query = || operation.parameters.iter().filter(|parameter| parameter.place == Place::Query);
        if query.is_empty() && operation.query.is_empty() && !of_query().any(|parameter| parameter.required) {
            return Ok(());
        }
        let mut pairs: Vec<Pair<'_>> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let wrong = |reason: &str| Violation::new(format!("query parameter {name:.64}"), reason);
            if pairs.len() == PAIRS_MAX {
                return Err(Violation::new("query", "it has too many parameters"));
            }
            pairs.push((decoded(name, true).ok_or_else(|| wrong("it is not well escaped"))?, value));
        }
        for (name, value) in &operation.query {
            let given = pairs.iter().position(|(given, _)| given == name);
            match given {
                Some(at) if pairs[at].1 == value => drop(pairs.remove(at)),
                _ => {
                    return Err(Violation::new(format!("query parameter {name:.64}"), "it must be as the path has it"))
                },
            }
        }
        for parameter in of_query().filter(|parameter| parameter.style != Style::Deep) {
            self.check_named(operation, parameter, &mut pairs)?;
        }
        for parameter in of_query() {
            self.check_map(operation, parameter, &mut pairs)?;
        }
        match pairs.into_iter().find(|(name, _)| !self.query_keys.iter().any(|key| key == name)) {
            Some((name, _)) => Err(Violation::new(format!("query parameter {name:.64}"), "it is not expected here")),
            None => Ok(()),
        }
    }

    /// Takes out what is called like a parameter, and checks it.
    fn check_named(
        &self,
        operation: &Operation,
        parameter: &Parameter,
        pairs: &mut Vec<Pair<'_>>,
    ) -> Result<(), Violation> {
        let at = || format!("query parameter {}", parameter.name);
        let fixed = operation.query.iter().any(|(name, _)| *name == parameter.name);
        let mut raw: Vec<&str> = Vec::new();
        pairs.retain(|(name, value)| {
            let is_it = *name == parameter.name;
            if is_it {
                raw.push(value);
            }
            !is_it
        });
        if raw.len() > VALUES_MAX {
            return Err(Violation::new(at(), "it is there too many times"));
        }
        match raw.is_empty() {
            false => Texts { schemas: &self.schemas, at: &at() }.parameter(parameter, &raw, true),
            // Its properties may stand there instead.
            true if parameter.style == Style::Repeated && is_map(&self.schemas, parameter) => Ok(()),
            true if parameter.required && !fixed => Err(Violation::new(at(), "it is missing")),
            true => Ok(()),
        }
    }

    /// Takes out what are properties of a parameter that is a map, and checks them: `a[x]=1`, or `x=1` by themselves.
    fn check_map(
        &self,
        operation: &Operation,
        parameter: &Parameter,
        pairs: &mut Vec<Pair<'_>>,
    ) -> Result<(), Violation> {
        let deep = parameter.style == Style::Deep;
        let Some(id) = parameter.schema.filter(|_| deep || is_map(&self.schemas, parameter)) else { return Ok(()) };
        if !deep && parameter.style != Style::Repeated {
            return Ok(());
        }
        let at = format!("query parameter {}", parameter.name);
        let named =
            |name: &str| operation.parameters.iter().any(|other| other.place == Place::Query && other.name == name);
        let (mut found, mut bad) = (Vec::<(Cow<'_, str>, Cow<'_, str>)>::new(), false);
        pairs.retain(|(name, value)| {
            let property = match deep {
                true => name
                    .strip_prefix(parameter.name.as_str())
                    .and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']')),
                false => Some(&**name).filter(|name| !named(name) && has_property(&self.schemas, id, name)),
            };
            let Some(property) = property else { return true };
            match decoded(value, true) {
                Some(text) => found.push((Cow::Owned(property.to_string()), text)),
                None => bad = true,
            }
            false
        });
        if bad {
            return Err(Violation::new(at, "it is not well escaped"));
        }
        match found.is_empty() {
            true if parameter.required => Err(Violation::new(at, "it is missing")),
            true => Ok(()),
            // `a[x][y]=1` is deeper than OpenAPI describes.
            false if found.iter().any(|(name, _)| name.contains(['[', ']'])) => Ok(()),
            false => Texts { schemas: &self.schemas, at: &at }.map(id, &found),
        }
    }

    /// The schema that a request's body must fit, if it must fit one; `None` for a body that is neither JSON nor a form.
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
                Ok(schema.filter(|_| is_json(kind) || is_form(kind)))
            },
        }
    }

    /// Checks a request's body that is JSON or a form.
    ///
    /// # Errors
    /// It isn't, or doesn't fit, or is too big to be checked.
    pub fn check_body(
        &self,
        schema: SchemaId,
        content_type: Option<&str>,
        body: &[u8],
        effort: Effort,
    ) -> Result<(), Violation> {
        match content_type.is_some_and(is_form) {
            true => self.check_form(schema, body),
            false => self.check_json_bytes(schema, body, Direction::Request, effort),
        }
    }

    fn check_json_bytes(
        &self,
        schema: SchemaId,
        body: &[u8],
        direction: Direction,
        effort: Effort,
    ) -> Result<(), Violation> {
        // What Windows programs write before a text.
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let value: Value =
            serde_json::from_slice(body).map_err(|error| Violation::new("body", format!("it is not JSON: {error}")))?;
        check_json(&self.schemas, schema, &value, "body", direction, effort)
    }

    fn check_form(&self, schema: SchemaId, body: &[u8]) -> Result<(), Violation> {
        let wrong = |reason: &str| Violation::new("body", reason);
        let text = std::str::from_utf8(body).map_err(|_| wrong("it is no form"))?;
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if pairs.len() == PAIRS_MAX {
                return Err(wrong("it has too many fields"));
            }
            let both = decoded(name, true).zip(decoded(value, true));
            pairs.push(both.ok_or_else(|| wrong("it is not well escaped"))?);
        }
        // `a[b]=1` is deeper than OpenAPI describes.
        if pairs.iter().any(|(name, _)| name.contains(['[', ']'])) {
            return Ok(());
        }
        Texts { schemas: &self.schemas, at: "body" }.map(schema, &pairs)
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
        effort: Effort,
    ) -> Result<(), Violation> {
        if operation.responses.is_empty() {
            return Ok(());
        }
        let Some(expected) = operation.response(status) else {
            return Err(Violation::new("status", format!("{status} is none of the document's")));
        };
        if expected.content.is_empty() || body.is_some_and(<[u8]>::is_empty) && matches!(status, 204 | 205 | 304) {
            return Ok(());
        }
        let kind = content_type.ok_or_else(|| Violation::new("content-type", "it is missing"))?;
        let schema = expected
            .of_type(kind)
            .ok_or_else(|| Violation::new("content-type", format!("`{}` is not expected", media_type(kind))))?;
        match (schema, body) {
            (Some(schema), Some(body)) if is_json(kind) => {
                self.check_json_bytes(schema, body, Direction::Response, effort)
            },
            _ => Ok(()),
        }
    }
}

/// Whether a media type is JSON's or one of those built on it. A stream of several values is none.
pub fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let ends = |end: &str| {
        kind.len() > end.len() && kind.as_bytes()[kind.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
    };
    ["application/json", "text/json", "application/x-json", "text/x-json"]
        .iter()
        .any(|json| kind.eq_ignore_ascii_case(json))
        || (ends("+json") && !ends("stream+json"))
}

/// Whether the raw text at a parameter of the path stays one part of it, whatever the server behind makes of it: no dots that
/// lead elsewhere, also behind what decodes to a slash; nothing that a server may take for a slash or an end.
fn check_part(raw: &str, encoded_slash: bool) -> Result<(), &'static str> {
    // Nearly all parameters are like this.
    if !raw.contains(['%', '\\', ';']) && !raw.starts_with('.') {
        return Ok(());
    }
    let mut text = Cow::Borrowed(raw);
    for layer in 0..=DECODED_MAX {
        if text.chars().any(char::is_control) {
            return Err("it holds a control character");
        }
        if text.contains('\\') {
            return Err("it holds a backslash");
        }
        if layer == 1 && !encoded_slash && text.contains('/') {
            return Err("it holds an encoded slash, which the parameter must allow by `x-cairn-encoded-slash: true`");
        }
        // Servers that know parameters of segments leave out what follows a semicolon.
        let is_dots = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
        if text.split('/').any(is_dots) {
            return Err("it leads elsewhere: `.` and `..` are not allowed");
        }
        if !text.contains('%') {
            break;
        }
        match decoded(&text, false) {
            Some(next) if next != text => text = Cow::Owned(next.into_owned()),
            // The first layer must be well escaped; a percent sign further in is a part of the value.
            None if layer == 0 => return Err("it is not well escaped"),
            _ => break,
        }
    }
    Ok(())
}

/// Percent-decoded; in queries, `+` is a space. `None` if that gives no text.
pub(super) fn decoded(text: &str, query: bool) -> Option<Cow<'_, str>> {
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
