// SPDX-License-Identifier: Apache-2.0

//! `drive:/path`: which drive, which path, and opening it.

use std::path::{Path, PathBuf};

use cairn_client::{chain::storage::DriveId, keys::Keypair, AccountId, Error as ClientError};
use cairn_drive::{
    keys::ACCOUNT_SECRET_BYTES, live, Access, ChainError, Drive, DriveError, DrivePath, DriveState, Session, Untrue,
    Witnessed,
};
use zeroize::Zeroizing;

use super::registry::Registry;
use crate::{
    commands::chain::human,
    config::process_env,
    context::{Context, Signer},
    failure::{failed, refused, usage, usage_with_remedy, Result},
};

/// What stands for the account's only or default drive.
const DEFAULT: &str = "drive";

/// A drive that is paid for for fewer periods is about to end.
const END_NEAR_PERIODS: u32 = 3;
/// Blocks of more than three periods of any network, so that nobody is asked how long they are of a drive that is far from its
/// end: thirty days.
const END_NEAR_BLOCKS_MAX: u32 = 864_000;

/// Where uploads' journals and names of drives are kept.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StateDir {
    /// Folder for uploads that go on later, and for names of drives [default: ~/.local/share/cairn]
    #[arg(long, value_name = "DIR", env = "CAIRN_STATE")]
    pub state: Option<PathBuf>,
}

impl StateDir {
    /// The folder.
    pub fn folder(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.state {
            return Ok(folder.clone());
        }
        let set = process_env("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || process_env("HOME").map(|home| Path::new(&home).join(".local/share"));
        let base = set.or_else(home).ok_or_else(|| usage("neither XDG_DATA_HOME nor HOME is set; give --state DIR"))?;
        Ok(base.join("cairn"))
    }

    /// The names of drives on a chain.
    pub fn registry(&self, genesis: &[u8; 32]) -> Result<Registry> {
        Registry::load(&self.folder()?, genesis)
    }
}

/// A path in a drive, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Name or number; none for the default drive.
    pub drive: Option<String>,
    /// The path.
    pub path: DrivePath,
    /// It was written with a slash at its end: a directory is meant.
    pub is_directory: bool,
}

impl Place {
    /// Reads `drive:/path`, `NAME:/path` or `7:/path`; none if the text has no such form, as a local path hasn't.
    pub fn read(text: &str) -> Result<Option<Self>> {
        let Some((drive, path)) = text.split_once(':') else { return Ok(None) };
        if drive.is_empty() || drive.contains('/') || drive.contains('\\') {
            return Ok(None);
        }
        let drive = (drive != DEFAULT).then(|| drive.to_string());
        let parsed = DrivePath::parse(path).map_err(|error| drive_error(error.into()))?;
        Ok(Some(Place { drive, is_directory: parsed.is_top() || path.ends_with('/'), path: parsed }))
    }

    /// The same, where a drive's name or number alone is a drive too.
    pub fn of_drive(text: &str) -> Result<Self> {
        match Self::read(text)? {
            Some(place) => Ok(place),
            None => Self::parse(&format!("{text}:")),
        }
    }

    /// The same, where nothing else may be.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            usage_with_remedy(
                format!("`{text}` is no path in a drive"),
                "write it like drive:/path, NAME:/path or 7:/path",
            )
        };
        Self::read(text)?.ok_or_else(wrong)
    }
}

/// The number of a drive that is named by name or number; of the account's only or default one if it isn't named.
///
/// # Correctness
/// Anybody can grant an account a drive, and call it what they like. So a drive of somebody else is never meant by itself: only its number
/// means it, or what the user has called it (`cairn drive add`), or has made it the default.
pub async fn find(context: &Context, named: Option<&str>, state: &StateDir) -> Result<DriveId> {
    if let Some(number) = named.and_then(|named| named.parse().ok()) {
        return Ok(number);
    }
    let client = context.client().await?;
    let genesis = client.genesis_hash().0;
    let registry = state.registry(&genesis)?;
    let signer = context.signer().await?;
    let view = client.finalized().await?;
    let own = view.drives_of(&signer.account).await?;
    let Some(name) = named.filter(|named| *named != DEFAULT) else {
        if let Some(drive) = registry.default(&signer.account.0) {
            return Ok(drive);
        }
        return match own[..] {
            [only] => Ok(only),
            [] => Err(usage_with_remedy(
                format!("{} has no drive of its own", signer.name),
                "`cairn drive create --capacity 1GiB` makes one; `cairn drive list` shows those that are shared with it: name one by its \
                 number, like 7:/path",
            )),
            _ => Err(usage_with_remedy(
                format!("{} has {} drives", signer.name, own.len()),
                "name one: NAME:/path or 7:/path; `cairn drive default` says which `drive:` means",
            )),
        };
    };
    let called = |registry: &Registry| named_so(registry, name, &own);
    let mut found = called(&registry);
    if found.is_empty() {
        // Not known here yet: the drives themselves say how they are called.
        for id in own.iter().filter(|id| registry.name(**id).is_none()) {
            // What it is called is noted when it is opened.
            let _ = open(context, *id, state).await;
        }
        found = called(&state.registry(&genesis)?);
    }
    match found[..] {
        [only] => Ok(only),
        [] => Err(usage_with_remedy(
            format!("{} has no drive called {name}", signer.name),
            "`cairn drive list` shows the drives; one that is shared with you has a number, or the name that `cairn drive add` gave it",
        )),
        _ => Err(usage_with_remedy(
            format!("{} drives are called {name}", found.len()),
            "name one by its number; `cairn drive list` shows them",
        )),
    }
}

/// The drives that a name means: of the account's own those that are called so, and of others those that the user calls so.
fn named_so(registry: &Registry, name: &str, own: &[DriveId]) -> Vec<DriveId> {
    let mut found: Vec<DriveId> = registry.by_name(name).into_iter().filter(|id| own.contains(id)).collect();
    found.extend(registry.added_by_name(name).into_iter().filter(|id| !own.contains(id)));
    found
}

/// What is known of a drive says that the node tells an untruth, or is behind.
pub fn untrue(drive: DriveId, error: Untrue) -> anyhow::Error {
    let remedy = match error {
        Untrue::KeyJump { shown, .. } => format!(
            "if its key was turned that often (`cairn unshare` does it), say so: `cairn drive forget {drive} --key-generation {shown}`; \
             else use another node"
        ),
        _ => format!(
            "the node may be behind: wait, or use another one by --url. If the chain was begun anew, `cairn drive forget {drive}` forgets what \
             is known here"
        ),
    };
    failed(format!("drive {drive}: {error}"), remedy)
}

/// A drive that is open.
pub struct Opened {
    /// With this.
    pub session: Session,
    /// The drive.
    pub drive: Drive,
    /// Who signs, and the key, if there is an account.
    pub signer: Option<(Signer, Keypair)>,
    /// How far the drive is known to have been, with what was read just now.
    pub seen: Witnessed,
}

impl Opened {
    /// Whether the account owns the drive.
    pub fn is_own(&self) -> bool {
        self.signer.as_ref().is_some_and(|(signer, _)| signer.account.0 == self.drive.state().owner)
    }
}

/// Opens a drive by its number, with what the account may do. Without an account, public drives can be read.
pub async fn open(context: &Context, id: DriveId, state: &StateDir) -> Result<Opened> {
    let client = context.client().await?;
    let signer = match &context.settings.account.value {
        Some(_) => {
            let signer = context.signer().await?;
            let key = context.unlock(&signer)?;
            Some((signer, key))
        },
        None => None,
    };
    let account = signer.as_ref().map(|(_, key)| client.account(key.clone()));
    let session = live::session(client, account);
    let found = cairn_drive::find(&*session.chain, id).await.map_err(drive_error)?;
    warn_of_end(context, &found).await?;
    let mut registry = state.registry(&session.chain.genesis())?;
    let known = registry.seen(id);
    let access = access(context, &session, &found, signer.as_ref()).await?;
    let drive = Drive::open(&session, found, access).await.map_err(drive_error)?;
    let now = drive.witnessed();
    known.check_version(now.version).map_err(|error| untrue(id, error))?;
    let seen = known.and(now);
    registry.note_seen(id, seen)?;
    let (name, opened) = (drive.name(), Opened { session, drive, signer, seen });
    // What others call their drives is their business; and who may write to a drive doesn't give it another name here.
    if !name.is_empty() && opened.is_own() && registry.name(id).is_none() {
        registry.set_name(id, &name)?;
    }
    Ok(opened)
}

/// Says that a drive is about to end, with all that it holds, to whoever does something with it.
async fn warn_of_end(context: &Context, drive: &DriveState) -> Result<()> {
    let Some(left) = drive.dry_block.map(|block| block.saturating_sub(drive.block)) else { return Ok(()) };
    if left >= END_NEAR_BLOCKS_MAX {
        return Ok(());
    }
    let view = context.client().await?.best().await?;
    if left < view.storage_terms().await?.period_blocks.saturating_mul(END_NEAR_PERIODS) {
        context.output.warn(&format!(
            "drive {} is paid for for another {}; then it ends, and what it holds is gone. `cairn drive top-up` pays for more",
            drive.id,
            human(view.block_time()?.saturating_mul(left)),
        ));
    }
    Ok(())
}

async fn access(
    context: &Context,
    session: &Session,
    state: &DriveState,
    signer: Option<&(Signer, Keypair)>,
) -> Result<Access> {
    let chain = &*session.chain;
    let result = match signer {
        Some((signer, key)) => {
            let secret: Zeroizing<[u8; ACCOUNT_SECRET_BYTES]> = Zeroizing::new(key.to_expanded_secret());
            Access::of_account(chain, state, signer.account.0, Some(&secret)).await
        },
        None => Access::of_account(chain, state, [0; 32], None).await,
    };
    match result {
        Ok(access) => Ok(access),
        Err(DriveError::Key(cairn_drive::keys::KeyError::NotForUs)) => {
            let owner = context.address(&AccountId::from(state.owner)).await?;
            Err(refused(
                "Drive::NotShared",
                format!("drive {} is {owner}'s, and not shared with this account", state.id),
                "its owner shares it with `cairn share`; give --account if another of your accounts may read it",
            ))
        },
        Err(error) => Err(drive_error(error)),
    }
}

/// An error of a drive as the program shows it: with its remedy, and the exit code of what it comes from.
pub fn drive_error(error: DriveError) -> anyhow::Error {
    let remedy = error.remedy();
    match error {
        DriveError::Chain(ChainError::Other(inner)) => match inner.downcast::<ClientError>() {
            Ok(error) => (*error).into(),
            Err(other) => anyhow::anyhow!("{other}"),
        },
        DriveError::NoDrive(_) => refused("Storage::DriveUnknown", error.to_string(), remedy.unwrap_or_default()),
        DriveError::NoRoom { .. } => {
            refused("Storage::CapacityExceeded", error.to_string(), remedy.unwrap_or_default())
        },
        DriveError::Path(_) | DriveError::LocalName { .. } | DriveError::Link(_) | DriveError::NoSuchRange { .. } => {
            usage(error.to_string())
        },
        error => match remedy {
            Some(remedy) => failed(error.to_string(), remedy),
            None => anyhow::Error::new(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Shown;

    #[test]
    fn places_are_told_from_local_paths() {
        let read = |text: &str| Place::read(text).expect(text);
        for (text, drive, path, is_directory) in [
            ("drive:/a/b", None, "a/b", false),
            ("drive:", None, "", true),
            ("photos:/x/", Some("photos"), "x", true),
            ("7:a b", Some("7"), "a b", false),
            ("drive:/a:b", None, "a:b", false),
        ] {
            let place = read(text).expect(text);
            assert_eq!((place.drive.as_deref(), place.path.as_str()), (drive, path), "{text}");
            assert_eq!(place.is_directory, is_directory, "{text}");
        }
        for text in ["file", "./a:b", "/tmp/a:b", ":x", "-"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(Place::of_drive("photos").expect("a drive"), Place::parse("photos:/").expect("the same"));
        assert!(Place::parse("file").is_err() && Place::read("drive:/../x").is_err());
    }

    /// Eve grants her drive unasked, and calls it what others call theirs.
    #[test]
    fn what_others_call_their_drives_means_nothing_until_the_user_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut registry = Registry::load(folder.path(), &[1; 32]).expect("loads");
        // As older versions of this program noted it.
        registry.set_name(6, "photos").expect("stored");
        registry.set_name(7, "photos").expect("stored");
        assert_eq!(named_so(&registry, "photos", &[7]), [7]);
        assert!(named_so(&registry, "photos", &[]).is_empty());
        registry.add(6, "eves").expect("stored");
        assert_eq!((named_so(&registry, "eves", &[7]), named_so(&registry, "photos", &[7])), (vec![6], vec![7]));
    }

    #[test]
    fn errors_keep_their_exit_code() {
        let unreachable = ClientError::Unreachable(cairn_client::Unreachable::default());
        let chain = DriveError::Chain(ChainError::Other(Box::new(unreachable)));
        assert_eq!(Shown::new(&drive_error(chain)).exit as u8, 4);
        assert_eq!(Shown::new(&drive_error(DriveError::NoDrive(3))).exit as u8, 3);
        assert_eq!(Shown::new(&drive_error(DriveError::Link("x"))).exit as u8, 2);
        let contended = Shown::new(&drive_error(DriveError::Contended { attempts: 5 }));
        assert!(contended.exit as u8 == 1 && contended.remedy.is_some());
    }
}
