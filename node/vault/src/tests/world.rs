// SPDX-License-Identifier: Apache-2.0

//! The chain as a table, and a group of vaults on it.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use cairn_client::{
    chain::{
        storage::{Coding, Dispute, Drive, DriveId, GrantInfo, Slot, SlotAt, SlotState, Target, Terms, Visibility},
        vaults::{Challenge, HeldSlot, Vault as VaultInfo, VaultStatus},
    },
    keys::Keypair,
    AccountId,
};
use cairn_primitives::storage::{restore_chunk, shard_id, Node, Range, ShardSize, Ticket};
use cairn_wire::{Connection, LogEnd, Timeouts, WireError};
use futures::FutureExt;

use crate::{serve::held_slot, Action, Answer, Chain, ChainError, Config, Held, Pace, Vault};

pub const GENESIS: [u8; 32] = [9; 32];
pub const DRIVE: DriveId = 5;
/// A log's shards.
pub type Shards = Vec<Bytes>;

#[derive(Default)]
pub struct State {
    pub block: u32,
    pub drives: BTreeMap<DriveId, Drive>,
    pub vaults: HashMap<[u8; 32], VaultInfo>,
    pub challenges: HashMap<[u8; 32], Challenge>,
    pub disputes: HashMap<SlotAt, Dispute>,
    pub grants: HashMap<(DriveId, [u8; 32]), GrantInfo>,
    pub actions: Vec<(AccountId, Action)>,
    /// Answers to challenges get into no block as long as that is so.
    pub no_answers: bool,
    /// Those that wait.
    pub waiting: usize,
}

#[derive(Default)]
pub struct World(Mutex<State>);

impl World {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        state.block += 1;
        change(&mut state)
    }

    pub fn slot(&self, slot: u8) -> Slot {
        self.lock().drives[&DRIVE].slots[usize::from(slot)].clone()
    }

    pub fn actions_of(&self, account: AccountId) -> Vec<Action> {
        self.lock().actions.iter().filter(|(who, _)| *who == account).map(|(_, action)| action.clone()).collect()
    }

    /// A new version of the drive; slots that didn't sign are behind.
    pub fn checkpoint(&self, logs: &[Shards], signed: impl Fn(u8) -> bool) {
        self.change(|state| {
            let drive = state.drives.get_mut(&DRIVE).unwrap();
            drive.version += 1;
            drive.units = range_of(&logs[0]).units();
            for (number, (slot, log)) in drive.slots.iter_mut().zip(logs).enumerate() {
                slot.root = range_of(log).root();
                if slot.vault.is_some() {
                    slot.state = if signed(number as u8) { SlotState::Healthy } else { SlotState::Behind };
                }
            }
        });
    }
}

/// The world as one vault's account sees it.
struct View {
    world: Arc<World>,
    account: AccountId,
}

fn refused(message: &str) -> ChainError {
    ChainError { message: message.into(), code: message.into(), is_temporary: false }
}

impl View {
    fn ask<T: Send + 'static>(&self, answer: impl FnOnce(&mut State) -> Result<T, ChainError>) -> Answer<'_, T> {
        let answer = answer(&mut self.world.lock());
        async move { answer }.boxed()
    }

    fn apply(state: &mut State, account: AccountId, action: &Action) -> Result<(), ChainError> {
        match action {
            Action::Prove { challenge: id, proofs } => {
                let open = state.challenges.get(&account.0).filter(|open| open.id() == *id);
                let challenge = open.ok_or_else(|| refused("Storage::ChallengeUnknown"))?;
                let fits = proofs.len() == challenge.targets.len();
                let shown = |(target, proof): (&Target, &cairn_primitives::storage::ChunkProof)| {
                    proof.verify(&target.root, target.units, target.chunk).is_ok()
                };
                assert!(fits && challenge.targets.iter().zip(proofs).all(shown), "a wrong proof was sent");
                state.challenges.remove(&account.0);
            },
            Action::Restore { at, proof } => {
                let drive = state.drives.get_mut(&at.drive).ok_or_else(|| refused("no drive"))?;
                let (units, trimmed) = (drive.units, drive.trimmed_units);
                let slot = &mut drive.slots[usize::from(at.slot)];
                let succeeds = slot.successor.as_ref().is_some_and(|successor| successor.vault == account);
                let catches_up = slot.vault == Some(account) && slot.state == SlotState::Behind;
                if !succeeds && !catches_up {
                    return Err(refused("nothing to restore"));
                }
                if let Some(chunk) = restore_chunk(&GENESIS, *at, &account.0, &slot.root, trimmed, units) {
                    let proof = proof.as_ref().ok_or_else(|| refused("no proof"))?;
                    proof.verify(&slot.root, units, chunk).map_err(|_| refused("a wrong proof"))?;
                }
                if succeeds {
                    (slot.vault, slot.successor) = (Some(account), None);
                }
                slot.state = SlotState::Healthy;
            },
            Action::Dispute { at, chunk } => {
                let drive = state.drives.get_mut(&at.drive).ok_or_else(|| refused("no drive"))?;
                let slot = &mut drive.slots[usize::from(at.slot)];
                slot.disputed = true;
                let target = Target { at: *at, root: slot.root, units: drive.units, chunk: *chunk };
                let dispute = Dispute { accuser: account, target, due_block: state.block + 100, deposit: 1 };
                state.disputes.insert(*at, dispute);
            },
            Action::AnswerDispute { at, proof } => {
                let dispute = state.disputes.get(at).ok_or_else(|| refused("no dispute"))?;
                let Target { root, units, chunk, .. } = dispute.target;
                assert!(proof.verify(&root, units, chunk).is_ok(), "a wrong answer was sent");
                state.disputes.remove(at);
                state.drives.get_mut(&at.drive).unwrap().slots[usize::from(at.slot)].disputed = false;
            },
            Action::Decline { at } => {
                let drive = state.drives.get_mut(&at.drive).ok_or_else(|| refused("no drive"))?;
                let slot = &mut drive.slots[usize::from(at.slot)];
                let succeeds = slot.successor.as_ref().is_some_and(|successor| successor.vault == account);
                match (succeeds, slot.vault == Some(account) && slot.state == SlotState::Behind) {
                    (true, _) => slot.successor = None,
                    (false, true) => (slot.vault, slot.state) = (None, SlotState::Empty),
                    (false, false) => return Err(refused("nothing to decline")),
                }
            },
            Action::Report { at, by } => {
                let drive = state.drives.get_mut(&at.drive).ok_or_else(|| refused("no drive"))?;
                assert_eq!(drive.slots[usize::from(*by)].vault, Some(account), "a report names another's slot");
                drive.slots[usize::from(at.slot)].unserved += 1;
            },
        }
        state.block += 1;
        state.actions.push((account, action.clone()));
        Ok(())
    }
}

impl Chain for View {
    fn genesis(&self) -> [u8; 32] {
        GENESIS
    }

    fn account(&self) -> AccountId {
        self.account
    }

    fn block_time(&self) -> Duration {
        Duration::from_millis(200)
    }

    fn finalized_block(&self) -> Answer<'_, u32> {
        self.ask(|state| Ok(state.block))
    }

    fn terms(&self) -> Answer<'_, Terms> {
        self.ask(|_| {
            Ok(Terms {
                period_blocks: 20,
                deadline_blocks: 3,
                proofs: 4,
                bond_per_unit: 1,
                bond_min: 1,
                drive_deposit: 0,
                slot_deposit: 0,
                grant_deposit: 0,
                dispute_deposit: 1,
                dispute_blocks: 10,
                restore_blocks: 10,
                reserve_ppm: 0,
            })
        })
    }

    fn vault(&self, account: AccountId) -> Answer<'_, Option<VaultInfo>> {
        self.ask(|state| Ok(state.vaults.get(&account.0).cloned()))
    }

    fn held(&self) -> Answer<'_, Held> {
        let account = self.account;
        self.ask(move |state| {
            let mut slots: Vec<HeldSlot> = Vec::new();
            for drive in state.drives.values() {
                let all = (0..drive.slots.len() as u8).map(|slot| SlotAt { drive: drive.id, slot });
                slots.extend(all.filter_map(|at| held_slot(drive, at, account)));
            }
            Ok(Held { block: state.block, slots })
        })
    }

    fn drive(&self, id: DriveId) -> Answer<'_, Option<Drive>> {
        self.ask(|state| Ok(state.drives.get(&id).cloned()))
    }

    fn grant(&self, drive: DriveId, account: AccountId) -> Answer<'_, Option<GrantInfo>> {
        self.ask(|state| Ok(state.grants.get(&(drive, account.0)).cloned()))
    }

    fn challenge(&self) -> Answer<'_, Option<Challenge>> {
        let account = self.account;
        self.ask(move |state| Ok(state.challenges.get(&account.0).cloned()))
    }

    fn dispute(&self, at: SlotAt) -> Answer<'_, Option<Dispute>> {
        self.ask(|state| Ok(state.disputes.get(&at).cloned()))
    }

    fn submit(&self, action: Action) -> Answer<'_, ()> {
        let account = self.account;
        async move {
            if matches!(action, Action::Prove { .. }) {
                self.world.lock().waiting += 1;
                while self.world.lock().no_answers {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Self::apply(&mut self.world.lock(), account, &action)
        }
        .boxed()
    }
}

/// Vaults, one for each slot of a drive, and some more without slots.
pub struct Group {
    pub world: Arc<World>,
    pub vaults: Vec<Option<Vault>>,
    pub config: Config,
    pub owner: Keypair,
    coding: Coding,
    folder: tempfile::TempDir,
}

pub fn account(number: usize) -> AccountId {
    AccountId::from([number as u8 + 1; 32])
}

pub fn at(slot: u8) -> SlotAt {
    SlotAt { drive: DRIVE, slot }
}

impl Group {
    pub async fn new(coding: Coding, spare: usize) -> Self {
        Self::with(coding, spare, |_| ()).await
    }

    pub async fn with(coding: Coding, spare: usize, change: impl FnOnce(&mut Config)) -> Self {
        let owner = Keypair::from_secret_uri("//Alice").unwrap();
        let mut config = Config::new(PathBuf::new());
        config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.reserve_bytes = 0;
        config.pace = Pace {
            poll: Duration::from_millis(20),
            watch: Some(Duration::from_secs(3600)),
            watch_retry: Duration::from_millis(20),
            repair_retry: Duration::from_millis(50),
            ..Pace::default()
        };
        change(&mut config);
        let world = Arc::new(World::default());
        let slots = usize::from(coding.slots());
        let slot = |number| Slot {
            vault: Some(account(number)),
            state: SlotState::Healthy,
            root: Range::default().root(),
            successor: None,
            leaving: false,
            proven_block: None,
            disputed: false,
            unserved: 0,
            behind_block: None,
            not_before: 0,
        };
        world.change(|state| {
            state.block = 100;
            let drive = Drive {
                id: DRIVE,
                owner: owner.account_id(),
                coding,
                capacity_units: 10_000,
                price: 1,
                visibility: Visibility::Private,
                version: 0,
                units: 0,
                trimmed_units: 0,
                head: Vec::new(),
                key_generation: 0,
                escrow: 1,
                spent: 0,
                rate_per_block: 1,
                dry_block: None,
                deposit: 0,
                created_block: 0,
                forming: false,
                slots: (0..slots).map(slot).collect(),
            };
            state.drives.insert(DRIVE, drive);
        });
        let vaults = (0..slots + spare).map(|_| None).collect();
        let mut group = Group { world, vaults, config, owner, coding, folder: tempfile::tempdir().unwrap() };
        for number in 0..slots + spare {
            group.start(number).await;
        }
        group
    }

    pub fn folder(&self, number: usize) -> PathBuf {
        self.folder.path().join(number.to_string())
    }

    pub fn chain(&self, number: usize) -> Arc<dyn Chain> {
        Arc::new(View { world: Arc::clone(&self.world), account: account(number) })
    }

    pub fn config_of(&self, number: usize) -> Config {
        Config { data: self.folder(number), ..self.config.clone() }
    }

    pub async fn start(&mut self, number: usize) {
        let key = crate::open_key(&self.folder(number)).unwrap();
        // One that was there before keeps its address until it has another: who has none would be taken for one that refuses.
        self.world.change(|state| {
            let vault = state.vaults.entry(account(number).0);
            vault.or_insert_with(|| registered(account(number), key.public())).service_key = key.public();
        });
        let vault = Vault::start(self.config_of(number), self.chain(number)).await.unwrap();
        let address = vault.addresses()[0].to_string();
        self.world.change(|state| {
            state.vaults.get_mut(&account(number).0).unwrap().addresses = vec![address.into_bytes()];
        });
        self.vaults[number] = Some(vault);
    }

    pub async fn stop(&mut self, number: usize) {
        self.vaults[number].take().unwrap().stop().await;
    }

    pub async fn stop_all(mut self) {
        for vault in &mut self.vaults {
            if let Some(vault) = vault.take() {
                vault.stop().await;
            }
        }
    }

    pub fn vault(&self, number: usize) -> &Vault {
        self.vaults[number].as_ref().unwrap()
    }

    pub async fn connect(&self, number: usize) -> Connection {
        let (key, address) = {
            let state = self.world.lock();
            let vault = &state.vaults[&account(number).0];
            (vault.service_key, String::from_utf8(vault.addresses[0].clone()).unwrap())
        };
        Connection::connect(&address, key, GENESIS, Timeouts::default()).await.unwrap()
    }

    pub fn ticket(&self, slot: u8) -> Ticket {
        let state = self.world.lock();
        let version = state.drives[&DRIVE].version + 1;
        Ticket { at: at(slot), version, first_stripe: 0, until_block: state.block + 1000 }
    }

    /// Shows a ticket of the owner's.
    pub async fn open(&self, connection: &Connection, ticket: Ticket) -> Result<LogEnd, WireError> {
        let signature = self.owner.sign(&ticket.to_sign(&GENESIS));
        connection.open(ticket, self.owner.account_id().0, signature).await
    }

    /// Logs of all slots with so many stripes more.
    pub fn grow(&self, logs: &mut Vec<Shards>, stripes: usize) {
        logs.resize(usize::from(self.coding.slots()), Vec::new());
        for _ in 0..stripes {
            let number = logs[0].len();
            let size = ShardSize::ALL[number % 3];
            let mut data = vec![0; size.bytes() * usize::from(self.coding.data())];
            let seed = shard_id(&(number as u64, logs[0].len() as u64 + 77).0.to_le_bytes());
            for (place, byte) in data.iter_mut().enumerate() {
                *byte = seed[place % 32] ^ (place / 32) as u8;
            }
            let shards = cairn_drive::erasure::encode_stripe(self.coding, data.into()).unwrap();
            logs.iter_mut().zip(shards).for_each(|(log, shard)| log.push(shard));
        }
    }

    /// Writes the tails of some slots, and has them sealed.
    pub async fn write(&self, logs: &[Shards], to: impl Fn(u8) -> bool) {
        for slot in (0..logs.len() as u8).filter(|slot| to(*slot)) {
            let holder = self.world.slot(slot).vault.unwrap();
            let connection = self.connect(usize::from(holder.0[0]) - 1).await;
            let units = self.world.lock().drives[&DRIVE].units;
            let log = &logs[usize::from(slot)];
            let first = (0..=log.len()).find(|count| range_of(&log[..*count]).units() == units).unwrap();
            let ticket = Ticket { first_stripe: first as u64, ..self.ticket(slot) };
            self.open(&connection, ticket).await.unwrap();
            connection.append(at(slot), first as u64, log[first..].to_vec()).await.unwrap();
            let until_block = self.world.lock().block + 1000;
            let (receipt, _) =
                connection.seal(at(slot), log.len() as u64, range_of(log).root(), until_block).await.unwrap();
            assert_eq!((receipt.root, receipt.units), (range_of(log).root(), range_of(log).units()));
        }
    }

    /// A drive with so many stripes, which all slots have.
    pub async fn fill(&self, stripes: usize) -> Vec<Shards> {
        let mut logs = Vec::new();
        self.grow(&mut logs, stripes);
        self.write(&logs, |_| true).await;
        self.world.checkpoint(&logs, |_| true);
        logs
    }

    /// Gives a slot to a vault that has to rebuild it.
    pub fn succeed(&self, slot: u8, number: usize) {
        self.world.change(|state| {
            let due_block = state.block + 1000;
            let slot = &mut state.drives.get_mut(&DRIVE).unwrap().slots[usize::from(slot)];
            slot.successor = Some(cairn_primitives::storage::Successor { vault: account(number), due_block });
        });
    }

    pub fn empty(&self, slot: u8) {
        self.world.change(|state| {
            let slot = &mut state.drives.get_mut(&DRIVE).unwrap().slots[usize::from(slot)];
            (slot.vault, slot.state) = (None, SlotState::Empty);
        });
    }

    /// What a vault has of a slot is what the log is.
    pub fn check(&self, number: usize, slot: u8, log: &Shards) {
        let store = self.vault(number).store();
        assert_eq!(store.head(at(slot)).unwrap().range, range_of(log));
        for leaf in store.head(at(slot)).unwrap().trimmed_leaves..log.len() as u64 {
            assert_eq!(store.read(at(slot), leaf, 1, 0).unwrap().bytes, log[leaf as usize]);
        }
    }

    /// Has a byte of a shard flip on a vault's disk.
    pub fn rot(&self, number: usize, slot: u8, leaf: u64) {
        use std::os::unix::fs::FileExt;
        let store = self.vault(number).store();
        let place = store.leaves(at(slot), leaf, 1).unwrap()[0].units_before * 4096 + 100;
        let path = self.folder(number).join(format!("store/logs/{DRIVE}-{slot}.log"));
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, place).unwrap();
        file.write_all_at(&[byte[0] ^ 1], place).unwrap();
    }
}

pub fn range_of(shards: &[Bytes]) -> Range {
    let mut range = Range::default();
    for shard in shards {
        let size = ShardSize::from_bytes(shard.len()).unwrap();
        assert!(range.append(Node::leaf(&shard_id(shard), size), |_, _| ()));
    }
    range
}

fn registered(account: AccountId, service_key: [u8; 32]) -> VaultInfo {
    VaultInfo {
        account,
        status: VaultStatus::Active,
        paused: false,
        service_key,
        addresses: Vec::new(),
        capacity_units: 1 << 30,
        reserved_units: 0,
        liable_units: 0,
        slots: 0,
        ask: 1,
        bond: 1,
        bond_required: 0,
        score_ppm: 1_000_000,
        place_block: 0,
        next_turn_block: 0,
        missed_in_row: 0,
        missed_history: 0,
        turns: 0,
        rate_per_block: 0,
        pending: 0,
        paid: 0,
    }
}
