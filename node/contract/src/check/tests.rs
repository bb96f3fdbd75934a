// SPDX-License-Identifier: Apache-2.0

use proptest::prelude::*;
use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, ImportSection, Instruction, MemoryType, NameMap, NameSection, StartSection, TypeSection, ValType,
};

use super::*;
use crate::strip;

/// A contract to spoil.
struct Sample {
    imports: Vec<(&'static str, &'static str, EntityType)>,
    exports: Vec<(&'static str, ExportKind, u32)>,
    /// What the third of its types takes: that of the second function.
    takes: ValType,
    body: Vec<Instruction<'static>>,
    start: bool,
}

const SHORT: EntityType = EntityType::Function(0);

fn memory(minimum: u64, maximum: Option<u64>) -> EntityType {
    EntityType::Memory(MemoryType { minimum, maximum, memory64: false, shared: false, page_size_log2: None })
}

impl Sample {
    fn good() -> Self {
        Self {
            imports: vec![("env", "memory", memory(2, Some(16))), ("seal0", "seal_return", EntityType::Function(1))],
            exports: vec![("call", ExportKind::Func, 1), ("deploy", ExportKind::Func, 1)],
            takes: ValType::I32,
            body: vec![],
            start: false,
        }
    }

    fn module(&self) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        types.ty().function([ValType::I32; 3], []);
        types.ty().function([self.takes], []);
        let mut imports = ImportSection::new();
        for (module, name, ty) in &self.imports {
            imports.import(module, name, *ty);
        }
        let mut functions = FunctionSection::new();
        functions.function(0).function(2);
        let mut globals = GlobalSection::new();
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        globals.global(ty, &ConstExpr::i32_const(0));
        let mut exports = ExportSection::new();
        for (name, kind, index) in &self.exports {
            exports.export(name, *kind, *index);
        }
        let mut code = CodeSection::new();
        for body in [&self.body[..], &[]] {
            let mut function = Function::new([]);
            for instruction in body {
                function.instruction(instruction);
            }
            function.instruction(&Instruction::End);
            code.function(&function);
        }
        let mut names = NameSection::new();
        let mut functions_named = NameMap::new();
        functions_named.append(1, "_ZN4core3fmt5float17h0123456789abcdefE");
        functions_named.append(2, "_ZN5plain5share17h0123456789abcdefE");
        names.functions(&functions_named);
        let mut module = wasm_encoder::Module::new();
        module.section(&types).section(&imports).section(&functions).section(&globals).section(&exports);
        if self.start {
            module.section(&StartSection { function_index: 1 });
        }
        module.section(&code).section(&names);
        module.finish()
    }

    fn refusal(&self) -> Refusal {
        check(&self.module()).expect_err("a rule is broken")
    }
}

#[test]
fn a_good_module_is_taken() {
    assert_eq!(check(&Sample::good().module()), Ok(()));
}

#[test]
fn floating_point_is_found_in_its_function() {
    let mut sample = Sample::good();
    sample.body = vec![Instruction::F64Const(1.0.into()), Instruction::Drop];
    let refusal = sample.refusal();
    assert!(refusal.what.contains("F64Const") && refusal.what.contains("floating point"), "{refusal}");
    assert!(refusal.place.contains("`core::fmt::float`"), "{refusal}");
    assert!(refusal.remedy.contains("whole numbers"));
}

#[test]
fn floating_point_in_a_signature_is_found_too() {
    let refusal = Sample { takes: ValType::F32, ..Sample::good() }.refusal();
    assert!(refusal.what.contains("takes or returns floating point"), "{refusal}");
    assert!(refusal.place.contains("`plain::share`"), "{refusal}");
}

#[test]
fn bulk_memory_is_explained() {
    let mut sample = Sample::good();
    let zero = || Instruction::I32Const(0);
    sample.body = vec![zero(), zero(), zero(), Instruction::MemoryFill(0)];
    let refusal = sample.refusal();
    assert!(refusal.what.contains("MemoryFill") && refusal.what.contains("bulk"), "{refusal}");
    assert!(refusal.remedy.contains("cairn contract build"));
}

#[test]
fn sign_extension_is_taken_and_saturating_conversion_is_not() {
    let mut sample = Sample::good();
    sample.body = vec![Instruction::I32Const(0), Instruction::I32Extend8S, Instruction::Drop];
    assert_eq!(check(&sample.module()), Ok(()));
    sample.body = vec![Instruction::F32Const(1.0.into()), Instruction::I32TruncSatF32S, Instruction::Drop];
    assert!(check(&sample.module()).is_err());
}

#[test]
fn imports_are_held_against_what_the_chain_offers() {
    for (import, words) in [
        (("env", "puts", SHORT), "has none of that name"),
        (("seal0", "seal_return", SHORT), "other parameters"),
        (("seal0", "set_transient_storage", EntityType::Function(1)), "does not offer"),
        (("seal0", "seal_random", EntityType::Function(1)), "does not offer"),
        (("seal0", "call_chain_extension", EntityType::Function(1)), "does not offer"),
        (("seal0", "xcm_send", EntityType::Function(1)), "does not offer"),
        (("env", "memory", memory(1, None)), "twice"),
        (("env", "other", memory(1, None)), "`memory` of `env`"),
        (
            ("env", "g", EntityType::Global(GlobalType { val_type: ValType::I32, mutable: false, shared: false })),
            "no globals",
        ),
    ] {
        let mut sample = Sample::good();
        sample.exports.iter_mut().for_each(|export| export.2 += u32::from(matches!(import.2, EntityType::Function(_))));
        sample.imports.push(import);
        let text = sample.refusal().to_string();
        // Two memories are already against WebAssembly's own first version.
        assert!(text.contains(words) || text.contains("memor"), "{import:?}: {text}");
    }
    let mut sample = Sample::good();
    sample.imports.remove(0);
    assert!(sample.refusal().what.contains("does not import its memory"));
}

#[test]
fn memory_has_a_bound() {
    for (minimum, maximum) in [(17, Some(17)), (2, Some(17)), (17, None)] {
        let mut sample = Sample::good();
        sample.imports[0].2 = memory(minimum, maximum);
        assert!(sample.refusal().what.contains("pages"), "{minimum} {maximum:?}");
    }
}

#[test]
fn exports_are_the_two_entry_points_and_nothing_else() {
    for (name, kind, index) in [("__heap_base", ExportKind::Global, 0), ("memcpy", ExportKind::Func, 1)] {
        let mut sample = Sample::good();
        sample.exports.push((name, kind, index));
        assert!(sample.refusal().what.contains(name));
        assert_eq!(check(&strip(&sample.module()).expect("readable")), Ok(()), "{name} is stripped");
    }
    for missing in [0, 1] {
        let mut sample = Sample::good();
        let (name, ..) = sample.exports.remove(missing);
        let refusal = sample.refusal();
        assert!(refusal.what.contains(name) && refusal.remedy.contains("#[ink::contract]"), "{refusal}");
    }
    let mut sample = Sample::good();
    sample.exports[0].2 = 2;
    assert!(sample.refusal().what.contains("takes or returns"));
}

#[test]
fn start_functions_are_refused() {
    let sample = Sample { start: true, ..Sample::good() };
    assert!(sample.refusal().what.contains("start function"));
}

#[test]
fn code_has_a_bound() {
    let mut sample = Sample::good();
    sample.body = vec![Instruction::Nop; CODE_LEN_MAX];
    assert!(sample.refusal().what.contains("at most 125952"));
}

#[test]
fn stripping_caps_the_memory_and_drops_names() {
    let mut sample = Sample::good();
    sample.imports[0].2 = memory(2, None);
    let stripped = strip(&sample.module()).expect("readable");
    assert_eq!(check(&stripped), Ok(()));
    assert!(!stripped.windows(5).any(|bytes| bytes == b"float"));
    assert_eq!(strip(&stripped).expect("readable"), stripped, "once is enough");
    sample.imports[0].2 = memory(17, None);
    assert!(strip(&sample.module()).is_err());
}

#[test]
fn what_is_no_module_is_refused() {
    for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0\x07", b"\0asm\x0d\0\x01\0", b"hello"] {
        assert!(check(bytes).is_err() && check_code(bytes).is_err() || bytes == b"", "{bytes:?}");
        assert!(check(bytes).is_err(), "{bytes:?}");
    }
}

proptest! {
    /// Hostile modules are answered, never died of.
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = (check(&bytes), check_code(&bytes), strip(&bytes));
        let behind = [&b"\0asm\x01\0\0\0"[..], &bytes].concat();
        let _ = (check(&behind), check_code(&behind), strip(&behind));
    }

    #[test]
    fn spoiled_modules_are_answered(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let mut sample = Sample::good();
        sample.body = vec![Instruction::I32Const(7), Instruction::I64ExtendI32U, Instruction::Drop, Instruction::Loop(wasm_encoder::BlockType::Empty), Instruction::Br(0), Instruction::End];
        let mut module = sample.module();
        for (at, byte) in changes {
            let at = at.index(module.len());
            module[at] = byte;
        }
        let _ = (check(&module), check_code(&module));
        if let Ok(stripped) = strip(&module) {
            // What passes after stripping is taken as it is.
            if check(&stripped).is_ok() {
                prop_assert!(stripped.len() <= CODE_LEN_MAX);
            }
        }
        module.truncate(cut.index(module.len()));
        let _ = (check(&module), check_code(&module), strip(&module));
    }
}
