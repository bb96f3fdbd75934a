// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The runtime's executor, and the genesis block that it makes.
//!
//! Compiling the runtime takes a processor some ten seconds. It happens once for each version: what was compiled is kept in a
//! folder of the user's, one executor serves the genesis block and everything after it, and a database that has its genesis
//! block already doesn't need the genesis state again.

use super::{Backend, Executor};
use cairn_runtime::opaque::Block;
use codec::{Decode, Encode};
use sc_chain_spec::{json_patch, BuildGenesisBlock, GenesisBlockBuilder};
use sc_executor::{HeapAllocStrategy, DEFAULT_HEAP_ALLOC_STRATEGY};
use sc_service::{config::ExecutorConfiguration, ChainSpec, Configuration};
use serde_json::Value;
use sp_core::{
    storage::{well_known_keys::CODE, Storage},
    traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode},
};
use sp_genesis_builder::PresetId;
use sp_runtime::traits::{BlakeTwo256, Hash};
use sp_state_machine::BasicExternalities;
use std::{
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Below the user's folder of what can be made again.
const CACHE_FOLDER: &str = "cairn-node";
/// Bits of a folder's mode.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The executor of a node, as the SDK makes it, but it keeps what it has compiled.
pub fn executor(config: &ExecutorConfiguration, base_path: &Path) -> Executor {
    let strategy = config
        .default_heap_pages
        .map_or(DEFAULT_HEAP_ALLOC_STRATEGY, |pages| HeapAllocStrategy::Static { extra_pages: pages as u32 });
    let builder = Executor::builder()
        .with_execution_method(config.wasm_method)
        .with_onchain_heap_alloc_strategy(strategy)
        .with_offchain_heap_alloc_strategy(strategy)
        .with_max_runtime_instances(config.max_runtime_instances)
        .with_runtime_cache_size(config.runtime_cache_size);
    match cache_folder(base_path) {
        Ok(folder) => builder.with_cache_path(folder).build(),
        Err(reason) => {
            log::warn!("The compiled runtime is not kept, and each start takes longer: {reason}");
            builder.build()
        },
    }
}

/// Where the compiled runtime is kept. What lies there is executed: nobody else may write there.
fn cache_folder(base_path: &Path) -> Result<PathBuf, String> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let of_user = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    let folder = of_user.unwrap_or_else(|| base_path.to_path_buf()).join(CACHE_FOLDER);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .and_then(|()| folder.canonicalize())
        .map_err(|error| format!("{}: {error}", folder.display()))
        .and_then(|folder| is_ours_alone(&folder).map(|()| folder))
}

/// Whether nobody else may write to a folder.
fn is_ours_alone(folder: &Path) -> Result<(), String> {
    let read = |path: &Path| path.metadata().map_err(|error| format!("{}: {error}", path.display()));
    let (found, process) = (read(folder)?, read(Path::new("/proc/self"))?);
    if found.uid() != process.uid() || found.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(format!("{} belongs to another user, or others may write to it: remove it", folder.display()));
    }
    Ok(())
}

/// Makes the genesis block, if the database has none.
pub struct Genesis<'a> {
    pub config: &'a Configuration,
    pub backend: Arc<Backend>,
    pub executor: Executor,
}

impl BuildGenesisBlock<Block> for Genesis<'_> {
    type BlockImportOperation = <Backend as sc_client_api::Backend<Block>>::BlockImportOperation;

    fn build_genesis_block(self) -> sp_blockchain::Result<(Block, Self::BlockImportOperation)> {
        let Self { config, backend, executor } = self;
        log::info!("Making the genesis block. The runtime is compiled for it once, which takes some seconds");
        let storage = storage(&*config.chain_spec, &executor).map_err(sp_blockchain::Error::Storage)?;
        GenesisBlockBuilder::new_with_storage(storage, !config.no_genesis(), backend, executor)?.build_genesis_block()
    }
}

/// The genesis state of a specification, made by this executor.
fn storage(spec: &dyn ChainSpec, executor: &Executor) -> Result<Storage, String> {
    let mut json: Value = serde_json::from_str(&spec.as_json(false)?).map_err(|error| error.to_string())?;
    let Some(genesis) = json.pointer_mut("/genesis/runtimeGenesis").map(Value::take) else {
        return spec.as_storage_builder().build_storage();
    };
    let code = genesis["code"].as_str().and_then(|code| hex::decode(code.strip_prefix("0x")?).ok());
    let code = code.ok_or("genesis.runtimeGenesis.code of the specification is no hexadecimal code")?;
    let runtime = Runtime { code, executor };
    let config = match genesis.get("patch") {
        Some(patch) => {
            let mut config = runtime.default_genesis()?;
            json_patch::merge(&mut config, patch.clone());
            config
        },
        None => genesis.get("config").cloned().ok_or("the specification has neither a patch nor a config")?,
    };
    runtime.genesis_state(&config)
}

/// A runtime that makes its own genesis state.
struct Runtime<'a> {
    code: Vec<u8>,
    executor: &'a Executor,
}

impl Runtime<'_> {
    fn call(&self, ext: &mut BasicExternalities, method: &str, data: &[u8]) -> Result<Vec<u8>, String> {
        let fetcher = WrappedRuntimeCode(self.code.as_slice().into());
        // The hash under which the executor keeps a compiled runtime is the one by which the state's code is known.
        let hash = BlakeTwo256::hash(&self.code).encode();
        let code = RuntimeCode { code_fetcher: &fetcher, heap_pages: None, hash };
        let (result, _) = self.executor.call(ext, &code, method, data, CallContext::Offchain);
        result.map_err(|error| format!("{method} of the genesis runtime: {error}"))
    }

    fn default_genesis(&self) -> Result<Value, String> {
        let id: Option<PresetId> = None;
        let answer = self.call(&mut BasicExternalities::new_empty(), "GenesisBuilder_get_preset", &id.encode())?;
        let json = Option::<Vec<u8>>::decode(&mut &answer[..]).ok().flatten();
        let json = json.ok_or("the runtime has no default genesis")?;
        serde_json::from_slice(&json).map_err(|error| error.to_string())
    }

    fn genesis_state(self, config: &Value) -> Result<Storage, String> {
        let mut ext = BasicExternalities::new_empty();
        let answer = self.call(&mut ext, "GenesisBuilder_build_state", &config.to_string().encode())?;
        let built = sp_genesis_builder::Result::decode(&mut &answer[..]).map_err(|error| error.to_string())?;
        built.map_err(|reason| format!("the runtime refuses the genesis: {reason}"))?;
        let mut storage = ext.into_storages();
        storage.top.insert(CODE.to_vec(), self.code);
        Ok(storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    #[test]
    fn compiled_code_is_taken_from_no_folder_that_others_write_to() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, ours) in [(0o700, true), (0o755, true), (0o770, false), (0o777, false)] {
            std::fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_ours_alone(folder.path()).is_ok(), ours, "{mode:o}");
        }
    }

    /// Both compile the runtime: seconds.
    #[test]
    fn the_genesis_state_is_the_sdks() {
        if cairn_runtime::WASM_BINARY.is_none() {
            eprintln!("skipped: the runtime was not built");
            return;
        }
        let spec = crate::chain_spec::load("local").unwrap();
        let executor = Executor::builder().build();
        let ours = storage(&spec, &executor).unwrap();
        let theirs = sp_runtime::BuildStorage::build_storage(&spec).unwrap();
        assert!(ours.top == theirs.top, "the state differs");
        assert!(ours.children_default.is_empty() && theirs.children_default.is_empty());
    }
}
