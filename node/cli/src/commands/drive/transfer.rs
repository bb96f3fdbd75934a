// SPDX-License-Identifier: Apache-2.0

//! Giving a drive away: its key is sealed to the new owner, then the chain makes it the owner and turns the key, all in one.

use cairn_client::{
    chain::storage::{self, Role, Visibility},
    Call,
};
use serde_json::json;

use super::place::{find, StateDir};
use crate::{
    commands::{chain::human, file::share::Owned},
    context::Context,
    failure::{failed, refused, usage, Result},
    output::Report,
    spend::{spend, Plan},
};

/// Gives a drive to another account.
pub async fn transfer(context: &Context, named: &str, to: &str, state: &StateDir) -> Result<Report> {
    let id = find(context, Some(named), state).await?;
    let owned = Owned::open(context, id, "only a drive's owner gives it away", state).await?;
    let account = context.resolve(to).await?;
    let address = context.address(&account).await?;
    if account == owned.signer.account {
        return Err(refused("Storage::AlreadyOwner", format!("drive {id} is {to}'s already"), "name another account"));
    }
    if matches!(owned.drive.visibility, Visibility::Public(_)) {
        return Err(failed(
            format!("drive {id} is public, and its published key would not be that of what the new owner writes"),
            format!(
                "`cairn unshare {id} --public` ends that first; the new owner can share it, or files in it by --link"
            ),
        ));
    }
    let (now, terms) = (owned.view.block_number_u32(), owned.view.storage_terms().await?);
    let left = owned.drive.dry_block.map(|dry| dry.saturating_sub(now));
    if let Some(left) = left.filter(|left| *left <= terms.period_blocks) {
        let left = human(owned.view.block_time()?.saturating_mul(left));
        return Err(failed(
            format!("drive {id} is paid for {left} more, and ends then with all that is in it"),
            format!("`cairn drive top-up {id}` pays for more; then give it away"),
        ));
    }
    let sealed = owned.sealed(context, &account, owned.drive.key_generation).await?;
    let grants = owned.view.grants_of(id).await?;
    let has_one = grants.iter().any(|(granted, _)| *granted == account);
    let others = grants.iter().filter(|(granted, _)| *granted != account && *granted != owned.signer.account).count();

    let token = context.token().await?;
    let deposit = if has_one { 0 } else { terms.grant_deposit };
    let (escrow, deposits) = (token.format(owned.drive.escrow), token.format(owned.drive.deposit));
    let question = format!(
        "Give drive {id} to {address}, with {escrow} of escrow and {deposits} of deposits? You can't take it back."
    );
    if !context.output.confirm(&question, context.yes)? {
        return Err(usage("nothing was done"));
    }
    context.output.note(
        "your recovery phrase still opens what is in it now, for as long as the drive isn't trimmed of it; what the new owner \
         writes it doesn't open",
    );
    if others > 0 {
        context.output.note(&format!(
            "it is shared with {others} more, who can read what is in it now; the new owner shares it with them anew, or not"
        ));
    }
    let calls = vec![storage::grant(id, &account, Role::Reader, None, &sealed), storage::transfer_drive(id, &account)];
    let plan = Plan::new(format!("give drive {id} to {address}"), Call::batch(calls))
        .holding(deposit)
        .detail("goes with it: escrow", escrow)
        .detail("goes with it: deposits", deposits)
        .asked();
    let done = spend(context, &owned.signer, plan).await?;
    if done.receipt.is_some() {
        state.registry(&context.client().await?.genesis_hash().0)?.forget(id)?;
    }
    let json = json!({
        "drive": id, "owner": address, "key_generation": owned.drive.key_generation + 1, "shared_with": others,
        "escrow": token.json(owned.drive.escrow), "deposit": token.json(owned.drive.deposit),
    });
    Ok(done.report(&format!("drive {id} is {address}'s now"), json))
}
