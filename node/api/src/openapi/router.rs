// SPDX-License-Identifier: Apache-2.0

//! From a path to its template. A literal segment goes before one that is partly literal, and that before a parameter.

use std::collections::HashMap;

use super::SEGMENTS_MAX;

/// Parts of one segment.
const PIECES_MAX: usize = 16;

/// A tree of segments. Walking it takes a time that doesn't grow with the number of paths.
#[derive(Debug, Default)]
pub struct Router {
    literal: HashMap<String, Router>,
    /// Those with the longest texts first.
    mixed: Vec<(Vec<Option<String>>, Router)>,
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
    /// Texts and parameters by turns: `{id}.json`.
    Mixed(Vec<Piece>),
}

/// A part of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// This text.
    Text(String),
    /// The value of this parameter.
    Name(String),
}

/// A path's template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// What stands between slashes.
    pub segments: Vec<Segment>,
    /// What its query must hold: `/?Action=Stop`.
    pub query: Vec<(String, String)>,
    /// It has a fragment, or a query: operations of the same path are told apart by their parameters.
    pub shared: bool,
}

impl Template {
    /// Reads `/a/{b}/{c}.json`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let (text, fragment) = text.split_once('#').map_or((text, false), |(path, _)| (path, true));
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        let rest = path.strip_prefix('/').ok_or("a path must begin with /")?;
        let segments = rest.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > SEGMENTS_MAX {
            return Err(format!("a path may have {SEGMENTS_MAX} segments"));
        }
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query: Vec<(String, String)> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        if query.len() > PIECES_MAX || query.iter().any(|(name, value)| name.contains('{') || value.contains('{')) {
            return Err("a query with parameters can't stand in a path; describe them as parameters".into());
        }
        Ok(Self { shared: fragment || !query.is_empty(), segments, query })
    }

    /// The parameters' names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flat_map(|segment| match segment {
            Segment::Literal(_) => Vec::new(),
            Segment::Parameter(name) => vec![name.as_str()],
            Segment::Mixed(pieces) => pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Name(name) => Some(name.as_str()),
                    Piece::Text(_) => None,
                })
                .collect(),
        })
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    if matches!(text, "." | "..") {
        return Err("a path may have no `.` and `..`".into());
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let wrong = || format!("`{text:.80}`: a parameter is written as {{name}}, with a text between two of them");
        match rest.split_once('{') {
            None if rest.contains('}') => return Err(wrong()),
            None => {
                pieces.push(Piece::Text(rest.into()));
                rest = "";
            },
            Some((before, after)) => {
                let (name, after) = after.split_once('}').ok_or_else(wrong)?;
                let adjacent = before.is_empty() && matches!(pieces.last(), Some(Piece::Name(_)));
                if name.is_empty() || name.contains('{') || before.contains('}') || adjacent {
                    return Err(wrong());
                }
                if !before.is_empty() {
                    pieces.push(Piece::Text(before.into()));
                }
                pieces.push(Piece::Name(name.into()));
                rest = after;
            },
        }
    }
    if pieces.len() > PIECES_MAX {
        return Err(format!("a segment may have {PIECES_MAX} parts"));
    }
    Ok(match pieces.as_slice() {
        [] => Segment::Literal(String::new()),
        [Piece::Text(text)] => Segment::Literal(text.clone()),
        [Piece::Name(name)] => Segment::Parameter(name.clone()),
        _ => Segment::Mixed(pieces),
    })
}

/// What stands at the parameters of a segment that is partly literal. Each is as short as it can be.
fn matched<'p>(pieces: &[Option<String>], segment: &'p str, found: &mut Vec<&'p str>) -> bool {
    let before = found.len();
    let mut rest = segment;
    let mut index = 0;
    let fits = loop {
        match (pieces.get(index), pieces.get(index + 1)) {
            (None, _) => break rest.is_empty(),
            (Some(Some(text)), _) => match rest.strip_prefix(text.as_str()) {
                Some(after) => rest = after,
                None => break false,
            },
            (Some(None), None) => {
                found.push(rest);
                break !rest.is_empty();
            },
            (Some(None), Some(next)) => {
                let text = next.as_deref().unwrap_or_default();
                // The last text must stand at the end.
                let is_last = index + 2 == pieces.len();
                let first = rest.chars().next().map_or(0, char::len_utf8);
                let at = match is_last {
                    true => rest.len().checked_sub(text.len()).filter(|at| rest.ends_with(text) && *at > 0),
                    false => rest.get(first..).and_then(|after| after.find(text)).map(|at| at + first),
                };
                let Some(at) = at.filter(|at| *at > 0) else { break false };
                found.push(&rest[..at]);
                rest = &rest[at..];
            },
        }
        index += 1;
    };
    if !fits {
        found.truncate(before);
    }
    fits
}

impl Router {
    /// The value at a template, made by `make` if there is none. Templates of the same shape (`/a/{b}` and `/a/{c}`) share it.
    pub fn insert(&mut self, segments: &[Segment], make: impl FnOnce() -> usize) -> usize {
        let mut node = self;
        for segment in segments {
            node = match segment {
                Segment::Literal(text) => node.literal.entry(text.clone()).or_default(),
                Segment::Parameter(_) => node.parameter.get_or_insert_default(),
                Segment::Mixed(pieces) => {
                    let shape: Vec<Option<String>> = pieces
                        .iter()
                        .map(|piece| match piece {
                            Piece::Text(text) => Some(text.clone()),
                            Piece::Name(_) => None,
                        })
                        .collect();
                    let length = |shape: &[Option<String>]| shape.iter().flatten().map(String::len).sum::<usize>();
                    let at = match node.mixed.iter().position(|(known, _)| *known == shape) {
                        Some(at) => at,
                        None => {
                            let at = node.mixed.partition_point(|(known, _)| length(known) >= length(&shape));
                            node.mixed.insert(at, (shape, Router::default()));
                            at
                        },
                    };
                    &mut node.mixed[at].1
                },
            };
        }
        *node.value.get_or_insert_with(make)
    }

    /// The value of the template that fits, and the raw texts at its parameters.
    pub fn find<'p>(&self, path: &'p str) -> Option<(usize, Vec<&'p str>)> {
        let rest = path.strip_prefix('/')?;
        let segments: Vec<&str> = rest.split('/').take(SEGMENTS_MAX + 1).collect();
        let mut parameters = Vec::new();
        let value = self.walk(&segments, &mut parameters)?;
        Some((value, parameters))
    }

    /// Goes back where a literal leads to nothing: each node of the tree is at one depth, so it is visited once at the most,
    /// and there are no more steps than the document has paths' segments.
    fn walk<'p>(&self, segments: &[&'p str], parameters: &mut Vec<&'p str>) -> Option<usize> {
        let Some((first, rest)) = segments.split_first() else { return self.value };
        if let Some(value) = self.literal.get(*first).and_then(|next| next.walk(rest, parameters)) {
            return Some(value);
        }
        let before = parameters.len();
        for (pieces, next) in &self.mixed {
            if matched(pieces, first, parameters) {
                if let Some(value) = next.walk(rest, parameters) {
                    return Some(value);
                }
                parameters.truncate(before);
            }
        }
        let next = self.parameter.as_ref().filter(|_| !first.is_empty())?;
        parameters.push(first);
        let value = next.walk(rest, parameters);
        if value.is_none() {
            parameters.truncate(before);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn router(templates: &[&str]) -> Router {
        let mut router = Router::default();
        for (number, template) in templates.iter().enumerate() {
            router.insert(&Template::read(template).expect(template).segments, || number);
        }
        router
    }

    #[test]
    fn segments_that_are_partly_literal_are_found() {
        let all = ["/a/{id}.json", "/a/{id}:cancel", "/a/{x}-{y}", "/a/{id}", "/a/me", "/b/v{n}.{m}.txt"];
        let router = router(&all);
        for (path, number, parameters) in [
            ("/a/7.json", 0, vec!["7"]),
            ("/a/7.x.json", 0, vec!["7.x"]),
            ("/a/7:cancel", 1, vec!["7"]),
            ("/a/7-8-9", 2, vec!["7", "8-9"]),
            ("/a/.json", 3, vec![".json"]),
            ("/a/-", 3, vec!["-"]),
            ("/a/me", 4, vec![]),
            ("/b/v1.2.txt", 5, vec!["1", "2"]),
        ] {
            assert_eq!(router.find(path), Some((number, parameters)), "{path}");
        }
        for path in ["/b/v.2.txt", "/b/v1..txt", "/b/1.2.txt", "/a/", "/a", "/b/v1.2.txtx"] {
            assert_eq!(router.find(path), None, "{path}");
        }
    }

    #[test]
    fn templates_are_read_or_refused() {
        let aws = Template::read("/?Action=Stop&Version=2").expect("fine");
        assert_eq!(aws.query, [("Action".into(), "Stop".into()), ("Version".into(), "2".into())]);
        assert!(aws.shared && Template::read("/#X-Amz-Target=A.B").expect("fine").shared);
        let names = |text: &str| Template::read(text).expect("fine").names().map(String::from).collect::<Vec<_>>();
        assert_eq!(names("/{a}/b/{c}.{d}"), ["a", "c", "d"]);
        for wrong in ["a", "/{a}{b}", "/{", "/}", "/{}", "/a/../b", "/.", "/?a={b}", "/{{a}}"] {
            assert!(Template::read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_gives_the_path_again(path in "/[a-z.:/-]{0,20}") {
            let router = router(&["/{a}", "/{a}.json", "/{a}-{b}/{c}", "/{a}/{b}:{c}", "/x/{a}"]);
            if let Some((_, parameters)) = router.find(&path) {
                prop_assert!(parameters.iter().all(|parameter| !parameter.is_empty() && path.contains(parameter)));
            }
        }
    }
}
