// SPDX-License-Identifier: Apache-2.0

//! From a path to its template. A literal segment goes before a parameter, as OpenAPI has it.

use std::collections::HashMap;

use super::SEGMENTS_MAX;

/// A tree of segments. Walking it takes a time that doesn't grow with the number of paths.
#[derive(Debug, Default)]
pub struct Router {
    literal: HashMap<String, Router>,
    parameter: Option<Box<Router>>,
    /// What is found here.
    value: Option<usize>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// Any text that isn't empty: the value of this parameter.
    Parameter(String),
}

/// Reads `/a/{b}/c`.
pub fn parse_template(template: &str) -> Result<Vec<Segment>, String> {
    let rest = template.strip_prefix('/').ok_or("a path must begin with /")?;
    let segments =
        rest.split('/').map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !name.is_empty() && !name.contains(['{', '}']) => Ok(Segment::Parameter(name.into())),
            None if !segment.contains(['{', '}', '?', '#']) => Ok(Segment::Literal(segment.into())),
            _ => Err(format!("`{segment}`: a parameter must be a whole segment of the path")),
        });
    let segments = segments.collect::<Result<Vec<_>, _>>()?;
    if segments.len() > SEGMENTS_MAX {
        return Err(format!("a path may have {SEGMENTS_MAX} segments"));
    }
    Ok(segments)
}

impl Router {
    /// The value at a template, made by `make` if there is none.
    ///
    /// # Errors
    /// Another template with the same shape (`/a/{b}` and `/a/{c}`) has one already.
    pub fn insert(&mut self, segments: &[Segment], value: usize) -> Result<(), String> {
        let mut node = self;
        for segment in segments {
            node = match segment {
                Segment::Literal(text) => node.literal.entry(text.clone()).or_default(),
                Segment::Parameter(_) => node.parameter.get_or_insert_default(),
            };
        }
        match node.value.replace(value) {
            None => Ok(()),
            Some(_) => Err("another path has the same shape".into()),
        }
    }

    /// The value of the template that fits, and the raw segments at its parameters.
    pub fn find<'p>(&self, path: &'p str) -> Option<(usize, Vec<&'p str>)> {
        let rest = path.strip_prefix('/')?;
        let segments: Vec<&str> = rest.split('/').take(SEGMENTS_MAX + 1).collect();
        let mut parameters = Vec::new();
        let value = self.walk(&segments, &mut parameters)?;
        Some((value, parameters))
    }

    /// Goes back where a literal leads to nothing: at most two ways at each of at most [`SEGMENTS_MAX`] segments, and a way
    /// ends where the document has no path, so there are no more steps than the document has paths' segments.
    fn walk<'p>(&self, segments: &[&'p str], parameters: &mut Vec<&'p str>) -> Option<usize> {
        let Some((first, rest)) = segments.split_first() else { return self.value };
        if let Some(value) = self.literal.get(*first).and_then(|next| next.walk(rest, parameters)) {
            return Some(value);
        }
        let next = self.parameter.as_ref().filter(|_| !first.is_empty())?;
        let before = parameters.len();
        parameters.push(first);
        let value = next.walk(rest, parameters);
        if value.is_none() {
            parameters.truncate(before);
        }
        value
    }
}
