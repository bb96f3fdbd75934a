// SPDX-License-Identifier: Apache-2.0

//! What a document says: operations by method and path, with what they take and give.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{
    compile::{At, Compiler, Problem, ROOT},
    parameter::{Parameter, Place},
    router::{Router, Template},
    schema::{SchemaId, Schemas},
    tree, DocumentError, OPERATIONS_MAX,
};

/// Parameters of one operation.
const PARAMETERS_MAX: usize = 256;
/// Longest name of a method, as the marketplace keeps it, in bytes.
pub const METHOD_NAME_BYTES_MAX: usize = 96;
/// Units that one call may take at most.
pub const UNITS_MAX: u64 = 1_000_000;
/// Keys in the query that a document may have.
const QUERY_KEYS_MAX: usize = 16;
/// Operations that a document may describe: those that are not sold included.
const DESCRIBED_MAX: usize = 10_000;
/// Parameters, answers and media types of all its operations: shared ones count for each.
const PARTS_MAX: usize = 300_000;

/// A document that was read.
#[derive(Debug)]
pub struct Document {
    pub(super) schemas: Schemas,
    pub(super) operations: Vec<Operation>,
    pub(super) router: Router,
    /// Operations at each path of the router, by method. Several of one method are told apart by their parameters.
    pub(super) paths: Vec<HashMap<String, Vec<usize>>>,
    /// Names in the query that hold a key (`securitySchemes`): they may be there in every request.
    pub(super) query_keys: Vec<String>,
    left_out: Vec<LeftOut>,
    authorization: bool,
    title: String,
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
        let wanted = content_type.split(';').next().unwrap_or_default().trim();
        let fits = |known: &str| {
            known.eq_ignore_ascii_case(wanted)
                || known == "*/*"
                || known.strip_suffix("/*").is_some_and(|main| {
                    wanted.split('/').next().is_some_and(|wanted| wanted.eq_ignore_ascii_case(main))
                })
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
    /// Its position among the document's operations.
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
    /// What the query must hold besides: `/?Action=Stop`.
    pub query: Vec<(String, String)>,
    /// The request's body, if it may have one.
    pub body: Option<Body>,
    /// Responses by status: `200`, `4XX`, `default`.
    pub responses: Vec<(String, Body)>,
    /// An answer may be JSON that is checked.
    pub answers_json: bool,
}

impl Operation {
    /// What a response of this status is like: the status itself goes before its class, and that before the default.
    pub fn response(&self, status: u16) -> Option<&Body> {
        let number = |key: &str| key.parse::<u16>().ok();
        let class = |key: &str| key.strip_suffix("XX").and_then(|class| class.parse::<u16>().ok());
        let find = |fits: &dyn Fn(&str) -> bool| self.responses.iter().find(|(key, _)| fits(key)).map(|(_, body)| body);
        find(&|key| number(key) == Some(status))
            .or_else(|| find(&|key| class(key) == Some(status / 100)))
            .or_else(|| find(&|key| key == "default"))
    }
}

/// An operation of a document that is not sold, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name; of a whole path, the path.
    pub name: String,
    /// Where the reason is: a JSON pointer.
    pub at: String,
    /// The reason, and what to do.
    pub reason: String,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.at.as_str() {
            "" => write!(f, "{}: {}", self.name, self.reason),
            at => write!(f, "{}: {} (at {at})", self.name, self.reason),
        }
    }
}

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

impl Document {
    /// Reads a document. Operations that can't be used are left out: [`Self::left_out`].
    ///
    /// # Errors
    /// Too big, or not as OpenAPI 3 has it, or no operation is left: the error says where and what.
    pub fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        Self::read_selected(bytes, |_| true)
    }

    /// The same, with those operations only that are wanted, by their names. Names don't depend on what is wanted.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_selected(bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Self, DocumentError> {
        let root = tree::read(bytes)?;
        let is_31 = check_version(&root)?;
        let title = root.pointer("/info/title").and_then(Value::as_str).unwrap_or_default();
        let paths = root.get("paths").and_then(Value::as_object).filter(|paths| !paths.is_empty());
        let paths = paths.ok_or_else(|| DocumentError::at("/paths", "there must be at least one path"))?;
        let mut reader = Reader {
            compiler: Compiler::new(&root, is_31),
            wanted: &wanted,
            names: HashSet::new(),
            found: Vec::new(),
            left_out: Vec::new(),
            parts: 0,
        };
        let around = reader.compiler.below(ROOT, "paths");
        for (template, item) in paths.iter().filter(|(template, _)| !template.starts_with("x-")) {
            let at = reader.compiler.below(around, template);
            if let Err(problem) = reader.path(template, item, at) {
                reader.leave_out(template.clone(), problem);
            }
            if reader.names.len() > DESCRIBED_MAX {
                return Err(DocumentError::TooBig { what: "operations", most: DESCRIBED_MAX });
            }
            if reader.parts > PARTS_MAX {
                return Err(DocumentError::TooBig { what: "parameters, answers and media types", most: PARTS_MAX });
            }
        }
        let (authorization, query_keys) = keys(&root);
        let title = title.chars().take(200).collect();
        reader.done(title, authorization, query_keys)
    }

    /// All operations, in the order of their [`Operation::index`].
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operations that are not among them, and why.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// All schemas.
    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// What the API calls itself.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whether it asks for the header `authorization`.
    pub fn asks_authorization(&self) -> bool {
        self.authorization
    }
}

/// Whether it is 3.1: there, what stands beside a reference counts.
fn check_version(root: &Value) -> Result<bool, DocumentError> {
    // YAML reads 3.1 as a number.
    let version = match root.get("openapi") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    if version.starts_with("3.0") || version.starts_with("3.1") {
        return Ok(version.starts_with("3.1"));
    }
    let reason = match (root.get("swagger"), version.as_str()) {
        (Some(_), _) => "this is Swagger 2.0; convert it to OpenAPI 3.0, for example with swagger2openapi".into(),
        (None, "") => "it must say which version it is: 3.0.x or 3.1.x".into(),
        (None, other) => format!("this is OpenAPI {other:.20}; give a document of 3.0.x or 3.1.x"),
    };
    Err(DocumentError::at("/openapi", reason))
}

/// Whether `authorization` is asked for, and the names of keys in the query.
fn keys(root: &Value) -> (bool, Vec<String>) {
    let schemes = root.pointer("/components/securitySchemes").and_then(Value::as_object);
    let (mut authorization, mut query) = (false, Vec::new());
    for scheme in schemes.into_iter().flat_map(Map::values) {
        let text = |key: &str| scheme.get(key).and_then(Value::as_str);
        match (text("type"), text("in"), text("name")) {
            (Some("http" | "oauth2" | "openIdConnect"), ..) => authorization = true,
            (Some("apiKey"), Some("header"), Some(name)) if name.eq_ignore_ascii_case("authorization") => {
                authorization = true;
            },
            (Some("apiKey"), Some("query"), Some(name)) if query.len() < QUERY_KEYS_MAX => query.push(name.to_string()),
            _ => {},
        }
    }
    (authorization, query)
}

struct Reader<'d, 'w> {
    compiler: Compiler<'d>,
    wanted: &'w dyn Fn(&str) -> bool,
    names: HashSet<String>,
    found: Vec<(Operation, Template, At)>,
    left_out: Vec<LeftOut>,
    /// Parameters, answers and media types so far.
    parts: usize,
}

impl<'d> Reader<'d, '_> {
    fn leave_out(&mut self, name: String, problem: Problem) {
        let name = name.chars().take(METHOD_NAME_BYTES_MAX).collect();
        self.left_out.push(LeftOut { name, at: problem.at, reason: problem.reason });
    }

    fn path(&mut self, template: &'d str, item: &'d Value, at: At) -> Result<(), Problem> {
        let (item, at) = self.compiler.follow(item, at)?;
        let map = item.as_object().ok_or_else(|| self.compiler.problem(at, "a path must be a map of methods"))?;
        let read = Template::read(template);
        for method in METHODS {
            let Some(value) = map.get(method) else { continue };
            let at = self.compiler.below(at, method);
            let name = self.name(value, method, template);
            if !(self.wanted)(&name) {
                continue;
            }
            let operation = match &read {
                Err(reason) => Err(self.compiler.problem(at, reason.clone())),
                Ok(read) => self.operation(method, template, read, map, value, at),
            };
            match (operation, &read) {
                (Ok(operation), Ok(read)) => self.found.push((Operation { name, ..operation }, read.clone(), at)),
                (Err(problem), _) => self.leave_out(name, problem),
                (Ok(_), Err(_)) => {},
            }
        }
        Ok(())
    }

    /// A name that no other operation of the document has, and that the marketplace takes.
    fn name(&mut self, value: &Value, method: &str, template: &str) -> String {
        let given = value.get("operationId").and_then(Value::as_str);
        let given = given.filter(|name| !name.is_empty() && !name.chars().any(char::is_control));
        let by_path = || format!("{} {template}", method.to_ascii_uppercase());
        let mut name = given.map_or_else(by_path, String::from);
        if self.names.contains(&name) {
            name = by_path();
        }
        name.retain(|c| !c.is_control());
        if name.len() > METHOD_NAME_BYTES_MAX {
            const DIGITS: usize = 16;
            let hash = blake3::hash(name.as_bytes()).to_hex();
            let most = METHOD_NAME_BYTES_MAX - DIGITS - 1;
            let end = (0..=most).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
            name = format!("{}~{}", &name[..end], &hash[..DIGITS]);
        }
        self.names.insert(name.clone());
        name
    }

    fn operation(
        &mut self,
        method: &str,
        path: &str,
        template: &Template,
        around: &'d Map<String, Value>,
        value: &'d Value,
        at: At,
    ) -> Result<Operation, Problem> {
        let map = value.as_object().ok_or_else(|| self.compiler.problem(at, "an operation must be a map"))?;
        let mut parameters = self.parameters(map, at)?;
        for parameter in self.parameters(around, at)? {
            if !parameters.iter().any(|own| (own.place, &own.name) == (parameter.place, &parameter.name)) {
                parameters.push(parameter);
            }
        }
        let units = match map.get("x-cairn-units") {
            None => 1,
            Some(value) => value
                .as_u64()
                .filter(|units| (1..=UNITS_MAX).contains(units))
                .ok_or_else(|| self.compiler.problem(at, format!("x-cairn-units are 1 to {UNITS_MAX}")))?,
        };
        let body = match map.get("requestBody") {
            None => None,
            Some(value) => {
                let here = self.compiler.below(at, "requestBody");
                let (value, here) = self.compiler.follow(value, here)?;
                let required = value.get("required").and_then(Value::as_bool).unwrap_or(false);
                Some(Body { required, content: self.content(value, here) })
            },
        };
        let mut responses = Vec::new();
        let here = self.compiler.below(at, "responses");
        for (status, value) in map.get("responses").and_then(Value::as_object).into_iter().flatten() {
            self.parts += 1;
            let here = self.compiler.below(here, status);
            let (value, here) = self.compiler.follow(value, here)?;
            let key = match status.as_str() {
                "default" => status.clone(),
                other => other.to_ascii_uppercase(),
            };
            responses.push((key, Body { required: false, content: self.content(value, here) }));
        }
        let checked = |body: &Body| body.content.iter().any(|(kind, schema)| schema.is_some() && may_be_json(kind));
        Ok(Operation {
            name: String::new(),
            index: 0,
            method: method.to_ascii_uppercase(),
            path: path.into(),
            units,
            deterministic: map.get("x-cairn-deterministic").and_then(Value::as_bool).unwrap_or(false),
            parameters: in_order(parameters, template),
            query: template.query.clone(),
            body,
            answers_json: responses.iter().any(|(_, body)| checked(body)),
            responses,
        })
    }

    fn parameters(&mut self, map: &'d Map<String, Value>, at: At) -> Result<Vec<Parameter>, Problem> {
        let Some(list) = map.get("parameters") else { return Ok(Vec::new()) };
        let at = self.compiler.below(at, "parameters");
        let list = list.as_array().ok_or_else(|| self.compiler.problem(at, "it must be a list"))?;
        if list.len() > PARAMETERS_MAX {
            return Err(self.compiler.problem(at, format!("an operation may have {PARAMETERS_MAX} parameters")));
        }
        self.parts += list.len();
        let mut found = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let here = self.compiler.item(at, index);
            let (value, here) = self.compiler.follow(value, here)?;
            found.extend(Parameter::read(&mut self.compiler, value, here)?);
        }
        Ok(found)
    }

    fn content(&mut self, value: &'d Value, at: At) -> Vec<(String, Option<SchemaId>)> {
        let mut content = Vec::new();
        let at = self.compiler.below(at, "content");
        for (kind, value) in value.get("content").and_then(Value::as_object).into_iter().flatten() {
            self.parts += 1;
            let here = self.compiler.below(at, kind);
            // Only what is JSON or a form is checked.
            let schema = value.get("schema").filter(|_| may_be_json(kind) || is_form(kind));
            let schema = schema.map(|schema| {
                let here = self.compiler.below(here, "schema");
                self.compiler.compile(schema, here)
            });
            content.push((media_type(kind), schema));
        }
        // The most exact one first.
        content.sort_by_key(|(kind, _)| kind.matches('*').count());
        content
    }

    /// Puts together what can be used.
    fn done(mut self, title: String, authorization: bool, query_keys: Vec<String>) -> Result<Document, DocumentError> {
        let found = std::mem::take(&mut self.found);
        // Where each operation is, while the compiler still knows.
        let found: Vec<_> = found
            .into_iter()
            .map(|(operation, template, at)| (operation, template, self.compiler.problem(at, "").at))
            .collect();
        let Self { compiler, mut left_out, .. } = self;
        let (schemas, unusable) = compiler.done();
        let mut document = Document {
            schemas,
            operations: Vec::new(),
            router: Router::default(),
            paths: Vec::new(),
            query_keys,
            left_out: Vec::new(),
            authorization,
            title,
        };
        for (operation, template, at) in found {
            let name = operation.name.clone();
            let problem = operation.schemas().find_map(|id| unusable.get(&id));
            if let Some(problem) = problem {
                left_out.push(LeftOut { name, at: problem.at.clone(), reason: problem.reason.clone() });
            } else if let Err(reason) = document.add(operation, &template) {
                left_out.push(LeftOut { name, at, reason });
            }
        }
        if document.operations.is_empty() {
            return Err(match left_out.is_empty() {
                true => DocumentError::at("/paths", "there must be at least one operation"),
                false => DocumentError::NothingLeft(left_out),
            });
        }
        document.left_out = left_out;
        Ok(document)
    }
}

impl Document {
    fn add(&mut self, operation: Operation, template: &Template) -> Result<(), String> {
        if self.operations.len() == OPERATIONS_MAX {
            return Err(format!("a listing has at most {OPERATIONS_MAX} operations; choose them with --only"));
        }
        if template.shared && !operation.is_told_apart(&self.schemas) {
            let reason = "its path is shared, and no required parameter with one value tells it from the others";
            return Err(reason.into());
        }
        let next = self.paths.len();
        let at = self.router.insert(&template.segments, || next);
        if at == next {
            self.paths.push(HashMap::new());
        }
        let same = self.paths[at].entry(operation.method.clone()).or_default();
        let apart = |index: &usize| self.operations[*index].is_told_apart(&self.schemas);
        let all_apart = operation.is_told_apart(&self.schemas) && same.iter().all(apart);
        if !same.is_empty() && !all_apart {
            return Err("another operation has the same method and a path of the same shape".into());
        }
        let index = self.operations.len();
        same.push(index);
        self.operations.push(Operation { index: u16::try_from(index).unwrap_or(u16::MAX), ..operation });
        Ok(())
    }
}

impl Operation {
    /// Every schema that it names itself.
    fn schemas(&self) -> impl Iterator<Item = SchemaId> + '_ {
        let bodies = self.body.iter().chain(self.responses.iter().map(|(_, body)| body));
        let of_bodies = bodies.flat_map(|body| body.content.iter().filter_map(|(_, schema)| *schema));
        self.parameters.iter().filter_map(|parameter| parameter.schema).chain(of_bodies)
    }

    /// Whether its parameters tell it from others of the same path and method.
    fn is_told_apart(&self, schemas: &Schemas) -> bool {
        let one_value = |id: SchemaId| schemas.get(id).values.as_ref().is_some_and(|values| values.list.len() == 1);
        let fixed = |parameter: &Parameter| {
            parameter.place != Place::Path && parameter.required && parameter.schema.is_some_and(one_value)
        };
        !self.query.is_empty() || self.parameters.iter().any(fixed)
    }
}

/// Whether a media type of a document may be JSON.
fn may_be_json(kind: &str) -> bool {
    super::is_json(kind) || kind.ends_with("/*")
}

/// Whether it is a form's, as browsers send it.
pub(super) fn is_form(kind: &str) -> bool {
    media_type(kind) == "application/x-www-form-urlencoded"
}

/// Those of the path first, one for each of its parameters. One that isn't described may be any text; one that the path doesn't
/// have says nothing.
fn in_order(parameters: Vec<Parameter>, template: &Template) -> Vec<Parameter> {
    let (of_path, others): (Vec<_>, Vec<_>) = parameters.into_iter().partition(|found| found.place == Place::Path);
    let find = |name: &str| of_path.iter().find(|parameter| parameter.name == name).cloned();
    let mut ordered: Vec<Parameter> =
        template.names().map(|name| find(name).unwrap_or_else(|| Parameter::unknown(name))).collect();
    ordered.extend(others);
    ordered
}
