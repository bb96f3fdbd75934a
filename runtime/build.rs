// SPDX-License-Identifier: Apache-2.0

//! Builds the WASM blob, with the metadata hash in it that `CheckMetadataHash` compares with what a hardware wallet
//! signed for.
//!
//! The hash stands in the file `metadata-hash`, and a test holds it against the metadata. (The builder could compute it,
//! by building the runtime twice and linking the executor into this build script: that doubles the longest step.)

fn main() {
    #[cfg(feature = "std")]
    {
        const HASH: &str = "metadata-hash";
        println!("cargo:rerun-if-changed={HASH}");
        let hash = std::fs::read_to_string(HASH).expect("runtime/metadata-hash is part of the sources");
        // Below it stands that of the next version, for rehearsing an upgrade.
        let hash = hash.lines().next().unwrap_or_default();
        std::env::set_var("RUNTIME_METADATA_HASH", hash.trim());
        // For where the target folder is outside the checkout: the builder looks for Cargo.lock from there upwards.
        if std::env::var_os("WASM_BUILD_WORKSPACE_HINT").is_none() {
            std::env::set_var("WASM_BUILD_WORKSPACE_HINT", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        }
        // The blob may be compiled by another toolchain than the host's, which the host's linter can't stand in for.
        std::env::remove_var("RUSTC_WORKSPACE_WRAPPER");
        substrate_wasm_builder::WasmBuilder::build_using_defaults();
    }
}
