// SPDX-License-Identifier: Apache-2.0

//! A chain and vaults in memory. The chain checks what the real one checks of a checkpoint; the vaults speak the real
//! protocol, over streams in memory, and do harm when told to.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc, Mutex,
    },
    time::Duration,
};

use bytes::Bytes;
use cairn_primitives::storage::{
    shard_id, Coding, DriveId, Node, Range, Receipt, ShardSize, SlotAt, Ticket, Visibility,
};
use cairn_wire::{server, Answer, Connection, Refusal, RefusalCode, Request, ServiceKey, Timeouts, WireError, VERSION};
use futures::{future::BoxFuture, FutureExt};
use zeroize::Zeroizing;

use crate::{
    chain::{Chain, ChainError, Commit, DriveState, GrantState, Shortfall, Signer, SlotPlace, VaultPlace},
    commit::{commit, Committed, Plan, Put, PutSource, Step, Writer},
    drive::{find, Access, Drive, Session},
    keys::DriveKey,
    vaults::Network,
    DriveError, DrivePath,
};

pub const GENESIS: [u8; 32] = [1; 32];
pub const OWNER: [u8; 32] = [2; 32];
pub const SECRET: [u8; 64] = [3; 64];
pub const DRIVE: DriveId = 5;

/// What a vault does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// Nobody answers.
    Down,
    /// Shards come with a bit turned.
    Corrupt,
    /// Reads hang.
    Silent,
    /// It signs for another root.
    Lies,
    /// It never signs.
    Unsigned,
    /// It refuses what is sent.
    Full,
    /// Connections end after so many requests.
    Drops(u32),
    /// Every append takes so long.
    Slow(Duration),
}

pub struct Vault {
    pub account: [u8; 32],
    key: ServiceKey,
    pub logs: Mutex<HashMap<SlotAt, Vec<Bytes>>>,
    /// Shards that it has signed for, the version that they were to become, and until which block.
    sealed: Mutex<(u64, u64, u32)>,
    pub fault: Mutex<Fault>,
    /// Bytes that were appended.
    pub appended: AtomicU64,
    /// Bytes that were read.
    pub read: AtomicU64,
}

impl Vault {
    /// Answers a request of a connection whose tickets `session` holds: the version that each slot is written for.
    fn answer(
        &self,
        chain: &FakeChain,
        session: &mut HashMap<SlotAt, u64>,
        request: Request,
        body: Bytes,
    ) -> (Answer, Vec<Bytes>) {
        let refused = |code| (Answer::Refused(Refusal::new(code, "")), Vec::new());
        if let Request::Append { at, .. } | Request::Seal { at, .. } = &request {
            let version = chain.state().version;
            match session.get(at) {
                Some(for_version) if *for_version == version + 1 => {},
                Some(_) => return refused(RefusalCode::Stale { version }),
                None => return refused(RefusalCode::NotOpen),
            }
        }
        let mut logs = self.logs.lock().expect("no panic");
        let end = |log: &[Bytes]| (log.len() as u64, log.iter().map(|s| s.len() as u64 / 4096).sum::<u64>());
        let fault = *self.fault.lock().expect("no panic");
        match request {
            Request::Hello { .. } => (Answer::Hello { vault: self.account, version: VERSION }, Vec::new()),
            Request::Open { ticket: Ticket { at, version, .. }, .. } => {
                let now = chain.state().version;
                if version != now + 1 {
                    return refused(RefusalCode::Stale { version: now });
                }
                session.insert(at, version);
                let log = logs.entry(at).or_default();
                let (leaves, units) = end(log);
                match chain.has_committed(at.slot, log) {
                    true => (Answer::Opened { leaves, units }, Vec::new()),
                    false => refused(RefusalCode::Gap { leaves }),
                }
            },
            Request::Status { at } => {
                let (leaves, units) = end(logs.entry(at).or_default());
                (Answer::Status { leaves, units, committed_units: chain.state().units }, Vec::new())
            },
            Request::Append { at, first_leaf, sizes } => {
                let log = logs.entry(at).or_default();
                if fault == Fault::Full {
                    return refused(RefusalCode::DiskFull);
                }
                let first = first_leaf as usize;
                if first > log.len() {
                    return refused(RefusalCode::Gap { leaves: log.len() as u64 });
                }
                // What is committed is never cut: whoever was at it when another writer committed has an old ticket.
                if first_leaf < chain.leaves() {
                    return refused(RefusalCode::Stale { version: chain.state().version });
                }
                let (kept, version, until_block) = *self.sealed.lock().expect("no panic");
                let state = chain.state();
                if first_leaf < kept && version > state.version && until_block >= state.block {
                    return refused(RefusalCode::Kept { leaves: kept });
                }
                log.truncate(first);
                self.appended.fetch_add(body.len() as u64, Ordering::Relaxed);
                log.extend(cairn_wire::message::split(&sizes, body).expect("fits"));
                let (leaves, units) = end(log);
                (Answer::Appended { leaves, units }, Vec::new())
            },
            Request::Seal { at, leaves, root, until_block } => {
                let log = logs.entry(at).or_default();
                if leaves != log.len() as u64 || root != range_of(log).root() {
                    return refused(RefusalCode::Gap { leaves: log.len() as u64 });
                }
                let range = range_of(log);
                let version = session[&at];
                *self.sealed.lock().expect("no panic") = (leaves, version, until_block);
                let root = if fault == Fault::Lies { [0; 32] } else { range.root() };
                let receipt = Receipt { at, version, root, units: range.units(), until_block };
                (Answer::Sealed { receipt, signature: self.key.sign(&receipt.to_sign(&GENESIS)) }, Vec::new())
            },
            Request::Read { at, first_leaf, count } => {
                let log = logs.entry(at).or_default();
                let from = (first_leaf as usize).min(log.len());
                let to = (from + count as usize).min(log.len());
                let mut shards: Vec<Bytes> = Vec::new();
                for shard in &log[from..to] {
                    if !shards.is_empty() && shards.iter().map(Bytes::len).sum::<usize>() + shard.len() > 4 << 20 {
                        break;
                    }
                    shards.push(shard.clone());
                }
                if shards.is_empty() {
                    return refused(RefusalCode::Missing);
                }
                if fault == Fault::Corrupt {
                    let mut wrong = shards[0].to_vec();
                    wrong[17] ^= 1;
                    shards[0] = wrong.into();
                }
                self.read.fetch_add(shards.iter().map(|s| s.len() as u64).sum(), Ordering::Relaxed);
                let sizes: Vec<_> = shards.iter().map(|s| ShardSize::from_bytes(s.len()).expect("a size")).collect();
                (Answer::Read { sizes: sizes.try_into().expect("few") }, shards)
            },
            Request::Leaves { at, first_leaf, count } => {
                let log = logs.entry(at).or_default();
                let from = (first_leaf as usize).min(log.len());
                let to = (from + count.min(1024) as usize).min(log.len());
                if from == to {
                    return refused(RefusalCode::Missing);
                }
                let leaf = |s: &Bytes| (shard_id(s), ShardSize::from_bytes(s.len()).expect("a size"));
                let leaves: Vec<_> = log[from..to].iter().map(leaf).collect();
                (Answer::Leaves { leaves: leaves.try_into().expect("few") }, Vec::new())
            },
            _ => refused(RefusalCode::Unsupported),
        }
    }

    async fn serve(self: Arc<Self>, chain: Arc<FakeChain>, stream: tokio::io::DuplexStream) -> Result<(), WireError> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (mut served, mut session) = (0, HashMap::new());
        while let Some((id, request, body)) = server::read(&mut reader).await? {
            let fault = *self.fault.lock().expect("no panic");
            match (fault, &request) {
                (Fault::Drops(after), _) if served >= after => return Ok(()),
                (Fault::Silent, Request::Read { .. }) | (Fault::Unsigned, Request::Seal { .. }) => {
                    std::future::pending().await
                },
                (Fault::Slow(time), Request::Append { .. }) => tokio::time::sleep(time).await,
                _ => {},
            }
            served += 1;
            let (answer, body) = self.answer(&chain, &mut session, request, body);
            server::write(&mut writer, id, &answer, &body).await?;
            tokio::io::AsyncWriteExt::flush(&mut writer).await.expect("in memory");
        }
        Ok(())
    }

    pub fn set(&self, fault: Fault) {
        *self.fault.lock().expect("no panic") = fault;
    }
}

pub fn range_of(log: &[Bytes]) -> Range {
    let mut range = Range::default();
    for shard in log {
        let size = ShardSize::from_bytes(shard.len()).expect("a size");
        assert!(range.append(Node::leaf(&shard_id(shard), size), |_, _| {}));
    }
    range
}

fn begins_with(log: &[Bytes], leaves: usize, root: [u8; 32]) -> bool {
    leaves == 0 || log.get(..leaves).is_some_and(|log| range_of(log).root() == root)
}

/// What happens before a checkpoint.
pub type Before = Box<dyn FnMut(&FakeChain) + Send>;

pub struct FakeChain {
    state: Mutex<DriveState>,
    leaves: AtomicU64,
    keys: Vec<[u8; 32]>,
    /// The drive's only grant, and whose it is.
    pub granted: Mutex<Option<([u8; 32], GrantState)>>,
    /// Called before a checkpoint is looked at: another writer may be faster.
    pub before: Mutex<Option<Before>>,
    /// Units that are paid for.
    pub paid_units: AtomicU64,
    /// Checkpoints are refused.
    pub refuse: Mutex<bool>,
    /// The checkpoint is made, and its answer is lost.
    pub lose_answer: Mutex<bool>,
    pub checkpoints: AtomicU64,
}

impl FakeChain {
    pub fn state(&self) -> DriveState {
        self.state.lock().expect("no panic").clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut DriveState)) {
        change(&mut self.state.lock().expect("no panic"));
    }

    fn leaves(&self) -> u64 {
        self.leaves.load(Ordering::Relaxed)
    }

    /// How many shards are committed, and each slot's root of them.
    fn committed(&self) -> (usize, Vec<[u8; 32]>) {
        let state = self.state.lock().expect("no panic");
        (self.leaves() as usize, state.slots.iter().map(|slot| slot.root).collect())
    }

    /// Whether a slot's log begins with what is committed.
    pub fn has_committed(&self, slot: u8, log: &[Bytes]) -> bool {
        let (leaves, roots) = self.committed();
        begins_with(log, leaves, roots[usize::from(slot)])
    }

    fn checkpoint_now(&self, commit: Commit) -> Result<(), ChainError> {
        if *self.refuse.lock().expect("no panic") {
            return Err(ChainError::Other("refused".into()));
        }
        let before = self.before.lock().expect("no panic").take();
        if let Some(mut before) = before {
            before(self);
        }
        let mut state = self.state.lock().expect("no panic");
        if commit.expected_version != state.version {
            return Err(ChainError::VersionMoved);
        }
        if commit.until_block < state.block {
            return Err(ChainError::ReceiptsExpired);
        }
        let moved = |(slot, signature): (&SlotPlace, &Option<[u8; 64]>)| slot.vault.is_none() && signature.is_some();
        if state.slots.iter().zip(&commit.signatures).any(moved) {
            return Err(ChainError::GroupMoved);
        }
        let slots = usize::from(state.coding.slots());
        assert_eq!((commit.drive, commit.roots.len(), commit.signatures.len()), (DRIVE, slots, slots));
        assert!(commit.units >= state.units && commit.units - state.trimmed_units <= state.capacity_units);
        assert!(commit.head.len() <= 128);
        let signed = commit.signatures.iter().flatten().count();
        assert!(signed >= usize::from(state.coding.signatures_min()));
        for (slot, signature) in commit.signatures.iter().enumerate() {
            let receipt = Receipt {
                at: SlotAt { drive: DRIVE, slot: slot as u8 },
                version: state.version + 1,
                root: commit.roots[slot],
                units: commit.units,
                until_block: commit.until_block,
            };
            if let Some(signature) = signature {
                assert!(cairn_wire::tls::verify(&self.keys[slot], &receipt.to_sign(&GENESIS), signature));
            }
            state.slots[slot].root = commit.roots[slot];
            state.slots[slot].healthy = signature.is_some();
        }
        (state.version, state.units, state.head) = (state.version + 1, commit.units, commit.head);
        let root = crate::manifest::Head::from_bytes(&state.head).expect("ours").root;
        self.leaves.store(root.stripe + 1, Ordering::Relaxed);
        self.checkpoints.fetch_add(1, Ordering::Relaxed);
        if std::mem::take(&mut *self.lose_answer.lock().expect("no panic")) {
            return Err(ChainError::Other("the answer was lost".into()));
        }
        Ok(())
    }
}

impl Chain for FakeChain {
    fn genesis(&self) -> [u8; 32] {
        GENESIS
    }

    fn drive(&self, id: DriveId) -> BoxFuture<'_, Result<Option<DriveState>, ChainError>> {
        async move { Ok(Some(self.state()).filter(|state| state.id == id)) }.boxed()
    }

    fn grant(&self, _: DriveId, account: [u8; 32]) -> BoxFuture<'_, Result<Option<GrantState>, ChainError>> {
        let granted = self.granted.lock().expect("not poisoned").clone();
        async move { Ok(granted.filter(|(to, _)| *to == account).map(|(_, grant)| grant)) }.boxed()
    }

    fn shortfall(&self, _: DriveId, units: u64) -> BoxFuture<'_, Result<Option<Shortfall>, ChainError>> {
        let escrow = u128::from(self.paid_units.load(Ordering::Relaxed));
        let lacks = u128::from(units) > escrow && units > self.state().units;
        async move { Ok(lacks.then_some(Shortfall { escrow, needed: units.into() })) }.boxed()
    }

    fn checkpoint(&self, commit: Commit) -> BoxFuture<'_, Result<(), ChainError>> {
        async move { self.checkpoint_now(commit) }.boxed()
    }
}

struct Memory {
    chain: Arc<FakeChain>,
    vaults: Vec<Arc<Vault>>,
    outage_max: Duration,
}

impl Network for Memory {
    fn outage_max(&self) -> Duration {
        self.outage_max
    }

    fn connect(&self, place: &VaultPlace) -> BoxFuture<'_, Result<Connection, WireError>> {
        let vault = self.vaults.iter().find(|vault| vault.account == place.account).expect("a vault").clone();
        async move {
            if *vault.fault.lock().expect("no panic") == Fault::Down {
                let reason = Arc::new(std::io::ErrorKind::ConnectionRefused.into());
                return Err(WireError::Unreachable { address: "nowhere".into(), reason });
            }
            let (client, server) = tokio::io::duplex(1 << 20);
            let key = vault.key.public();
            tokio::spawn(vault.serve(Arc::clone(&self.chain), server));
            Connection::over(client, key, GENESIS, Timeouts::default()).await
        }
        .boxed()
    }
}

struct Owner;

impl Signer for Owner {
    fn account(&self) -> [u8; 32] {
        OWNER
    }

    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [9; 64]
    }
}

/// A drive on vaults of its own.
pub struct World {
    pub chain: Arc<FakeChain>,
    pub vaults: Vec<Arc<Vault>>,
    pub session: Session,
    pub writer: Writer,
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn new(coding: Coding) -> Self {
        let vault = |slot: u8| {
            let key = ServiceKey::from_secret(Zeroizing::new([slot + 1; 32])).expect("a key");
            Arc::new(Vault {
                account: [slot + 100; 32],
                key,
                logs: Mutex::default(),
                sealed: Mutex::default(),
                fault: Mutex::default(),
                appended: AtomicU64::new(0),
                read: AtomicU64::new(0),
            })
        };
        let vaults: Vec<Arc<Vault>> = (0..coding.slots()).map(vault).collect();
        let place = |vault: &Arc<Vault>| SlotPlace {
            vault: Some(VaultPlace { account: vault.account, service_key: vault.key.public(), addresses: Vec::new() }),
            healthy: true,
            root: Range::default().root(),
        };
        let state = DriveState {
            id: DRIVE,
            owner: OWNER,
            coding,
            capacity_units: 1 << 20,
            version: 0,
            units: 0,
            trimmed_units: 0,
            head: Vec::new(),
            key_generation: 0,
            visibility: Visibility::Private,
            slots: vaults.iter().map(place).collect(),
            dry_block: None,
            block: 100,
        };
        let chain = Arc::new(FakeChain {
            state: Mutex::new(state),
            leaves: AtomicU64::new(0),
            keys: vaults.iter().map(|vault| vault.key.public()).collect(),
            granted: Mutex::default(),
            before: Mutex::default(),
            lose_answer: Mutex::default(),
            paid_units: AtomicU64::new(u64::MAX),
            refuse: Mutex::default(),
            checkpoints: AtomicU64::new(0),
        });
        let network =
            Arc::new(Memory { chain: Arc::clone(&chain), vaults: vaults.clone(), outage_max: Duration::ZERO });
        let session = Session { chain: chain.clone(), network };
        let writer =
            Writer { signer: Arc::new(Owner), on_event: Arc::new(|_| {}), others_wait: Duration::from_millis(200) };
        World { chain, vaults, session, writer, folder: tempfile::tempdir().expect("a folder") }
    }

    /// The same with a transfer that waits for so long when nobody answers.
    pub fn patient(&self, outage_max: Duration) -> Session {
        let network = Memory { chain: Arc::clone(&self.chain), vaults: self.vaults.clone(), outage_max };
        Session { chain: self.chain.clone(), network: Arc::new(network) }
    }

    pub fn journals(&self) -> PathBuf {
        self.folder.path().join("uploads")
    }

    pub fn journals_left(&self) -> usize {
        std::fs::read_dir(self.journals()).map_or(0, Iterator::count)
    }

    pub async fn open(&self) -> Drive {
        self.try_open().await.expect("opens")
    }

    pub async fn try_open(&self) -> Result<Drive, DriveError> {
        let state = find(&*self.session.chain, DRIVE).await?;
        let key = DriveKey::of_owner(&SECRET, &GENESIS, DRIVE, state.key_generation).expect("a key");
        Drive::open(&self.session, state, Access { key, may_write: true }).await
    }

    pub async fn commit(&self, plan: Plan) -> Result<Committed, DriveError> {
        let drive = self.try_open().await?;
        commit(&self.session, drive, plan, &self.writer, &self.journals()).await
    }

    pub async fn put(&self, files: &[(&str, Vec<u8>)]) -> Committed {
        self.commit(plan(files)).await.expect("committed")
    }

    pub async fn get(&self, path: &str) -> Result<Vec<u8>, DriveError> {
        let drive = self.try_open().await?;
        read_file(drive.contents(), path, None).await
    }

    /// Vaults that are behind, or have something else than what was committed, get it from the others.
    pub fn catch_up(&self) {
        let coding = self.chain.state().coding;
        let at = |slot: usize| SlotAt { drive: DRIVE, slot: slot as u8 };
        let (leaves, roots) = self.chain.committed();
        let log =
            |slot: usize| self.vaults[slot].logs.lock().expect("no panic").get(&at(slot)).cloned().unwrap_or_default();
        let logs: Vec<Vec<Bytes>> = (0..self.vaults.len()).map(log).collect();
        let (whole, behind): (Vec<usize>, Vec<usize>) =
            (0..logs.len()).partition(|slot| begins_with(&logs[*slot], leaves, roots[*slot]));
        for slot in behind {
            let shard = |leaf: usize| {
                let present: Vec<(u8, &[u8])> =
                    whole.iter().map(|slot| (*slot as u8, &logs[*slot][leaf][..])).collect();
                let data = crate::erasure::decode_stripe(coding, &present).expect("enough");
                crate::erasure::encode_stripe(coding, data.into()).expect("codes")[slot].clone()
            };
            let rebuilt: Vec<Bytes> = (0..leaves).map(shard).collect();
            assert!(begins_with(&rebuilt, leaves, roots[slot]));
            let mut now = self.vaults[slot].logs.lock().expect("no panic");
            let log = now.entry(at(slot)).or_default();
            // It may have been written to meanwhile, and more may have been committed.
            if self.chain.committed().0 == leaves && !begins_with(log, leaves, roots[slot]) {
                *log = rebuilt;
            }
        }
    }

    pub fn appended(&self) -> u64 {
        self.vaults.iter().map(|vault| vault.appended.load(Ordering::Relaxed)).sum()
    }
}

pub fn path(text: &str) -> DrivePath {
    DrivePath::parse(text).expect("a path")
}

pub fn put_step(name: &str, content: Vec<u8>) -> Step {
    let size = Some(content.len() as u64);
    let source = PutSource::Bytes(content.into());
    Step::Put(Put { path: path(name), source, size, modified_ms: 7, mode: 0o644 })
}

pub fn plan(files: &[(&str, Vec<u8>)]) -> Plan {
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let steps = files.iter().map(|(name, content)| put_step(name, content.clone())).collect();
    Plan { command: names.join(" ").into_bytes(), steps, ..Plan::default() }
}

pub async fn read_file(
    contents: &crate::Contents,
    name: &str,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, DriveError> {
    let file = contents.tree().file(&path(name))?.clone();
    let whole = range.is_none();
    let range = range.unwrap_or(0..file.size);
    let out = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let out = Arc::clone(&out);
        move |bytes: &[u8]| {
            out.lock().expect("no panic").extend_from_slice(bytes);
            Ok(())
        }
    };
    let read = contents.copy(name, &file, range, Default::default(), sink).await?;
    if whole {
        assert_eq!(read.finish(&file.key), file.commitment, "{name}");
    }
    let bytes = out.lock().expect("no panic").clone();
    Ok(bytes)
}

/// Bytes that compress to nothing and repeat for the same seed.
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut data = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut data);
    data
}
