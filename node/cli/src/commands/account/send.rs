// SPDX-License-Identifier: Apache-2.0

//! Sending coins.

use cairn_client::chain::accounts::{transfer_all, transfer_allow_death, transfer_keep_alive};
use serde_json::json;

use crate::{
    context::Context,
    failure::{refused, usage, Result},
    output::Report,
    spend::{spend, Plan},
};

/// How much is sent.
pub enum HowMuch {
    /// This much; the account stays open.
    Amount(String),
    /// This much; the account may be closed.
    AmountOrClose(String),
    /// Everything.
    All,
}

impl HowMuch {
    /// What the options say.
    pub fn from_args(amount: Option<String>, all: bool, allow_close: bool) -> Result<Self> {
        match (amount, all) {
            (None, true) => Ok(HowMuch::All),
            (Some(amount), false) if allow_close => Ok(HowMuch::AmountOrClose(amount)),
            (Some(amount), false) => Ok(HowMuch::Amount(amount)),
            _ => Err(usage("give either an amount or --all")),
        }
    }
}

/// Sends coins.
pub async fn send(context: &Context, to: &str, how_much: HowMuch) -> Result<Report> {
    let token = context.token().await?;
    let (text, may_close) = match &how_much {
        HowMuch::Amount(text) => (Some(text), false),
        HowMuch::AmountOrClose(text) => (Some(text), true),
        HowMuch::All => (None, true),
    };
    let amount = text.map(|text| token.parse(text)).transpose()?;
    if amount == Some(0) {
        return Err(usage("the amount is zero"));
    }
    let signer = context.signer().await?;
    let dest = context.resolve(to).await?;
    let view = context.client().await?.best().await?;
    let minimum = view.existential_deposit()?;
    let receiver = view.account(&dest).await?.data;
    let amount_shown = match amount {
        Some(amount) => token.format(amount),
        None => "everything that can be sent".into(),
    };
    let reaches = amount.unwrap_or(u128::MAX).saturating_add(receiver.total());
    if reaches < minimum {
        return Err(refused(
            "Token::BelowMinimum",
            format!(
                "the receiver would hold {}, and accounts below {} don't exist",
                token.format(reaches),
                token.format(minimum)
            ),
            format!("send at least {}", token.format(minimum - receiver.total())),
        ));
    }
    let call = match (amount, may_close) {
        (None, _) => transfer_all(&dest, false),
        (Some(amount), true) => transfer_allow_death(&dest, amount),
        (Some(amount), false) => transfer_keep_alive(&dest, amount),
    };
    let address = context.address(&dest).await?;
    let mut plan = Plan::new(format!("send {amount_shown} to {address}"), call).taking(amount.unwrap_or(0));
    plan.may_close = may_close;
    if dest == signer.account {
        context.output.warn("the receiver is the sender");
    }
    let done = spend(context, &signer, plan).await?;
    let sent = done.receipt.as_ref().and_then(|receipt| receipt.event("Balances", "Transfer")?.number("amount"));
    let sent_shown = sent.or(amount).map_or(amount_shown, |sent| token.format(sent));
    let json = json!({ "from": context.address(&signer.account).await?, "to": address, "amount": sent.or(amount).map(|sent| token.json(sent)) });
    Ok(done.report(&format!("sent {sent_shown} to {address}"), json))
}
