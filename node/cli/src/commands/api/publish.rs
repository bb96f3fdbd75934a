// SPDX-License-Identifier: Apache-2.0

//! Listing an API.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use cairn_api::{
    market::{now_ms, Market},
    openapi::{Document, DocumentError, DOCUMENT_BYTES_MAX},
};
use cairn_client::{
    chain::marketplace::{price_at, Api, Listing, Method, NewApi, Sla, Status},
    keys::Keypair,
};
use serde_json::json;

use super::{
    place::{hot_key, send},
    Publish,
};
use crate::{
    amount::parse_percent,
    commands::file,
    context::{Context, Signer},
    failure::{usage, usage_with_remedy, Result},
    output::{table, Report},
};

/// An API as it is listed now.
pub struct Published {
    /// Its number.
    pub api: u32,
    /// Its name.
    pub name: String,
    /// The operations that are sold.
    pub operations: Vec<String>,
    /// The document.
    pub document: Bytes,
    /// Signs answers.
    pub answer_key: Keypair,
    /// Who is paid.
    pub signer: Signer,
    /// Keys and books.
    pub folder: PathBuf,
    /// The marketplace.
    pub market: Arc<Market>,
    /// What was done.
    done: Vec<String>,
}

impl Published {
    /// The result for people and programs.
    pub fn report(&self) -> Report {
        let text = match self.done.as_slice() {
            [] => format!("API {} `{}` is listed like this already", self.api, self.name),
            done => format!("API {} `{}`: {}", self.api, self.name, done.join(", ")),
        };
        Report::new(text, json!({ "api": self.api, "name": self.name, "done": self.done }))
    }
}

/// Lists an API, or changes its listing to what is asked for.
pub async fn publish(context: &Context, args: &Publish) -> Result<Published> {
    let market = args.place.open(context).await?;
    let signer = context.signer().await?;
    let token = context.token().await?;
    let bytes = read_document(&args.openapi)?;
    let document = read_selected(&args.openapi, &bytes, &args.only)?;
    if !document.left_out().is_empty() {
        context.output.warn(&format!(
            "{} of the document's operations are not sold; `cairn api check {}` says why",
            document.left_out().len(),
            args.openapi.display()
        ));
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(document.title())?,
    };
    let folder = args.data.folder(context, market.place(), "provider", &signer.account)?;
    let price = token.parse(&args.price)?;
    let view = market.client().best().await?;
    let offers = view.market_offers(market.place(), &name).await?;
    let mine = offers
        .iter()
        .find(|offer| offer.provider == signer.account.0 && !matches!(offer.status, Status::Retired { .. }));
    let before = match mine {
        Some(brief) => view.market_api(market.place(), brief.api).await?.map(|api| (brief.api, api)),
        None => None,
    };
    let answer_key = hot_key(&folder, &format!("answer-{name}.key"), true)?.ok_or_else(|| usage("no answer key"))?;
    let openapi_hash = *cairn_api::document_hash(&bytes).as_bytes();
    let listing = Listing {
        cairn_name: args.cairn_name.clone(),
        openapi_hash,
        document: document_place(context, args, &name, openapi_hash, before.as_ref().map(|(_, api)| api)).await?,
        endpoints: args.endpoint.clone(),
        tags: args.tag.clone(),
        free_units: args.free_units,
        sla: Sla { p95_ms: args.p95_ms, availability_bps: (parse_percent(&args.availability)? / 100_000) as u16 },
    };
    for endpoint in &listing.endpoints {
        cairn_api::http::Base::parse(endpoint).map_err(usage)?;
    }
    let methods: Vec<Method> = document.operations().iter().map(method).collect();
    let operations = methods.iter().map(|method| method.name.clone()).collect();
    let mut done = Vec::new();
    let api = match before {
        None => {
            let bond = match &args.bond {
                Some(text) => token.parse(text)?,
                None => view.market_settings(market.place()).await?.bond_min,
            };
            let key = answer_key.account_id().0;
            let new_api = NewApi { name: name.clone(), listing, methods, unit_price: price, answer_key: key };
            let message = market.place().register_api(&new_api, bond);
            let (tried, _) = send(context, &signer, &market, format!("list the API `{name}`"), &message).await?;
            done.push("listed".into());
            find_mine(&market, &name, &signer).await?.map_or_else(|| tried.read::<u32>(), Ok)?
        },
        Some((api, before)) => {
            let wanted = Wanted { listing: &listing, methods: &methods, price, key: answer_key.account_id().0 };
            change(context, &market, &signer, api, &before, &wanted, &mut done).await?;
            api
        },
    };
    Ok(Published { api, name, operations, document: bytes, answer_key, signer, folder, market, done })
}

/// The document, with the operations that are to be sold.
fn read_selected(path: &std::path::Path, bytes: &[u8], only: &[String]) -> Result<Document> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    let document = Document::read_selected(bytes, wanted).map_err(|error| {
        let remedy = format!("`cairn api check {}` lists all that is wrong; correct it, and try again", path.display());
        usage_with_remedy(format!("{}: {error}", path.display()), remedy)
    })?;
    let is_there = |name: &String| {
        let sold = document.operations().iter().any(|operation| operation.name == *name);
        sold || document.left_out().iter().any(|left| left.name == *name)
    };
    match only.iter().find(|name| !is_there(name)) {
        Some(missing) => Err(usage_with_remedy(
            format!("{} has no operation called `{missing}`", path.display()),
            format!("`cairn api check {}` lists their names", path.display()),
        )),
        None => Ok(document),
    }
}

/// Shows what of a document can be sold, and why the rest can't.
pub fn check(path: &std::path::Path, only: &[String]) -> Result<Report> {
    let bytes = read_document(path)?;
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    let (operations, left_out) = match Document::read_selected(&bytes, wanted) {
        Ok(document) => (document.operations().to_vec(), document.left_out().to_vec()),
        Err(DocumentError::NothingLeft(left_out)) => (Vec::new(), left_out),
        Err(error) => return Err(usage(format!("{}: {error}", path.display()))),
    };
    let rows: Vec<Vec<String>> = operations
        .iter()
        .map(|operation| {
            vec![
                operation.name.clone(),
                operation.units.to_string(),
                format!("{} {}", operation.method, operation.path),
            ]
        })
        .collect();
    let reasons: Vec<Vec<String>> =
        left_out.iter().map(|left| vec![left.name.clone(), left.reason.clone(), left.at.clone()]).collect();
    let mut text = format!("{} operations can be sold, {} can't\n", operations.len(), left_out.len());
    if !rows.is_empty() {
        text = format!("{text}\n{}", table(&["operation", "units", "path"], &rows));
    }
    if !reasons.is_empty() {
        text = format!("{text}\n{}", table(&["left out", "why", "where"], &reasons));
    }
    let json = json!({
        "operations": operations.iter().map(|operation| json!({
            "name": operation.name, "units": operation.units, "method": operation.method, "path": operation.path,
            "deterministic": operation.deterministic,
        })).collect::<Vec<_>>(),
        "left_out": left_out.iter().map(|left| json!({ "name": left.name, "reason": left.reason, "at": left.at })).collect::<Vec<_>>(),
    });
    if operations.is_empty() {
        let reason = format!("{}: none of the document's {} operations can be sold", path.display(), left_out.len());
        return Err(usage_with_remedy(reason, text));
    }
    Ok(Report::new(text, json))
}

struct Wanted<'a> {
    listing: &'a Listing,
    methods: &'a [Method],
    price: u128,
    key: [u8; 32],
}

/// Changes what differs, and nothing else.
async fn change(
    context: &Context,
    market: &Market,
    signer: &Signer,
    api: u32,
    before: &Api,
    wanted: &Wanted<'_>,
    done: &mut Vec<String>,
) -> Result<()> {
    let place = market.place();
    let mut new = Vec::new();
    for method in wanted.methods {
        match before.methods.iter().find(|known| known.name == method.name) {
            Some(known) if known == method => {},
            Some(_) => {
                return Err(usage_with_remedy(
                    format!(
                        "`{}` is listed with other units or another promise, and methods never change",
                        method.name
                    ),
                    "give the operation another operationId",
                ))
            },
            None => new.push(method.clone()),
        }
    }
    let mut messages = Vec::new();
    if !new.is_empty() {
        messages.push(("methods added", place.add_methods(api, &new)));
    }
    if before.listing != *wanted.listing {
        messages.push(("listing changed", place.update_api(api, wanted.listing)));
    }
    if price_at(before.unit_price, before.next_price, now_ms()) != wanted.price
        && before.next_price.is_none_or(|(next, _)| next != wanted.price)
    {
        messages.push(("price changed", place.set_price(api, wanted.price)));
    }
    if before.answer_key != wanted.key {
        messages.push(("answer key changed", place.set_answer_key(api, wanted.key)));
    }
    if before.status == Status::Paused {
        messages.push(("resumed", place.pause(api, false)));
    }
    for (what, message) in messages {
        send(context, signer, market, format!("change the listing of API {api}: {what}"), &message).await?;
        done.push(what.into());
    }
    Ok(())
}

/// Where the document is listed to be: in a drive, at a URL, or nowhere but at the endpoints.
async fn document_place(
    context: &Context,
    args: &Publish,
    name: &str,
    hash: [u8; 32],
    before: Option<&Api>,
) -> Result<String> {
    if let Some(url) = &args.document_url {
        return Ok(url.clone());
    }
    let Some(drive) = &args.drive else { return Ok(String::new()) };
    // A link is made once for each document, not at each start.
    if let Some(before) = before {
        if before.listing.openapi_hash == hash && before.listing.document.starts_with("cairn:") {
            return Ok(before.listing.document.clone());
        }
    }
    let extension = args.openapi.extension().and_then(|extension| extension.to_str()).unwrap_or("yaml");
    file::store_and_link(context, &args.openapi, &format!("{drive}:/{name}.{extension}")).await
}

async fn find_mine(market: &Market, name: &str, signer: &Signer) -> Result<Option<u32>> {
    let view = market.client().best().await?;
    let offers = view.market_offers(market.place(), name).await?;
    let mine = offers.iter().filter(|offer| offer.provider == signer.account.0);
    Ok(mine.map(|offer| offer.api).max())
}

fn read_document(path: &std::path::Path) -> Result<Bytes> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("can't read {}", path.display()))?;
    file.take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

fn method(operation: &cairn_api::openapi::Operation) -> Method {
    Method {
        name: operation.name.clone(),
        units: u32::try_from(operation.units).unwrap_or(u32::MAX),
        deterministic: operation.deterministic,
    }
}

/// A name made of a title: `Weather, now!` becomes `weather-now`.
fn name_of(title: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let words: Vec<_> = title.split(|c| !plain(c)).filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").to_ascii_lowercase().chars().take(64).collect();
    let name = name.trim_matches(['-', '.']).to_string();
    if name.is_empty() {
        return Err(usage_with_remedy("the document's title makes no name", "give --name"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_make_names() {
        assert_eq!(name_of("Weather, now!").expect("a name"), "weather-now");
        assert_eq!(name_of("API v1.2").expect("a name"), "api-v1.2");
        assert_eq!(name_of("Acme Inc.").expect("a name"), "acme-inc");
        assert!(name_of("天気").is_err() && name_of("...").is_err());
    }
}
