// SPDX-License-Identifier: Apache-2.0

//! YAML and JSON to one tree, with bounds.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

use super::{DocumentError, DEPTH_MAX, DOCUMENT_BYTES_MAX, NODES_MAX};

/// Reads a document: JSON where it begins with a brace, else YAML (without anchors, aliases and tags: they can make a small
/// file a huge tree, and OpenAPI has `$ref` for that).
pub fn read(bytes: &[u8]) -> Result<Value, DocumentError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooBig { what: "bytes", most: DOCUMENT_BYTES_MAX });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| DocumentError::Syntax("it is not UTF-8".into()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        // The parser's own bound for depth is 128; ours is checked below.
        let value: Value = serde_json::from_str(text).map_err(|error| DocumentError::Syntax(error.to_string()))?;
        check_size(&value, 0, &mut 0)?;
        return Ok(value);
    }
    read_yaml(text)
}

fn check_size(value: &Value, depth: usize, nodes: &mut usize) -> Result<(), DocumentError> {
    count(depth, nodes)?;
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| check_size(item, depth + 1, nodes)),
        Value::Object(map) => map.values().try_for_each(|item| check_size(item, depth + 1, nodes)),
        _ => Ok(()),
    }
}

fn count(depth: usize, nodes: &mut usize) -> Result<(), DocumentError> {
    *nodes += 1;
    if depth > DEPTH_MAX {
        return Err(DocumentError::TooBig { what: "levels of nesting", most: DEPTH_MAX });
    }
    if *nodes > NODES_MAX {
        return Err(DocumentError::TooBig { what: "values", most: NODES_MAX });
    }
    Ok(())
}

/// A list or a map that is not complete yet.
enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

fn read_yaml(text: &str) -> Result<Value, DocumentError> {
    let (mut open, mut root, mut nodes): (Vec<Open>, Option<Value>, usize) = (Vec::new(), None, 0);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| DocumentError::Syntax(error.to_string()))?;
        let refuse = |reason: &str| DocumentError::Syntax(format!("line {}: {reason}", span.start.line()));
        let done = match event {
            Event::Alias(_) => return Err(refuse("aliases are not supported; use $ref")),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return Err(refuse("anchors are not supported; use $ref"));
            },
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return Err(refuse("tags are not supported"));
            },
            Event::DocumentStart(_) if root.is_some() => return Err(refuse("it holds a second document")),
            Event::Scalar(text, style, _, _) => {
                count(open.len(), &mut nodes)?;
                if let Some(Open::Map(map, key @ None)) = open.last_mut() {
                    if map.contains_key(text.as_ref()) {
                        return Err(refuse(&format!("`{text}` is there twice")));
                    }
                    *key = Some(text.into_owned());
                    continue;
                }
                scalar(&text, style)
            },
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                count(open.len(), &mut nodes)?;
                if let Some(Open::Map(_, None)) = open.last() {
                    return Err(refuse("a key must be a text"));
                }
                open.push(match event {
                    Event::SequenceStart(..) => Open::List(Vec::new()),
                    _ => Open::Map(Map::new(), None),
                });
                continue;
            },
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(items)) => Value::Array(items),
                Some(Open::Map(map, _)) => Value::Object(map),
                None => return Err(refuse("something ends that did not begin")),
            },
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(done),
            Some(Open::List(items)) => items.push(done),
            Some(Open::Map(map, key)) => {
                let key = key.take().ok_or_else(|| refuse("a value without a key"))?;
                map.insert(key, done);
            },
        }
    }
    root.ok_or_else(|| DocumentError::Syntax("it is empty".into()))
}

/// A scalar by YAML's core schema; only plain ones can be anything but text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.into());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {},
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        let text = text.strip_prefix('+').unwrap_or(text);
        if let Ok(number) = text.parse::<i64>() {
            return number.into();
        }
        if let Ok(number) = text.parse::<u64>() {
            return number.into();
        }
        if let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64) {
            return Value::Number(number);
        }
    }
    Value::String(text.into())
}
