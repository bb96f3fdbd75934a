// SPDX-License-Identifier: Apache-2.0

//! The chain's rules for a contract's module.
//!
//! The interpreter has the last word ([`wasmi_takes`]). What comes before explains, in the order in which people would mend things:
//! instructions, imports, exports.

use wasmi::{CompilationMode, Config, Engine, Module, StackLimits};
use wasmparser::{
    BinaryReaderError, ExternalKind, FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, Parser, Payload,
    TypeRef, ValType, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use crate::{
    host::{HostFunction, Offer, HOST_FUNCTIONS},
    names::{shown, Names},
    Refusal, CODE_LEN_MAX, ENTRY_POINTS, MEMORY_PAGES_MAX, RAW_LEN_MAX,
};

/// What the chain's interpreter knows: the first version of WebAssembly and sign extension, without floating point.
fn features() -> WasmFeatures {
    (WasmFeatures::MVP | WasmFeatures::SIGN_EXTENSION).difference(WasmFeatures::FLOATS)
}

/// Holds a module against all rules of the chain.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(module: &[u8]) -> Result<(), Refusal> {
    if module.len() > CODE_LEN_MAX {
        return Err(Refusal::new(
            format!("the code has {} bytes, and the chain takes at most {CODE_LEN_MAX}", module.len()),
            "as a whole",
            "make it smaller: fewer messages and generic types, no formatting of text; or install Binaryen's wasm-opt, which shortens code by about a third",
        ));
    }
    check_code(module)?;
    check_interface(module)?;
    wasmi_takes(module)
}

/// Whether all of a module's instructions and types are such as the chain takes. Imports and exports are not looked at.
///
/// # Errors
/// The first that is not, and in which function it is.
pub fn check_code(module: &[u8]) -> Result<(), Refusal> {
    if module.len() > RAW_LEN_MAX {
        return Err(Refusal::new(
            format!("the module has {} bytes", module.len()),
            "as a whole",
            "this is no contract: the chain takes at most 125,952 bytes",
        ));
    }
    // What is exported is none of this check's business: the linker's globals go when the module is stripped.
    let features = features() | WasmFeatures::MUTABLE_GLOBAL;
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(|error| Refusal::malformed(&error))?;
        match validator.payload(&payload) {
            Ok(ValidPayload::Func(function, body)) => {
                allocations = check_function(module, function, &body, allocations)?;
            },
            Ok(_) => {},
            Err(error) => return Err(explain_section(module, &payload, &error)),
        }
    }
    Ok(())
}

fn check_function(
    module: &[u8],
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    allocations: FuncValidatorAllocations,
) -> Result<FuncValidatorAllocations, Refusal> {
    let mut function = function.into_validator(allocations);
    let index = function.index();
    let place =
        |error: &BinaryReaderError| format!("in {}, at byte {}", Names::of(module).function(index), error.offset());
    let mut reader = body.get_binary_reader();
    let locals = function.read_locals(&mut reader);
    locals.map_err(|error| explain_instruction(None, &error, place(&error)))?;
    while !reader.eof() {
        let at = reader.original_position();
        let operator = reader.peek_operator(&function.visitor(at)).ok();
        let checked = reader.visit_operator(&mut function.visitor(at)).and_then(|result| result);
        checked.map_err(|error| explain_instruction(operator.as_ref(), &error, place(&error)))?;
    }
    let end = reader.original_position();
    let finished = reader.finish_expression(&function.visitor(end));
    finished.map_err(|error| explain_instruction(None, &error, place(&error)))?;
    Ok(function.into_allocations())
}

const REMEDY_FLOAT: &str =
    "contracts calculate with whole numbers: look for f32 or f64, also in what the crate depends on, and for `{}` of such values";
const REMEDY_BUILD: &str =
    "build it with `cairn contract build`, which compiles core and alloc for the first version of WebAssembly";

fn explain_instruction(operator: Option<&Operator<'_>>, error: &BinaryReaderError, place: String) -> Refusal {
    let name = operator.map(|operator| {
        let text = format!("{operator:?}");
        let end = text.find([' ', '{', '(']).unwrap_or(text.len());
        text[..end].to_string()
    });
    let named = |rule: &str| match &name {
        Some(name) => format!("the instruction {name} {rule}"),
        None => format!("an instruction or a local {rule}"),
    };
    match error.message() {
        text if text.contains("floating-point") => {
            Refusal::new(named("calculates with floating point, which the chain refuses"), place, REMEDY_FLOAT)
        },
        text if text.contains("bulk memory") => {
            Refusal::new(named("copies memory in bulk, which the chain refuses"), place, REMEDY_BUILD)
        },
        text if text.contains("support is not enabled")
            || text.contains("not enabled")
            || text.contains("disabled") =>
        {
            Refusal::new(named(&format!("is newer than the chain's interpreter ({text})")), place, REMEDY_BUILD)
        },
        text => Refusal::new(named(&format!("is not valid: {text}")), place, REMEDY_BUILD),
    }
}

fn explain_section(module: &[u8], payload: &Payload<'_>, error: &BinaryReaderError) -> Refusal {
    let section = match payload {
        Payload::TypeSection(_) => "the list of types",
        Payload::ImportSection(_) => "the list of imports",
        Payload::GlobalSection(_) => "the globals",
        Payload::ExportSection(_) => "the list of exports",
        Payload::TableSection(_) | Payload::ElementSection(_) => "the tables",
        Payload::MemorySection(_) | Payload::DataSection(_) => "the memory's contents",
        _ => "the module",
    };
    let place = format!("in {section}, at byte {}", error.offset());
    if error.message().contains("floating-point") {
        let place =
            float_function(module).map_or(place, |function| format!("in {}", Names::of(module).function(function)));
        return Refusal::new(
            "a function takes or returns floating point, which the chain refuses",
            place,
            REMEDY_FLOAT,
        );
    }
    Refusal::new(format!("the module is not valid: {}", error.message()), place, REMEDY_BUILD)
}

/// The first function that takes or returns floating point.
fn float_function(module: &[u8]) -> Option<u32> {
    let is_float = |ty: &ValType| matches!(ty, ValType::F32 | ValType::F64);
    let mut floats = Vec::new();
    let mut index = 0u32;
    for payload in Parser::new(0).parse_all(module) {
        let functions: Vec<u32> = match payload.ok()? {
            Payload::TypeSection(section) => {
                let types = section.into_iter_err_on_gc_types().map_while(Result::ok);
                floats = types.map(|ty| ty.params().iter().chain(ty.results()).any(is_float)).collect();
                continue;
            },
            Payload::ImportSection(section) => section
                .into_iter()
                .map_while(Result::ok)
                .filter_map(|import| match import.ty {
                    TypeRef::Func(ty) => Some(ty),
                    _ => None,
                })
                .collect(),
            Payload::FunctionSection(section) => section.into_iter().map_while(Result::ok).collect(),
            _ => continue,
        };
        for ty in functions {
            if floats.get(ty as usize) == Some(&true) {
                return Some(index);
            }
            index = index.checked_add(1)?;
        }
    }
    None
}

/// A function's type as `HOST_FUNCTIONS` writes it; `None` for one that no host function has.
fn signature(types: &[wasmparser::FuncType], index: u32) -> Option<(String, String)> {
    let ty = types.get(usize::try_from(index).ok()?)?;
    let letters = |list: &[ValType]| -> Option<String> {
        list.iter()
            .map(|ty| match ty {
                ValType::I32 => Some('i'),
                ValType::I64 => Some('I'),
                _ => None,
            })
            .collect()
    };
    Some((letters(ty.params())?, letters(ty.results())?))
}

/// Imports and exports.
fn check_interface(module: &[u8]) -> Result<(), Refusal> {
    let malformed = |error: BinaryReaderError| Refusal::malformed(&error);
    let (mut types, mut functions) = (Vec::new(), Vec::new());
    let mut memory_imported = false;
    let mut entry_points = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(malformed)? {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    types.push(ty.map_err(malformed)?);
                }
            },
            Payload::ImportSection(section) => {
                for import in section {
                    let import = import.map_err(malformed)?;
                    check_import(&import, &types)?;
                    match import.ty {
                        TypeRef::Func(ty) => functions.push(ty),
                        _ if memory_imported => {
                            return Err(Refusal::new(
                                "the memory is imported twice",
                                "in the list of imports",
                                REMEDY_BUILD,
                            ))
                        },
                        _ => memory_imported = true,
                    }
                }
            },
            Payload::FunctionSection(section) => {
                for ty in section {
                    functions.push(ty.map_err(malformed)?);
                }
            },
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.map_err(malformed)?;
                    let ty = functions.get(export.index as usize).and_then(|ty| signature(&types, *ty));
                    entry_points.push(check_export(&export, ty)?);
                }
            },
            Payload::StartSection { func, .. } => {
                return Err(Refusal::new(
                    "the module has a start function, which would run before the contract's",
                    format!("in {}", Names::of(module).function(func)),
                    "a contract begins in `deploy` and `call`: remove what runs before main",
                ))
            },
            _ => {},
        }
    }
    if !memory_imported {
        return Err(Refusal::new(
            "the module does not import its memory as `env` `memory`",
            "in the list of imports",
            "link it with --import-memory, as `cairn contract build` does",
        ));
    }
    for wanted in ENTRY_POINTS {
        if !entry_points.iter().any(|found| found == wanted) {
            return Err(Refusal::new(
                format!("the function `{wanted}` is not exported"),
                "in the list of exports",
                "a contract is a crate with #[ink::contract], or exports `call` and `deploy` itself (#[no_mangle] pub extern \"C\" fn); \
                 is it built without the feature `std`?",
            ));
        }
    }
    Ok(())
}

fn check_export(export: &wasmparser::Export<'_>, ty: Option<(String, String)>) -> Result<String, Refusal> {
    let name = shown(export.name);
    let place = "in the list of exports";
    if export.kind != ExternalKind::Func || !ENTRY_POINTS.contains(&export.name) {
        return Err(Refusal::new(
            format!("`{name}` is exported, and a contract exports nothing but the functions `call` and `deploy`"),
            place,
            "build it with `cairn contract build`, which leaves other exports out",
        ));
    }
    let fits = ty.is_some_and(|(params, results)| params.is_empty() && (results.is_empty() || results == "i"));
    if !fits {
        return Err(Refusal::new(
            format!("`{name}` takes or returns something"),
            place,
            "its arguments come by `seal_input`, its answer goes by `seal_return`: write `pub extern \"C\" fn call()`",
        ));
    }
    Ok(name)
}

fn check_import(import: &wasmparser::Import<'_>, types: &[wasmparser::FuncType]) -> Result<(), Refusal> {
    let name = format!("`{}` of `{}`", shown(import.name), shown(import.module));
    let place = "in the list of imports";
    match import.ty {
        TypeRef::Func(ty) => {
            let found =
                HOST_FUNCTIONS.iter().find(|(module, field, ..)| (*module, *field) == (import.module, import.name));
            check_host_function(name, found, signature(types, ty))
        },
        TypeRef::Memory(memory) if (import.module, import.name) == ("env", "memory") => {
            let most = memory.maximum.unwrap_or_else(|| u64::from(MEMORY_PAGES_MAX));
            if memory.initial > most || most > u64::from(MEMORY_PAGES_MAX) {
                return Err(Refusal::new(
                    format!("the memory has {} pages of 64 KiB at first and {most} at most; the chain allows {MEMORY_PAGES_MAX}", memory.initial),
                    place,
                    "use less static memory (large constants, large arrays) or a smaller stack",
                ));
            }
            Ok(())
        },
        TypeRef::Memory(_) => Err(Refusal::new(
            format!("the memory {name} is imported; the chain has `memory` of `env`"),
            place,
            REMEDY_BUILD,
        )),
        _ => Err(Refusal::new(
            format!("{name} is imported, and the chain offers no globals and tables"),
            place,
            REMEDY_BUILD,
        )),
    }
}

fn check_host_function(
    name: String,
    found: Option<&HostFunction>,
    ty: Option<(String, String)>,
) -> Result<(), Refusal> {
    let place = "in the list of imports";
    let Some((_, _, params, results, offer)) = found else {
        return Err(Refusal::new(
            format!("the function {name} is imported, and the chain has none of that name"),
            place,
            "a function was declared that nobody defines: a C library, an operating system's call, or a panic's message (getrandom, std, wasm-bindgen are usual causes)",
        ));
    };
    let remedy = match offer {
        Offer::Offered => {
            if ty.as_ref().is_some_and(|(p, r)| (p.as_str(), r.as_str()) == (*params, *results)) {
                return Ok(());
            }
            return Err(Refusal::new(
                format!("the function {name} is imported with other parameters than the chain's"),
                place,
                "declare it as pallet-contracts-uapi does",
            ));
        },
        Offer::Unstable => {
            "this chain offers the stable interface only: use what the contract's language offers without `unstable`"
        },
        Offer::Removed => "this function is gone from the interface: leave it out",
        Offer::NoXcm => "this chain exchanges no messages with others: leave `xcm_execute` and `xcm_send` out",
        Offer::NoExtension => "this chain has no chain extensions: leave `#[ink::chain_extension]` out",
    };
    Err(Refusal::new(format!("the function {name} is imported, which this chain does not offer"), place, remedy))
}

/// The chain's own interpreter, set up as `pallet-contracts` 51 does.
fn wasmi_takes(module: &[u8]) -> Result<(), Refusal> {
    let mut config = Config::default();
    config
        .wasm_multi_value(false)
        .wasm_mutable_global(false)
        .wasm_sign_extension(true)
        .wasm_bulk_memory(false)
        .wasm_reference_types(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false)
        .wasm_saturating_float_to_int(false)
        .floats(false)
        .compilation_mode(CompilationMode::Eager)
        .consume_fuel(true);
    if let Ok(limits) = StackLimits::new(1, 1, 0) {
        config.set_stack_limits(limits);
    }
    match Module::new(&Engine::new(&config), module) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text: String = error.to_string().chars().filter(|c| !c.is_control()).take(300).collect();
            Err(Refusal::new(format!("the chain's interpreter refuses the module: {text}"), "as a whole", REMEDY_BUILD))
        },
    }
}

#[cfg(test)]
mod tests;
