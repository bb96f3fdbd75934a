// SPDX-License-Identifier: Apache-2.0

//! Who else may read or write.

use std::time::Duration;

use cairn_client::{
    chain::storage::{self, GrantInfo, Role, Visibility},
    keys::Keypair,
    AccountId, Call, View,
};
use cairn_drive::{
    keys::{seal, DriveKey, KeyError, ACCOUNT_SECRET_BYTES},
    owner_key, Plan as Changes, Step, Untrue, Witnessed,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    carry::{carry, Carry},
    RoleArg, Share, Unshare,
};
use crate::{
    commands::drive::{
        manage::{on_chain, publish_key},
        place::{drive_error, find, open, untrue, Place, StateDir},
    },
    context::{Context, Signer},
    failure::{failed, refused, usage, usage_with_remedy, Result},
    output::Report,
    spend::{spend, Plan},
};

/// What those may do who don't own a drive.
const SHARE_REMEDY: &str = "only a drive's owner shares it; --link needs no more than to write to it";
/// With what an account says that drives may be shared with it.
const ACCEPT: &str = "accept";

/// Shares a drive, or what is in it.
pub async fn share(context: &Context, args: Share) -> Result<Report> {
    if args.place == ACCEPT && args.with.is_none() && !args.link && !args.public {
        only_with_accounts(&args, "`share accept` publishes a key, and shares nothing")?;
        return publish_key(context).await;
    }
    if args.with.is_none() {
        only_with_accounts(&args, "no account is named")?;
    }
    let place = Place::of_drive(&args.place)?;
    let id = find(context, place.drive.as_deref(), &args.state).await?;
    if args.link {
        return link(context, id, &place, &args.state).await;
    }
    whole(&place)?;
    match &args.with {
        Some(account) => {
            let role = args.role.unwrap_or(RoleArg::Reader);
            grant(context, id, account, role, args.until.as_deref(), &args.state).await
        },
        None if args.public => publish(context, id, &args.state).await,
        None => Err(usage_with_remedy("share it with whom?", "name an account, or give --link or --public")),
    }
}

/// `--until` and `--role` say how an account may use a drive, and mean nothing else.
fn only_with_accounts(args: &Share, reason: &str) -> Result<()> {
    if args.until.is_none() && args.role.is_none() {
        return Ok(());
    }
    Err(usage_with_remedy(
        format!("--until and --role are for sharing with an account: {reason}"),
        "name an account, or leave them out: what everybody or a link's holder can read has no end",
    ))
}

/// Accounts are shared with as a whole drive.
fn whole(place: &Place) -> Result<()> {
    if place.path.is_top() {
        return Ok(());
    }
    Err(usage_with_remedy(
        format!("{} is a part of a drive, and only whole drives are shared with accounts", place.path),
        "--link shares a part, with whom you give the link; or make a drive of its own for it",
    ))
}

async fn link(context: &Context, id: u64, place: &Place, state: &StateDir) -> Result<Report> {
    let opened = open(context, id, state).await?;
    let plan = Changes {
        command: format!("link {id} {} {}", place.path, opened.drive.state().version).into_bytes(),
        steps: vec![Step::Link(place.path.clone())],
        ..Changes::default()
    };
    let carried = carry(context, opened, plan, state, Carry::putting()).await?;
    let made = carried.committed.links.first().ok_or_else(|| usage("no link was made"))?;
    context.output.note(
        "who has this link can read what it names as it is now; `cairn drive trim`, which moves live files, ends it: then make another",
    );
    let text = made.to_text();
    let mut json = carried.json(id);
    json["link"] = json!(text);
    Ok(Report::new(text, json))
}

/// The owner's drive, and its keys.
pub(crate) struct Owned {
    pub signer: Signer,
    key: Keypair,
    pub drive: storage::Drive,
    pub view: View,
    genesis: [u8; 32],
    /// What the former owner sealed to this one, if there was one.
    handed: Option<Vec<u8>>,
}

impl Owned {
    /// `remedy` is for those who don't own it.
    pub async fn open(context: &Context, id: u64, remedy: &'static str, state: &StateDir) -> Result<Self> {
        let signer = context.signer().await?;
        let drive = on_chain(context, id).await?;
        if drive.owner != signer.account {
            let owner = context.address(&drive.owner).await?;
            return Err(refused("Storage::NotOwner", format!("drive {id} is {owner}'s"), remedy));
        }
        let client = context.client().await?;
        let key = context.unlock(&signer)?;
        check_generation(context, id, drive.key_generation, state).await?;
        let view = client.best().await?;
        let handed = view.grant(id, &signer.account).await?.map(|grant| grant.sealed.to_vec());
        Ok(Owned { signer, key, drive, view, genesis: client.genesis_hash().0, handed })
    }

    fn drive_key(&self, generation: u32) -> Result<DriveKey> {
        let secret: Zeroizing<[u8; ACCOUNT_SECRET_BYTES]> = Zeroizing::new(self.key.to_expanded_secret());
        let account = self.signer.account.0;
        owner_key(&secret, account, &self.genesis, self.drive.id, generation, self.handed.as_deref())
            .map_err(drive_error)
    }

    /// The drive's key, sealed to an account.
    pub async fn sealed(&self, context: &Context, account: &AccountId, generation: u32) -> Result<Vec<u8>> {
        let Some(public) = self.view.sealing_key(account).await? else {
            return Err(refused(
                "Storage::KeyUnknown",
                format!("{} has published no key to share with", context.address(account).await?),
                "its owner runs `cairn share accept` once",
            ));
        };
        seal(&self.drive_key(generation)?, &account.0, &public, &self.genesis, self.drive.id).map_err(key_error)
    }
}

/// Whether a node's word for the generation of a drive's key can be taken, for what is sealed or published by it. What isn't known here the
/// drive itself tells, by the key that it was last written under.
async fn check_generation(context: &Context, id: u64, shown: u32, state: &StateDir) -> Result<()> {
    let registry = state.registry(&context.client().await?.genesis_hash().0)?;
    match registry.seen(id).check_key(shown) {
        Err(Untrue::KeyJump { .. }) => {
            let seen = open(context, id, state).await?.seen;
            seen.check_key(shown).map_err(|error| untrue(id, error))
        },
        checked => checked.map_err(|error| untrue(id, error)),
    }
}

fn key_error(error: KeyError) -> anyhow::Error {
    drive_error(error.into())
}

async fn grant(
    context: &Context,
    id: u64,
    named: &str,
    role: RoleArg,
    until: Option<&str>,
    state: &StateDir,
) -> Result<Report> {
    let owned = Owned::open(context, id, SHARE_REMEDY, state).await?;
    let account = context.resolve(named).await?;
    not_oneself(&owned, &account, named)?;
    let token = context.token().await?;
    let now = owned.view.block_number_u32();
    let until_block = until.map(|text| parse_until(text, now, owned.view.block_time()?)).transpose()?;
    let sealed = owned.sealed(context, &account, owned.drive.key_generation).await?;
    let has_one = owned.view.grant(id, &account).await?.is_some();
    let deposit = if has_one { 0 } else { owned.view.storage_terms().await?.grant_deposit };
    let address = context.address(&account).await?;
    let (role, may) = match role {
        RoleArg::Reader => (Role::Reader, "read"),
        RoleArg::Writer => (Role::Writer, "read and write"),
    };
    let ends = until_block.map(|block| format!(" until block #{block}")).unwrap_or_default();
    let text = format!("{address} may {may} drive {id}{ends}");
    let plan = Plan::new(
        format!("let {address} {may} drive {id}{ends}"),
        storage::grant(id, &account, role, until_block, &sealed),
    )
    .holding(deposit)
    .detail("deposit", token.format(deposit));
    let done = spend(context, &owned.signer, plan).await?;
    let json = json!({ "drive": id, "account": address, "role": may, "until_block": until_block });
    Ok(done.report(&text, json))
}

/// An owner's grant of its own drive is what the former owner gave it.
fn not_oneself(owned: &Owned, account: &AccountId, named: &str) -> Result<()> {
    match *account == owned.signer.account {
        true => Err(usage(format!("drive {} is {named}'s own", owned.drive.id))),
        false => Ok(()),
    }
}

async fn publish(context: &Context, id: u64, state: &StateDir) -> Result<Report> {
    let owned = Owned::open(context, id, SHARE_REMEDY, state).await?;
    let key = owned.drive_key(owned.drive.key_generation)?;
    if key.has_former() {
        return Err(failed(
            format!("drive {id} had another owner, and has more keys than can be published"),
            "make a drive of your own, put the files there, and make that one public; or share them by --link",
        ));
    }
    let question =
        format!("Let everybody read drive {id}, older versions too? That can't be taken back for what is there.");
    if !context.output.confirm(&question, context.yes)? {
        return Err(usage("nothing was done"));
    }
    let call = storage::set_visibility(id, Visibility::Public(*key.expose()));
    let done = spend(context, &owned.signer, Plan::new(format!("let everybody read drive {id}"), call).asked()).await?;
    Ok(done.report(&format!("everybody can read drive {id}"), json!({ "drive": id, "public": true })))
}

/// Shares a drive no longer: turns its key, and gives the new one to those who keep their access.
pub async fn unshare(context: &Context, args: Unshare) -> Result<Report> {
    let place = Place::of_drive(&args.place)?;
    whole(&place)?;
    let id = find(context, place.drive.as_deref(), &args.state).await?;
    let owned = Owned::open(context, id, SHARE_REMEDY, &args.state).await?;
    let grants = owned.view.grants_of(id).await?;
    let generation = owned.drive.key_generation + 1;
    let is_public = matches!(owned.drive.visibility, Visibility::Public(_));
    let (mut calls, leaving, who) = match &args.from {
        Some(named) => {
            let account = context.resolve(named).await?;
            not_oneself(&owned, &account, named)?;
            if !grants.iter().any(|(granted, _)| *granted == account) {
                return Err(refused(
                    "Storage::GrantUnknown",
                    format!("drive {id} isn't shared with {named}"),
                    "`cairn drive status --json` shows with whom it is",
                ));
            }
            (vec![storage::revoke(id, &account)], account, context.address(&account).await?)
        },
        None if is_public => {
            let own = owned.signer.account;
            // The end of a grant turns a drive's key; a grant to oneself is one that nobody misses, unless it is what the former
            // owner gave: then it is made again.
            let own_grant = |sealed: &[u8]| storage::grant(id, &own, Role::Reader, None, sealed);
            let turn = match &owned.handed {
                Some(handed) => [storage::revoke(id, &own), own_grant(handed)],
                None => [own_grant(&[]), storage::revoke(id, &own)],
            };
            let mut calls = vec![storage::set_visibility(id, Visibility::Private)];
            calls.extend(turn);
            (calls, own, "everybody".into())
        },
        None => return Err(usage(format!("drive {id} is not public"))),
    };
    if is_public && args.from.is_some() {
        // Who reads a public drive needs the key that is in force.
        calls.push(storage::set_visibility(id, Visibility::Public(*owned.drive_key(generation)?.expose())));
    }
    calls.extend(regrants(context, &owned, &grants, &leaving, generation).await?);
    context
        .output
        .note("what was readable so far stays so for whoever kept the key; what is written from now on is closed");
    let plan = Plan::new(format!("share drive {id} with {who} no longer, and turn its key"), Call::batch(calls));
    let done = spend(context, &owned.signer, plan).await?;
    if done.receipt.is_some() {
        // It was turned from a generation that is known, by this command.
        let mut registry = args.state.registry(&owned.genesis)?;
        registry.note_seen(id, Witnessed { version: 0, key_generation: generation })?;
    }
    let json = json!({ "drive": id, "from": who, "key_generation": generation });
    Ok(done.report(&format!("drive {id} isn't shared with {who} any more"), json))
}

/// The new key for everybody who keeps their access.
async fn regrants(
    context: &Context,
    owned: &Owned,
    grants: &[(AccountId, GrantInfo)],
    leaving: &AccountId,
    generation: u32,
) -> Result<Vec<Call>> {
    let now = owned.view.block_number_u32();
    // What the owner itself was given stays as it is.
    let stays = |(account, info): &&(AccountId, GrantInfo)| {
        account != leaving && *account != owned.signer.account && info.until_block.is_none_or(|until| until > now)
    };
    let mut calls = Vec::new();
    for (account, info) in grants.iter().filter(stays) {
        let sealed = owned.sealed(context, account, generation).await?;
        calls.push(storage::grant(owned.drive.id, account, info.role, info.until_block, &sealed));
    }
    Ok(calls)
}

/// Reads `30d`, `12h`, or the number of a block.
fn parse_until(text: &str, now: u32, block_time: Duration) -> Result<u32> {
    let wrong =
        || usage_with_remedy(format!("`{text}` is no time"), "write it like 30d, 12h, or the number of a block");
    let seconds = match text.trim().split_at_checked(text.trim().len().saturating_sub(1)).ok_or_else(wrong)? {
        (number, "d") => number.parse::<u64>().ok().and_then(|days| days.checked_mul(86_400)),
        (number, "h") => number.parse::<u64>().ok().and_then(|hours| hours.checked_mul(3600)),
        _ => {
            let block: u32 = text.trim().parse().map_err(|_| wrong())?;
            if block <= now {
                return Err(usage(format!("block #{block} is over: this is block #{now}")));
            }
            return Ok(block);
        },
    };
    let ms = seconds.and_then(|seconds| seconds.checked_mul(1000)).filter(|ms| *ms > 0).ok_or_else(wrong)?;
    let blocks = u128::from(ms) / block_time.as_millis().max(1);
    u32::try_from(blocks).ok().and_then(|blocks| now.checked_add(blocks)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_blocks() {
        let until = |text: &str| parse_until(text, 100, Duration::from_secs(6));
        assert_eq!(until("1d").expect("a day"), 100 + 14_400);
        assert_eq!(until("2h").expect("hours"), 100 + 1_200);
        assert_eq!(until("5000").expect("a block"), 5000);
        for text in ["", "d", "0d", "99", "100", "-1d", "1w", "99999999999d", "1.5d"] {
            assert!(until(text).is_err(), "{text}");
        }
    }
}
