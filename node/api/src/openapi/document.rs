// SPDX-License-Identifier: Apache-2.0

//! What a document says: operations by method and path, with what they take and give.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    router::{parse_template, Router, Segment},
    schema::{escaped, Compiler, SchemaId, Schemas},
    tree, DocumentError, OPERATIONS_MAX,
};

/// Parameters of one operation.
const PARAMETERS_MAX: usize = 64;
/// Longest name of a method, as the marketplace keeps it, in bytes.
pub const METHOD_NAME_BYTES_MAX: usize = 64;
/// Units that one call may take at most.
pub const UNITS_MAX: u64 = 1_000_000;

/// A document that was read.
#[derive(Debug)]
pub struct Document {
    pub(super) schemas: Schemas,
    pub(super) operations: Vec<Operation>,
    pub(super) router: Router,
    /// Operations at each path of the router, by method.
    pub(super) paths: Vec<HashMap<String, usize>>,
    title: String,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A segment of the path.
    Path,
    /// The query.
    Query,
    /// A header.
    Header,
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
    /// A list is written as `a=1&a=2` rather than as `a=1,2`.
    pub explode: bool,
}

/// A body: its media types, each with a schema if it has one.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Whether it must be there.
    pub required: bool,
    /// Media types in lower case; may end in `/*`.
    pub content: Vec<(String, Option<SchemaId>)>,
}

impl Body {
    /// The schema for a content type, if that is expected; media type parameters don't count.
    pub fn of_type(&self, content_type: &str) -> Option<Option<SchemaId>> {
        let wanted = media_type(content_type);
        let fits = |known: &str| {
            known == wanted
                || known == "*/*"
                || known.strip_suffix("/*").is_some_and(|main| wanted.split('/').next() == Some(main))
        };
        self.content.iter().find(|(known, _)| fits(known)).map(|(_, schema)| *schema)
    }
}

/// The type in a `content-type`, without its parameters.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Something that can be called.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `operationId`, or the method and the path. Names it in the marketplace.
    pub name: String,
    /// Its position among the document's operations: the number that answers are signed with.
    pub index: u16,
    /// HTTP method in capitals.
    pub method: String,
    /// The path's template.
    pub path: String,
    /// Compute units that one call takes.
    pub units: u64,
    /// The same request has the same answer.
    pub deterministic: bool,
    /// Parameters; those of the path in the order of its segments, before all others.
    pub parameters: Vec<Parameter>,
    /// The request's body, if it may have one.
    pub body: Option<Body>,
    /// Responses by status: `200`, `4XX`, `default`.
    pub responses: Vec<(String, Body)>,
}

impl Operation {
    /// What a response of this status is like: the status itself goes before its class, and that before the default.
    pub fn response(&self, status: u16) -> Option<&Body> {
        let find = |wanted: &str| self.responses.iter().find(|(key, _)| key == wanted).map(|(_, body)| body);
        find(&status.to_string()).or_else(|| find(&format!("{}XX", status / 100))).or_else(|| find("default"))
    }
}

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// Too big, or not as OpenAPI 3 has it, or with something that isn't supported: the error says where and what.
    pub fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        let root = tree::read(bytes)?;
        let version = root.get("openapi").and_then(Value::as_str).unwrap_or_default();
        if !version.starts_with("3.0") && !version.starts_with("3.1") {
            return Err(DocumentError::at("/openapi", "it must say which version it is: 3.0.x or 3.1.x"));
        }
        let title = root.pointer("/info/title").and_then(Value::as_str).unwrap_or_default();
        let mut reader = Reader {
            compiler: Compiler::new(&root),
            operations: Vec::new(),
            router: Router::default(),
            paths: Vec::new(),
        };
        let paths = root.get("paths").and_then(Value::as_object).filter(|paths| !paths.is_empty());
        let paths = paths.ok_or_else(|| DocumentError::at("/paths", "there must be at least one path"))?;
        for (template, item) in paths.iter().filter(|(template, _)| !template.starts_with("x-")) {
            reader.path(template, item)?;
        }
        let Reader { compiler, operations, router, paths } = reader;
        if operations.is_empty() {
            return Err(DocumentError::at("/paths", "there must be at least one operation"));
        }
        let title = title.chars().take(200).collect();
        Ok(Self { schemas: compiler.done(), operations, router, paths, title })
    }

    /// All operations, in the order of their [`Operation::index`].
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// All schemas.
    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// What the API calls itself.
    pub fn title(&self) -> &str {
        &self.title
    }
}

struct Reader<'d> {
    compiler: Compiler<'d>,
    operations: Vec<Operation>,
    router: Router,
    paths: Vec<HashMap<String, usize>>,
}

impl<'d> Reader<'d> {
    fn path(&mut self, template: &str, item: &'d Value) -> Result<(), DocumentError> {
        let at = format!("/paths/{}", escaped(template));
        let (item, at) = self.compiler.follow(item, at)?;
        let map = item.as_object().ok_or_else(|| DocumentError::at(&at, "a path must be a map of methods"))?;
        let segments = parse_template(template).map_err(|reason| DocumentError::at(&at, reason))?;
        self.router.insert(&segments, self.paths.len()).map_err(|reason| DocumentError::at(&at, reason))?;
        let shared = self.parameters(map, &at)?;
        let mut methods = HashMap::new();
        for method in METHODS {
            let Some(operation) = map.get(method) else { continue };
            let here = format!("{at}/{method}");
            let operation = operation.as_object().ok_or_else(|| DocumentError::at(&here, "it must be a map"))?;
            if self.operations.len() == OPERATIONS_MAX {
                return Err(DocumentError::TooBig { what: "operations", most: OPERATIONS_MAX });
            }
            let read = self.operation(method, template, &segments, &shared, operation, &here)?;
            if self.operations.iter().any(|other| other.name == read.name) {
                return Err(DocumentError::at(&here, format!("another operation is called `{}`, too", read.name)));
            }
            methods.insert(read.method.clone(), self.operations.len());
            self.operations.push(read);
        }
        self.paths.push(methods);
        Ok(())
    }

    fn operation(
        &mut self,
        method: &str,
        template: &str,
        segments: &[Segment],
        shared: &[Parameter],
        map: &'d Map<String, Value>,
        at: &str,
    ) -> Result<Operation, DocumentError> {
        let method = method.to_ascii_uppercase();
        let name = match map.get("operationId").and_then(Value::as_str) {
            Some(name) => name.to_string(),
            None => format!("{method} {template}"),
        };
        if name.is_empty() || name.len() > METHOD_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let reason = format!("its operationId must have 1 to {METHOD_NAME_BYTES_MAX} bytes: {name:.80}");
            return Err(DocumentError::at(at, reason));
        }
        let mut parameters = self.parameters(map, at)?;
        for parameter in shared {
            if !parameters.iter().any(|own| (own.place, &own.name) == (parameter.place, &parameter.name)) {
                parameters.push(parameter.clone());
            }
        }
        let parameters = in_order(parameters, segments, at)?;
        let units = match map.get("x-cairn-units") {
            None => 1,
            Some(value) => value.as_u64().filter(|units| (1..=UNITS_MAX).contains(units)).ok_or_else(|| {
                DocumentError::at(format!("{at}/x-cairn-units"), format!("units are 1 to {UNITS_MAX}"))
            })?,
        };
        let body = match map.get("requestBody") {
            None => None,
            Some(value) => {
                let (value, at) = self.compiler.follow(value, format!("{at}/requestBody"))?;
                Some(Body { required: flag(value, "required"), content: self.content(value, &at)? })
            },
        };
        let mut responses = Vec::new();
        for (status, value) in map.get("responses").and_then(Value::as_object).into_iter().flatten() {
            let (value, at) = self.compiler.follow(value, format!("{at}/responses/{}", escaped(status)))?;
            responses.push((status.to_ascii_uppercase(), Body { required: false, content: self.content(value, &at)? }));
        }
        // `default` is the one key that isn't a number or a class.
        for (status, _) in &mut responses {
            if status == "DEFAULT" {
                *status = "default".into();
            }
        }
        Ok(Operation {
            name,
            index: u16::try_from(self.operations.len()).unwrap_or(u16::MAX),
            method,
            path: template.into(),
            units,
            deterministic: map.get("x-cairn-deterministic").and_then(Value::as_bool).unwrap_or(false),
            parameters,
            body,
            responses,
        })
    }

    fn parameters(&mut self, map: &'d Map<String, Value>, at: &str) -> Result<Vec<Parameter>, DocumentError> {
        let Some(list) = map.get("parameters") else { return Ok(Vec::new()) };
        let at = format!("{at}/parameters");
        let list = list.as_array().ok_or_else(|| DocumentError::at(&at, "it must be a list"))?;
        if list.len() > PARAMETERS_MAX {
            return Err(DocumentError::TooBig { what: "parameters of an operation", most: PARAMETERS_MAX });
        }
        let mut found = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let (value, at) = self.compiler.follow(value, format!("{at}/{index}"))?;
            found.extend(self.parameter(value, &at)?);
        }
        Ok(found)
    }

    fn parameter(&mut self, value: &'d Value, at: &str) -> Result<Option<Parameter>, DocumentError> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let name = text("name").ok_or_else(|| DocumentError::at(at, "a parameter must have a name"))?.to_string();
        let (place, style) = match text("in") {
            Some("path") => (Place::Path, "simple"),
            Some("query") => (Place::Query, "form"),
            Some("header") => (Place::Header, "simple"),
            // Cookies stay between a caller and its proxy.
            Some("cookie") => return Ok(None),
            _ => return Err(DocumentError::at(at, "`in` must be path, query, header or cookie")),
        };
        if text("style").is_some_and(|given| given != style) {
            return Err(DocumentError::at(at, format!("only the style `{style}` is supported here")));
        }
        let schema = match (value.get("schema"), value.get("content")) {
            (Some(schema), _) => Some(self.compiler.compile(schema, format!("{at}/schema"))?),
            (None, Some(_)) => {
                return Err(DocumentError::at(at, "parameters with `content` are not supported; give a `schema`"))
            },
            (None, None) => None,
        };
        let name = if place == Place::Header { name.to_ascii_lowercase() } else { name };
        let explode = value.get("explode").and_then(Value::as_bool).unwrap_or(place == Place::Query);
        Ok(Some(Parameter { name, place, required: flag(value, "required") || place == Place::Path, schema, explode }))
    }

    fn content(&mut self, value: &'d Value, at: &str) -> Result<Vec<(String, Option<SchemaId>)>, DocumentError> {
        let mut content = Vec::new();
        for (kind, value) in value.get("content").and_then(Value::as_object).into_iter().flatten() {
            let schema = match value.get("schema") {
                Some(schema) => Some(self.compiler.compile(schema, format!("{at}/content/{}/schema", escaped(kind)))?),
                None => None,
            };
            content.push((media_type(kind), schema));
        }
        // The most exact one first.
        content.sort_by_key(|(kind, _)| kind.matches('*').count());
        Ok(content)
    }
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// Those of the path first, one for each of its segments that is a parameter.
fn in_order(parameters: Vec<Parameter>, segments: &[Segment], at: &str) -> Result<Vec<Parameter>, DocumentError> {
    let (mut of_path, others): (Vec<_>, Vec<_>) = parameters.into_iter().partition(|found| found.place == Place::Path);
    let mut ordered = Vec::new();
    for segment in segments {
        let Segment::Parameter(name) = segment else { continue };
        let position = of_path.iter().position(|parameter| parameter.name == *name);
        let position = position.ok_or_else(|| DocumentError::at(at, format!("the path's `{name}` is no parameter")))?;
        ordered.push(of_path.swap_remove(position));
    }
    if let Some(lost) = of_path.first() {
        return Err(DocumentError::at(at, format!("the path has no `{{{}}}`", lost.name)));
    }
    ordered.extend(others);
    Ok(ordered)
}
