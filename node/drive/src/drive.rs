// SPDX-License-Identifier: Apache-2.0

//! A drive as it stands at a version: opened from the head on chain, with everything that is in it.

use std::sync::Arc;

use cairn_primitives::storage::{Coding, DriveId, Node, Range, Role, Visibility};
use codec::DecodeAll;
use futures::{stream::StreamExt, FutureExt};

use crate::{
    chain::{Chain, DriveState},
    contents::Contents,
    keys::{DriveKey, KeyError, SealingKey, ACCOUNT_SECRET_BYTES},
    manifest::{DecodeBudget, Head, LevelRef, ManifestError, Ranges, Root, Segment, Tree, SEGMENT_BYTES_MAX},
    page::{self, PageRef},
    read::StripeReader,
    vaults::{Network, Vaults},
    DriveError,
};

/// Bytes of the ranges of all slots at most: 32 of them, with 50 peaks each.
const RANGES_BYTES_MAX: usize = 32 * (16 + 50 * 40);
/// Versions that are listed at most.
const VERSIONS_MAX: usize = 10_000;

/// What drives are opened with.
#[derive(Clone)]
pub struct Session {
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// How vaults are reached.
    pub network: Arc<dyn Network>,
}

/// A key, and what its holder may do.
#[derive(Clone, Debug)]
pub struct Access {
    /// To read with, and to write if that is allowed.
    pub key: DriveKey,
    /// The account may write.
    pub may_write: bool,
}

impl Access {
    /// What an account may do with a drive. Without a secret, only public drives can be read.
    ///
    /// # Errors
    /// [`DriveError::Key`] if the account was given no key, the drive's key was turned since, or the account owns it and can't open
    /// what the former owner sealed to it.
    pub async fn of_account(
        chain: &dyn Chain,
        drive: &DriveState,
        account: [u8; 32],
        secret: Option<&[u8; ACCOUNT_SECRET_BYTES]>,
    ) -> Result<Self, DriveError> {
        let genesis = chain.genesis();
        if let (true, Some(secret)) = (drive.owner == account, secret) {
            // A transfer turns a drive's key: nobody had one whose key was never turned before its owner.
            let handed = match drive.key_generation {
                0 => None,
                _ => chain.grant(drive.id, account).await?,
            };
            let handed = handed.map(|grant| grant.sealed);
            let key = owner_key(secret, account, &genesis, drive.id, drive.key_generation, handed.as_deref())?;
            return Ok(Access { key, may_write: true });
        }
        if let Some(secret) = secret {
            let grant = chain.grant(drive.id, account).await?;
            if let Some(grant) = grant.filter(|grant| grant.until_block.is_none_or(|until| until >= drive.block)) {
                let key = SealingKey::of_account(secret).open(&account, &genesis, drive.id, &grant.sealed)?;
                // What is written under a key that was turned could be read by whom it was turned away from.
                let may_write = grant.role == Role::Writer && key.generation() == drive.key_generation;
                return Ok(Access { key, may_write });
            }
        }
        match drive.visibility {
            Visibility::Public(key) => {
                Ok(Access { key: DriveKey::from_parts(drive.key_generation, key)?, may_write: false })
            },
            Visibility::Private => Err(KeyError::NotForUs.into()),
        }
    }
}

/// The key of a drive's owner, of a generation; `handed` is what is sealed to it by a grant of its own drive: the former owner's key,
/// if it had one.
///
/// # Errors
/// [`KeyError::NotHanded`] if that can't be opened, or isn't of an earlier generation.
pub fn owner_key(
    secret: &[u8; ACCOUNT_SECRET_BYTES],
    account: [u8; 32],
    genesis: &[u8; 32],
    drive: DriveId,
    generation: u32,
    handed: Option<&[u8]>,
) -> Result<DriveKey, DriveError> {
    let own = DriveKey::of_owner(secret, genesis, drive, generation)?;
    let Some(sealed) = handed else { return Ok(own) };
    let former = SealingKey::of_account(secret).open(&account, genesis, drive, sealed);
    let former = former.map_err(|_| KeyError::NotHanded)?;
    // Who granted its own drive to itself was given nothing.
    if own.at(former.generation()).is_ok_and(|known| known == former) {
        return Ok(own);
    }
    Ok(own.after(&former)?)
}

/// A drive at its newest version.
pub struct Drive {
    pub(crate) state: DriveState,
    pub(crate) access: Access,
    pub(crate) vaults: Arc<Vaults>,
    pub(crate) head: Option<Head>,
    pub(crate) loaded: Loaded,
}

/// A version's manifest.
pub(crate) struct Loaded {
    pub root: Option<Root>,
    /// Of the key that the root page was written under.
    pub generation: u32,
    pub levels: Vec<(LevelRef, Segment)>,
    pub newest: Segment,
    pub contents: Arc<Contents>,
}

/// How far a drive was, shown by what only holders of its key can write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witnessed {
    /// The newest version.
    pub version: u64,
    /// The generation of the key that it was written under.
    pub key_generation: u32,
}

/// How often a key may have been turned since it was last witnessed, for a node's word that it was to be taken.
pub const KEY_JUMP_MAX: u32 = 16;

/// What a node says of a drive, against what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrue {
    /// An older version than one that is known.
    #[error("the node shows version {shown} of the drive, and version {known} is known")]
    VersionBack {
        /// What the node shows.
        shown: u64,
        /// What is known.
        known: u64,
    },
    /// An earlier generation of its key than one that is known: what is written under it can be read by whom it was turned away from.
    #[error("the node shows generation {shown} of the drive's key, and generation {known} is known")]
    KeyBack {
        /// What the node shows.
        shown: u32,
        /// What is known.
        known: u32,
    },
    /// A far later generation of its key: whoever is given that key can read what is written for a long time to come.
    #[error("the node says that the drive's key was turned {} times since it was last seen", .shown - .known)]
    KeyJump {
        /// What the node shows.
        shown: u32,
        /// What is known.
        known: u32,
    },
}

impl Witnessed {
    /// The later of both.
    pub fn and(self, other: Witnessed) -> Witnessed {
        Witnessed {
            version: self.version.max(other.version),
            key_generation: self.key_generation.max(other.key_generation),
        }
    }

    /// Whether a key of this generation may be written under, sealed, or published: a node could name one that opens all that will ever be
    /// written.
    ///
    /// # Errors
    /// [`Untrue::KeyBack`], [`Untrue::KeyJump`].
    pub fn check_key(&self, shown: u32) -> Result<(), Untrue> {
        let known = self.key_generation;
        match shown.checked_sub(known) {
            None => Err(Untrue::KeyBack { shown, known }),
            Some(turned) if turned > KEY_JUMP_MAX => Err(Untrue::KeyJump { shown, known }),
            Some(_) => Ok(()),
        }
    }

    /// Whether a version may be the newest.
    ///
    /// # Errors
    /// [`Untrue::VersionBack`].
    pub fn check_version(&self, shown: u64) -> Result<(), Untrue> {
        match shown < self.version {
            true => Err(Untrue::VersionBack { shown, known: self.version }),
            false => Ok(()),
        }
    }
}

/// A version of a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// When it was made, by its writer's clock, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its first stripe.
    pub first_stripe: u64,
    /// Units of each log before that.
    pub units_before: u64,
    /// Its root page.
    pub root: PageRef,
}

impl Drive {
    /// Opens a drive at its newest version. `state` is the chain's, `access` fits it.
    ///
    /// # Errors
    /// [`DriveError::Unreadable`], [`DriveError::Manifest`], [`DriveError::Sealed`].
    pub async fn open(session: &Session, state: DriveState, access: Access) -> Result<Self, DriveError> {
        let vaults = Arc::new(Vaults::new(Arc::clone(&session.network), &state));
        let reader = StripeReader::new(state.id, state.coding, Arc::clone(&vaults));
        let head = if state.head.is_empty() { None } else { Some(Head::from_bytes(&state.head)?) };
        let loaded = match &head {
            Some(head) => {
                let loaded = load(&reader, &access.key, &head.root).await?;
                if loaded.root.as_ref().is_some_and(|root| root.version > state.version) {
                    return Err(ManifestError("its root page is of a version that the chain doesn't have").into());
                }
                loaded
            },
            None => Loaded {
                root: None,
                generation: 0,
                levels: Vec::new(),
                newest: Segment::default(),
                contents: Arc::new(Contents::new(Tree::default(), Vec::new(), access.key.clone(), reader)),
            },
        };
        Ok(Drive { state, access, vaults, head, loaded })
    }

    /// The drive on chain.
    pub fn state(&self) -> &DriveState {
        &self.state
    }

    /// The key, and what it allows.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What is in it.
    pub fn contents(&self) -> &Arc<Contents> {
        &self.loaded.contents
    }

    /// Its name; empty if it has none.
    pub fn name(&self) -> String {
        self.loaded.root.as_ref().map(Root::name).unwrap_or_default()
    }

    /// What its writers, who have its key, say of it: a node can show something older, and nothing that they never wrote.
    pub fn witnessed(&self) -> Witnessed {
        let version = self.loaded.root.as_ref().map_or(0, |root| root.version);
        Witnessed { version, key_generation: self.loaded.generation }
    }

    /// The vaults, and how they fare.
    pub fn vaults(&self) -> &Arc<Vaults> {
        &self.vaults
    }

    /// Versions that are still there, the newest first.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn versions(&self) -> Result<Vec<Version>, DriveError> {
        let (Some(head), Some(root)) = (&self.head, &self.loaded.root) else { return Ok(Vec::new()) };
        let reader = self.loaded.contents.reader();
        let mut found = vec![version(root, head.root)];
        let mut previous = root.previous;
        let mut below = head.root.stripe;
        while let Some(page) = previous.filter(|_| found.len() < VERSIONS_MAX) {
            // A chain that doesn't go backwards would never end.
            if page.stripe >= below {
                return Err(ManifestError("its versions are out of order").into());
            }
            below = page.stripe;
            let (root, _) = read_root(reader, &self.access.key, &page).await?;
            found.push(version(&root, page));
            previous = root.previous;
        }
        Ok(found)
    }

    /// What was in the drive at a version: the newest one that isn't newer than `wanted`.
    ///
    /// # Errors
    /// [`DriveError::NoVersion`] if it is gone, or was never there.
    pub async fn at_version(&self, wanted: u64) -> Result<Arc<Contents>, DriveError> {
        let versions = self.versions().await?;
        let (newest, oldest) =
            (versions.first().map_or(0, |version| version.version), versions.last().map_or(0, |v| v.version));
        let no_version = DriveError::NoVersion { version: wanted, oldest, newest };
        if wanted > newest {
            return Err(no_version);
        }
        let found = versions.iter().find(|version| version.version <= wanted).ok_or(no_version)?;
        Ok(load(self.loaded.contents.reader(), &self.access.key, &found.root).await?.contents)
    }

    /// The stripe behind the last that is committed.
    pub(crate) fn first_free(&self) -> u64 {
        self.head.map_or(0, |head| head.root.stripe + 1)
    }

    /// The ranges of the slots' logs at the drive's version: one, if all logs are alike, or one a slot.
    ///
    /// # Errors
    /// [`DriveError::Manifest`] if they aren't what the chain committed to.
    pub(crate) async fn ranges(&self) -> Result<Vec<Range>, DriveError> {
        let coding = self.state.coding;
        let count = if coding == Coding::K1 { 1 } else { usize::from(coding.slots()) };
        let (Some(head), Some(root)) = (&self.head, &self.loaded.root) else {
            return Ok(vec![Range::default(); count]);
        };
        let wrong = || DriveError::from(ManifestError("its ranges aren't those that the chain has"));
        let mut ranges = match &root.ranges {
            Ranges::Alike(range) => vec![range.clone()],
            Ranges::Apart(index) => {
                let reader = self.loaded.contents.reader();
                let bytes = reader.indexed(index, &self.access.key, RANGES_BYTES_MAX).await?;
                let mut ranges = Vec::<Range>::decode_all(&mut &bytes[..]).map_err(ManifestError::from)?;
                for run in &index.runs {
                    for ids in run.ids.chunks(usize::from(coding.slots())) {
                        for (range, id) in ranges.iter_mut().zip(ids) {
                            range.append(Node::leaf(id, run.size), |_, _| {});
                        }
                    }
                }
                ranges
            },
        };
        for range in &mut ranges {
            range.append(Node::leaf(&head.root.id, head.root.size), |_, _| {});
        }
        let of_slot = |slot: usize| ranges.get(slot).or(ranges.first().filter(|_| count == 1));
        let committed = self.state.slots.iter().enumerate().all(|(slot, place)| {
            of_slot(slot).is_some_and(|range| range.root() == place.root && range.units() == self.state.units)
        });
        if ranges.len() != count || !committed {
            return Err(wrong());
        }
        Ok(ranges)
    }
}

fn version(root: &Root, page: PageRef) -> Version {
    Version {
        version: root.version,
        time_ms: root.time_ms,
        first_stripe: root.first_stripe,
        units_before: root.units_before,
        root: page,
    }
}

/// A root page, and the generation of the key that it was written under.
async fn read_root(reader: &StripeReader, key: &DriveKey, page: &PageRef) -> Result<(Root, u32), DriveError> {
    let sealed = reader.page(page).await?;
    let plain = page::open(key, &sealed)?;
    let generation = page::generation_of(&sealed).unwrap_or_default();
    Ok((Root::from_bytes(&plain, reader.drive(), reader.coding())?, generation))
}

/// Loads a version's manifest: its root page, then all levels at once.
async fn load(reader: &StripeReader, key: &DriveKey, page: &PageRef) -> Result<Loaded, DriveError> {
    let coding = reader.coding();
    let (root, generation) = read_root(reader, key, page).await?;
    let total = root.levels.iter().map(|level| level.bytes as usize).sum::<usize>();
    if total > 2 * SEGMENT_BYTES_MAX {
        return Err(ManifestError("it is too long").into());
    }
    let read = |level: LevelRef| {
        let (reader, key) = (reader.clone(), key.clone());
        let bytes = async move {
            let bytes = reader.part(&level.page, &key, SEGMENT_BYTES_MAX).await?;
            if bytes.len() != level.bytes as usize {
                return Err(ManifestError("a level isn't as long as its root page says").into());
            }
            Ok::<_, DriveError>((level, bytes))
        };
        bytes.boxed()
    };
    let mut budget = DecodeBudget::levels();
    let mut levels = Vec::with_capacity(root.levels.len());
    let mut reading = futures::stream::iter(root.levels.clone()).map(read).buffered(8);
    while let Some(level) = reading.next().await {
        let (level, bytes) = level?;
        levels.push((level, Segment::decode(&bytes, coding, &mut budget)?));
    }
    drop(reading);
    let newest = match &root.newest[..] {
        [] => Segment::default(),
        bytes => Segment::decode(bytes, coding, &mut budget)?,
    };
    let segments = || levels.iter().map(|(_, segment)| segment).chain([&newest]);
    let tree = Tree::from_segments(segments())?;
    let tables = segments().flat_map(|segment| segment.tables.iter().cloned()).collect();
    let contents = Arc::new(Contents::new(tree, tables, key.clone(), reader.clone()));
    Ok(Loaded { root: Some(root), generation, levels, newest, contents })
}

/// Asks the chain for a drive.
///
/// # Errors
/// [`DriveError::NoDrive`] if there is none.
pub async fn find(chain: &dyn Chain, id: DriveId) -> Result<DriveState, DriveError> {
    chain.drive(id).await?.ok_or(DriveError::NoDrive(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_keys_never_go_back_and_keys_never_jump() {
        let known = Witnessed { version: 7, key_generation: 3 };
        for (shown, good) in [(0, false), (6, false), (7, true), (8, true), (u64::MAX, true)] {
            assert_eq!(known.check_version(shown).is_ok(), good, "{shown}");
        }
        let most = 3 + KEY_JUMP_MAX;
        for (shown, good) in [(0, false), (2, false), (3, true), (most, true), (most + 1, false), (4095, false)] {
            assert_eq!(known.check_key(shown).is_ok(), good, "{shown}");
        }
        assert_eq!(known.and(Witnessed { version: 2, key_generation: 9 }), Witnessed { version: 7, key_generation: 9 });
        // Of a drive that was never seen: the key that opens all that will ever be written is refused as well.
        assert!(Witnessed::default().check_key(4095).is_err() && Witnessed::default().check_key(1).is_ok());
    }
}
