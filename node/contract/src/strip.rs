// SPDX-License-Identifier: Apache-2.0

use wasm_encoder::{EntityType, ExportKind, ExportSection, ImportSection, MemoryType, RawSection};
use wasmparser::{BinaryReaderError, ExternalKind, Parser, Payload, TypeRef};

use crate::{names::shown, Refusal, ENTRY_POINTS, MEMORY_PAGES_MAX, RAW_LEN_MAX};

/// Leaves what a contract needs: the exports `call` and `deploy`, a memory with an upper bound, no custom sections.
///
/// # Errors
/// The module can't be read, or needs something that a contract can't have: more memory, a memory, table or global of its own making
/// among the imports.
pub fn strip(module: &[u8]) -> Result<Vec<u8>, Refusal> {
    if module.len() > RAW_LEN_MAX {
        return Err(Refusal::new(
            format!("the module has {} bytes", module.len()),
            "as a whole",
            "this is no contract",
        ));
    }
    let malformed = |error: BinaryReaderError| Refusal::malformed(&error);
    let mut out = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(malformed)?;
        match &payload {
            Payload::CustomSection(_) | Payload::DataCountSection { .. } => {},
            Payload::ImportSection(section) => {
                let mut imports = ImportSection::new();
                for import in section.clone() {
                    let import = import.map_err(malformed)?;
                    imports.import(import.module, import.name, imported(&import)?);
                }
                out.section(&imports);
            },
            Payload::MemorySection(section) if section.count() > 0 => {
                return Err(Refusal::new(
                    "the module has a memory of its own",
                    format!("at byte {}", section.range().start),
                    "link it with --import-memory, as `cairn contract build` does",
                ))
            },
            Payload::ExportSection(section) => {
                let mut exports = ExportSection::new();
                for export in section.clone() {
                    let export = export.map_err(malformed)?;
                    if export.kind == ExternalKind::Func && ENTRY_POINTS.contains(&export.name) {
                        exports.export(export.name, ExportKind::Func, export.index);
                    }
                }
                out.section(&exports);
            },
            _ => {
                if let Some((id, range)) = payload.as_section() {
                    let data = module.get(range).unwrap_or_default();
                    out.section(&RawSection { id, data });
                }
            },
        }
    }
    Ok(out.finish())
}

fn imported(import: &wasmparser::Import<'_>) -> Result<EntityType, Refusal> {
    match import.ty {
        TypeRef::Func(ty) => Ok(EntityType::Function(ty)),
        TypeRef::Memory(memory) => {
            let most = u64::from(MEMORY_PAGES_MAX);
            if memory.initial > most {
                return Err(Refusal::new(
                    format!("the memory has {} pages of 64 KiB; the chain allows {most}", memory.initial),
                    "in the list of imports",
                    "use less static memory (large constants, large arrays) or a smaller stack",
                ));
            }
            let maximum = Some(memory.maximum.map_or(most, |maximum| maximum.min(most)));
            Ok(EntityType::Memory(MemoryType {
                minimum: memory.initial,
                maximum,
                memory64: false,
                shared: false,
                page_size_log2: None,
            }))
        },
        _ => Err(Refusal::new(
            format!(
                "`{}` of `{}` is imported, and the chain offers no globals and tables",
                shown(import.name),
                shown(import.module)
            ),
            "in the list of imports",
            "build it with `cairn contract build`",
        )),
    }
}
