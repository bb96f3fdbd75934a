//! What `substrate-wasm-builder` asks of the `wasm-opt` crate, without Binaryen.
//!
//! The builder calls `wasm-opt` at optimisation level 0 for two things: to drop DWARF sections, and to lower
//! sign-extension instructions to the MVP instruction set. Binaryen is some 250 C++ files, about 18 CPU minutes on a
//! small machine. The target `wasm32v1-none` emits no sign extension (it *is* the MVP plus mutable globals), so only the
//! first step changes bytes. This crate does that step, and checks the other one: the module must validate with nothing
//! but those features, or the build fails.
//!
//! It is a `[patch.crates-io]` of the workspace; its types carry the names that the builder uses and no others.

use std::path::Path;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// A transformation that the builder may request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Drop the `.debug_*` custom sections.
    StripDwarf,
    /// The module must hold no sign-extension instructions afterwards. Here: it must hold none to begin with.
    SignextLowering,
}

/// Why a module was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizationError {
    #[error("cannot read or write {path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error(
        "{path} is not an MVP module: {source}. Build the runtime for `wasm32v1-none`; `wasm32-unknown-unknown` \
         emits instructions that need Binaryen's lowering, which this build does without"
    )]
    NotMvp { path: String, source: wasmparser::BinaryReaderError },
}

/// The options of a run, built up as in the original crate.
#[derive(Clone, Debug, Default)]
pub struct OptimizationOptions {
    passes: Vec<Pass>,
}

impl OptimizationOptions {
    /// No optimisation: only the passes that are added.
    pub fn new_opt_level_0() -> Self {
        Self::default()
    }

    /// Accepted for the builder's sake: nothing beyond the MVP is ever let through.
    pub fn mvp_features_only(&mut self) -> &mut Self {
        self
    }

    /// Accepted for the builder's sake: the `name` section is always kept.
    pub fn debug_info(&mut self, _keep: bool) -> &mut Self {
        self
    }

    /// Adds a pass.
    pub fn add_pass(&mut self, pass: Pass) -> &mut Self {
        self.passes.push(pass);
        self
    }

    /// Reads `input`, applies the passes, writes `output`. The two may be the same file.
    ///
    /// # Errors
    /// `Io` when a file can't be read or written; `NotMvp` when the module needs more than the MVP with mutable globals.
    pub fn run(&self, input: impl AsRef<Path>, output: impl AsRef<Path>) -> Result<(), OptimizationError> {
        let (input, output) = (input.as_ref(), output.as_ref());
        let io = |path: &Path| {
            let path = path.display().to_string();
            move |source| OptimizationError::Io { path, source }
        };
        let module = std::fs::read(input).map_err(io(input))?;
        let result = self
            .transform(&module)
            .map_err(|source| OptimizationError::NotMvp { path: input.display().to_string(), source })?;
        std::fs::write(output, result).map_err(io(output))
    }

    fn transform(&self, module: &[u8]) -> Result<Vec<u8>, wasmparser::BinaryReaderError> {
        let mvp = WasmFeatures::WASM1;
        Validator::new_with_features(mvp).validate_all(module)?;
        if !self.passes.contains(&Pass::StripDwarf) {
            return Ok(module.to_vec());
        }
        let mut out = Vec::with_capacity(module.len());
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            match &payload {
                Payload::Version { range, .. } => out.extend_from_slice(&module[range.clone()]),
                Payload::CustomSection(section) if section.name().starts_with(".debug_") => {},
                _ => {
                    if let Some((id, range)) = payload.as_section() {
                        out.push(id);
                        push_leb128(&mut out, range.len());
                        out.extend_from_slice(&module[range]);
                    }
                },
            }
        }
        Ok(out)
    }
}

fn push_leb128(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"\0asm\x01\0\0\0";

    fn custom(name: &str, content: &[u8]) -> Vec<u8> {
        let mut section = vec![0];
        push_leb128(&mut section, 1 + name.len() + content.len());
        section.push(name.len() as u8);
        section.extend_from_slice(name.as_bytes());
        section.extend_from_slice(content);
        section
    }

    /// One function `(func (param i32) (result i32) local.get 0 <op>)`.
    fn module_with(op: &[u8]) -> Vec<u8> {
        let mut m = HEADER.to_vec();
        m.extend_from_slice(&[1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f]);
        m.extend_from_slice(&[3, 2, 1, 0]);
        let body_len = 4 + op.len() as u8;
        m.extend_from_slice(&[10, body_len + 2, 1, body_len, 0, 0x20, 0]);
        m.extend_from_slice(op);
        m.push(0x0b);
        m
    }

    fn strip() -> OptimizationOptions {
        let mut options = OptimizationOptions::new_opt_level_0();
        options.add_pass(Pass::StripDwarf).add_pass(Pass::SignextLowering);
        options
    }

    #[test]
    fn debug_sections_go_and_everything_else_stays() {
        let plain = [module_with(&[0x45]), custom("runtime_version", &[7; 300])].concat();
        let with_debug = [plain.clone(), custom(".debug_info", &[1; 500]), custom(".debug_line", b"x")].concat();
        assert_eq!(strip().transform(&with_debug).unwrap(), plain);
        assert_eq!(OptimizationOptions::new_opt_level_0().transform(&with_debug).unwrap(), with_debug);
    }

    #[test]
    fn sign_extension_is_refused() {
        let i32_extend8_s = [0xc0];
        assert!(strip().transform(&module_with(&i32_extend8_s)).is_err());
    }

    #[test]
    fn garbage_is_refused() {
        for len in 0..HEADER.len() {
            assert!(strip().transform(&HEADER[..len]).is_err());
        }
        assert!(strip().transform(&[HEADER, &[1, 0xff, 0xff, 0xff]].concat()).is_err());
    }

    #[test]
    fn missing_input_is_named() {
        let error = strip().run("/nonexistent/in.wasm", "/nonexistent/out.wasm").unwrap_err().to_string();
        assert!(error.contains("/nonexistent/in.wasm"), "{error}");
    }
}
