// SPDX-License-Identifier: Apache-2.0

//! Parameters, as a document describes them.

use serde_json::Value;

use super::{
    compile::{At, Compiler, Problem},
    schema::SchemaId,
};

/// Headers whose parameters are ignored, as OpenAPI has it: other parts of the document describe them.
const IGNORED_HEADERS: [&str; 3] = ["accept", "content-type", "authorization"];

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A segment of the path, or a part of one.
    Path,
    /// The query.
    Query,
    /// A header.
    Header,
}

/// How a list or a map is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `a,b`.
    Separated(char),
    /// `a=1&a=2`, and of a map its properties: `x=1&y=2`.
    Repeated,
    /// `a[x]=1&a[y]=2`.
    Deep,
    /// JSON.
    Json,
}

/// A parameter.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name; of a header in lower case.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Whether it must be there.
    pub required: bool,
    /// What it must be like.
    pub schema: Option<SchemaId>,
    /// How a list or a map is written.
    pub style: Style,
    /// It may be there without a value.
    pub allow_empty: bool,
    /// In the path: its value may hold an encoded slash.
    pub encoded_slash: bool,
}

impl Parameter {
    /// A text in the path of which nothing more is known.
    pub(super) fn unknown(name: &str) -> Self {
        Self {
            name: name.into(),
            place: Place::Path,
            required: true,
            schema: None,
            style: Style::Separated(','),
            allow_empty: false,
            encoded_slash: false,
        }
    }

    /// Reads a parameter; `None` for one that is nobody's business here.
    pub(super) fn read<'d>(compiler: &mut Compiler<'d>, value: &'d Value, at: At) -> Result<Option<Self>, Problem> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let flag = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or(false);
        let name = text("name").ok_or_else(|| compiler.problem(at, "a parameter must have a name"))?.to_string();
        let place = match text("in") {
            Some("path") => Place::Path,
            Some("query") => Place::Query,
            Some("header") => Place::Header,
            // Cookies don't pass a consumer's proxy: all APIs share its host.
            Some("cookie") => return Ok(None),
            _ => return Err(compiler.problem(at, "`in` must be path, query, header or cookie")),
        };
        let name = if place == Place::Header { name.to_ascii_lowercase() } else { name };
        if place == Place::Header && IGNORED_HEADERS.contains(&name.as_str()) {
            return Ok(None);
        }
        let explode = value.get("explode").and_then(Value::as_bool);
        let style = match (place, text("style")) {
            (Place::Query, None | Some("form")) if explode.unwrap_or(true) => Style::Repeated,
            (Place::Query, Some("deepObject")) => Style::Deep,
            (Place::Query, Some("pipeDelimited")) => match explode {
                Some(true) => Style::Repeated,
                _ => Style::Separated('|'),
            },
            (Place::Query, Some("spaceDelimited")) => match explode {
                Some(true) => Style::Repeated,
                _ => Style::Separated(' '),
            },
            (Place::Query, None | Some("form")) | (Place::Path | Place::Header, None | Some("simple")) => {
                Style::Separated(',')
            },
            (_, Some(style)) => {
                return Err(compiler.problem(at, format!("the style `{style:.40}` is not supported here")));
            },
        };
        let content = value.get("content").and_then(Value::as_object).and_then(|content| content.iter().next());
        let (schema, style) = match (value.get("schema"), content) {
            (Some(schema), _) => {
                let at = compiler.below(at, "schema");
                (Some(compiler.compile(schema, at)), style)
            },
            (None, Some((kind, media))) if super::is_json(kind) => {
                let at = compiler.below(at, "content");
                let at = compiler.below(at, kind);
                (media.get("schema").map(|schema| compiler.compile(schema, at)), Style::Json)
            },
            (None, Some(_)) => return Err(compiler.problem(at, "a parameter's `content` must be JSON")),
            (None, None) => (None, style),
        };
        Ok(Some(Self {
            name,
            place,
            required: flag("required") || place == Place::Path,
            schema,
            style,
            allow_empty: flag("allowEmptyValue"),
            encoded_slash: flag("x-cairn-encoded-slash"),
        }))
    }
}
