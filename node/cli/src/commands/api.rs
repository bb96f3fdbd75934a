// SPDX-License-Identifier: Apache-2.0

//! `cairn api`: the marketplace of APIs.

mod badge;
mod call;
mod earnings;
mod fund;
mod help;
mod list;
mod manage;
mod place;
mod proxy;
mod publish;
mod rate;
mod serve;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

use self::help::{API_HELP, BADGE_HELP, CALL_HELP, FUND_HELP, PLANS_HELP, PROXY_HELP, REPORT_HELP, SERVE_HELP};
use crate::{context::Context, failure::Result, output::Report};

/// The marketplace of APIs.
#[derive(Debug, Subcommand)]
#[command(after_help = API_HELP)]
pub enum Command {
    /// Sell calls of an HTTP server: list it, check requests, take vouchers, redeem them
    #[command(after_help = SERVE_HELP)]
    Serve(Box<Serve>),
    /// List an API in the marketplace, or change its listing, without serving it
    Publish(Box<Publish>),
    /// Look at an OpenAPI document: which operations can be sold, and why the others can't
    #[command(
        after_help = "Examples:\n  cairn api check weather.yaml\n  cairn api check big.json --only getUser --only 'GET /users'"
    )]
    Check {
        /// The document (OpenAPI 3.0 or 3.1), in YAML or JSON
        file: PathBuf,
        /// Only operations of these names
        #[arg(long, value_name = "OPERATION")]
        only: Vec<String>,
    },
    /// List what is offered
    #[command(after_help = "Examples:\n  cairn api list\n  cairn api list --name weather --json")]
    List {
        /// Only offers of this name
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Show one API: prices, methods, promises, what others say of it
    Show {
        /// Number of the API
        api: u32,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Call an API once, through the best provider
    #[command(after_help = CALL_HELP)]
    Call(Box<Call>),
    /// Give programs on this machine a base URL for every API of the marketplace
    #[command(after_help = PROXY_HELP)]
    Proxy(Box<Proxy>),
    /// Print the base URL of an API at this machine's proxy, with the token that lets programs in
    #[command(after_help = "Examples:\n  curl \"$(cairn api url weather --account alice)/now?city=Zurich\"")]
    Url {
        /// Name of the API; without it, the proxy's own page
        name: Option<String>,
        /// Where the proxy listens
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9970")]
        proxy: SocketAddr,
        #[command(flatten)]
        place: PlaceArgs,
        #[command(flatten)]
        data: DataDir,
    },
    /// Tell consumers not to call an API for now
    Pause {
        /// Number of the API
        api: u32,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Take calls of an API again
    Resume {
        /// Number of the API
        api: u32,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// End an API for good; its bond can be taken back after the thaw
    #[command(
        after_help = "Examples:\n  cairn api retire 0 --account bob\n  cairn api bond 0 --account bob      # after the thaw"
    )]
    Retire {
        /// Number of the API
        api: u32,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Take the bond of a retired API back
    Bond {
        /// Number of the API
        api: u32,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Deposit coins that pay for calls, and let this machine spend them: up to a cap, until a time
    #[command(after_help = FUND_HELP)]
    Fund(Box<Fund>),
    /// Take coins back out of the marketplace: ask for it, wait for the thaw, and take them
    Withdraw {
        /// How much to ask for; without it, what has thawed is taken
        #[arg(value_name = "AMOUNT")]
        amount: Option<String>,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// List an API's plans and what is left of one's own, add one, or subscribe to one
    #[command(after_help = PLANS_HELP)]
    Plans(Box<Plans>),
    /// Let a user of yours, who has a key and no account, call an API at your cost: sign a badge for it
    #[command(after_help = BADGE_HELP)]
    Badge(Box<Badge>),
    /// Rate an API that was paid for, from 1 to 5 stars
    Rate {
        /// Number of the API
        api: u32,
        /// Stars
        #[arg(value_parser = clap::value_parser!(u8).range(1..=5))]
        stars: u8,
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Attest how this machine's calls of an API went: how many, how many failed, how long they took
    #[command(
        after_help = "Counts calls whose vouchers were redeemed.\n\nExamples:\n  cairn api attest 0 --account alice"
    )]
    Attest {
        /// Number of the API
        api: u32,
        #[command(flatten)]
        place: PlaceArgs,
        #[command(flatten)]
        data: DataDir,
    },
    /// Show the marketplace that a provider signed two answers to one request: half of its bond is yours
    #[command(after_help = REPORT_HELP)]
    Report {
        /// The proof, as `cairn api proxy` has kept it
        file: PathBuf,
    },
    /// Show what an API has earned, and redeem what is due
    #[command(
        after_help = "Examples:\n  cairn api earnings 0 --account bob\n  cairn api earnings 0 --redeem --account bob"
    )]
    Earnings {
        /// Number of the API
        api: u32,
        /// Redeem all that is due and more than its fee, and collect what plans have earned
        #[arg(long)]
        redeem: bool,
        /// A subscriber whose plan has earned something, besides those in the books
        #[arg(long, value_name = "ADDRESS")]
        subscriber: Vec<String>,
        #[command(flatten)]
        place: PlaceArgs,
        #[command(flatten)]
        data: DataDir,
    },
}

/// Which marketplace.
#[derive(Args, Debug)]
pub struct PlaceArgs {
    /// The marketplace's address [default: CAIRN_MARKETPLACE, or `marketplace` in the configuration]
    #[arg(long, value_name = "ADDRESS")]
    contract: Option<String>,
}

/// Where books and keys are.
#[derive(Args, Debug)]
pub struct DataDir {
    /// Folder of the books and keys [default: beside the accounts]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What is listed.
#[derive(Args, Debug)]
pub struct Publish {
    /// The OpenAPI document (3.0 or 3.1), in YAML or JSON
    #[arg(long, value_name = "FILE")]
    openapi: PathBuf,
    /// Sell only operations of these names [default: all that can be sold, 64 at most]
    #[arg(long, value_name = "OPERATION")]
    only: Vec<String>,
    /// Name in the marketplace: a-z, 0-9, `-` and `.` [default: made of the document's title]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Price of a compute unit; an operation takes 1, or its x-cairn-units
    #[arg(long, value_name = "AMOUNT")]
    price: String,
    /// Base URL at which consumers reach the proxy
    #[arg(long, value_name = "URL")]
    endpoint: Vec<String>,
    /// Coins at stake for true answers [default: the least that the marketplace takes]
    #[arg(long, value_name = "AMOUNT")]
    bond: Option<String>,
    /// Units that each consumer has for nothing
    #[arg(long, value_name = "N", default_value_t = 0)]
    free_units: u64,
    /// Promise: nineteen of twenty calls take no longer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    p95_ms: u32,
    /// Promise: share of the time that it can be reached
    #[arg(long, value_name = "PERCENT", default_value = "99%")]
    availability: String,
    /// Word to find it by
    #[arg(long, value_name = "WORD")]
    tag: Vec<String>,
    /// A .cairn name that the API claims
    #[arg(long, value_name = "NAME")]
    cairn_name: Option<String>,
    /// Keep the document in this drive, and list a link to it
    #[arg(long, value_name = "DRIVE")]
    drive: Option<String>,
    /// List this URL of the document
    #[arg(long, value_name = "URL", conflicts_with = "drive")]
    document_url: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    data: DataDir,
}

/// What is served, and how.
#[derive(Args, Debug)]
pub struct Serve {
    #[command(flatten)]
    publish: Publish,
    /// Base URL of the HTTP server behind
    #[arg(long, value_name = "URL")]
    upstream: String,
    /// Listen for consumers
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9971")]
    listen: SocketAddr,
    /// Certificate chain in PEM: consumers come by https
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Certificates in PEM that an https upstream may have, besides the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Most that is delivered to one consumer and not redeemed
    #[arg(long, value_name = "AMOUNT", default_value = "10")]
    exposure: String,
    /// Calls a second of one consumer
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    rate: u32,
    /// Bytes of a request's body
    #[arg(long, value_name = "BYTES", default_value = "1MiB")]
    body_max: String,
    /// How long the upstream may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    upstream_timeout: u64,
    /// Redeem once this many times the fee is due
    #[arg(long, value_name = "N", default_value_t = 20)]
    redeem_fees: u32,
    /// Redeem at all once something is due for this long, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    redeem_after: u64,
    /// Serve Prometheus metrics at this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
}

/// How calls are paid for.
#[derive(Args, Debug)]
pub struct Spending {
    /// Most for one call
    #[arg(long, value_name = "AMOUNT", default_value = "0.1")]
    cap_call: String,
    /// Most for one day (UTC)
    #[arg(long, value_name = "AMOUNT", default_value = "10")]
    cap_day: String,
    /// Most in all
    #[arg(long, value_name = "AMOUNT", default_value = "100")]
    cap_total: String,
    /// Paid ahead at first; afterwards as much as was delivered before
    #[arg(long, value_name = "AMOUNT", default_value = "0.01")]
    step_min: String,
    /// Most that is paid ahead at once
    #[arg(long, value_name = "AMOUNT", default_value = "1")]
    step_max: String,
    /// Ask another provider, too, for one of so many deterministic calls
    #[arg(long, value_name = "N", default_value_t = 64)]
    cross_check_every: u32,
    /// Have one of so many answers signed, and check it
    #[arg(long, value_name = "N", default_value_t = 16)]
    attest_every: u32,
    /// How long a provider has before the next one is asked, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    patience: u64,
    /// Certificates in PEM that an https endpoint may have, besides the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Use http endpoints on other machines: whoever is on the way can read and spend what was paid ahead
    #[arg(long)]
    allow_plain: bool,
    /// Use endpoints on this machine and in private networks: a provider may name one that is not its own
    #[arg(long)]
    allow_local: bool,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    data: DataDir,
}

/// One call.
#[derive(Args, Debug)]
pub struct Call {
    /// Name of the API
    name: String,
    /// Path and query below its base URL
    target: String,
    /// HTTP method [default: GET, or POST with --body]
    #[arg(long, short = 'X', value_name = "METHOD")]
    method: Option<String>,
    /// A header, `name: value`
    #[arg(long, short = 'H', value_name = "HEADER")]
    header: Vec<String>,
    /// Body, or @FILE, or @- for standard input; JSON unless a header says otherwise
    #[arg(long, short = 'b', value_name = "TEXT")]
    body: Option<String>,
    /// Call with this badge, at the cost of whoever gave it: no account is needed
    #[arg(long, value_name = "FILE", requires = "key")]
    badge: Option<PathBuf>,
    /// File of the key that the badge is for
    #[arg(long, value_name = "FILE", requires = "badge")]
    key: Option<PathBuf>,
    #[command(flatten)]
    spending: Spending,
}

/// A permission for a user.
#[derive(Args, Debug)]
pub struct Badge {
    /// Make a key for a user in this file, and print its public key
    #[arg(long, value_name = "FILE", conflicts_with_all = ["api", "user", "units"])]
    new_key: Option<PathBuf>,
    /// Number of the API
    #[arg(long, value_name = "N", required_unless_present = "new_key", requires_all = ["user", "units"])]
    api: Option<u32>,
    /// The user's public key: 0x and 64 hex digits, or an address
    #[arg(long, value_name = "KEY")]
    user: Option<String>,
    /// Most units that the user may use in all, over all of its badges
    #[arg(long, value_name = "N")]
    units: Option<u64>,
    /// For how many days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Write the badge to this file [default: print it]
    #[arg(long, value_name = "FILE", conflicts_with = "new_key")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    data: DataDir,
}

/// The consumer's daemon.
#[derive(Args, Debug)]
pub struct Proxy {
    /// Listen for programs
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9970")]
    listen: SocketAddr,
    /// Listen on an address that others can reach, too: they spend your coins
    #[arg(long)]
    allow_others: bool,
    /// A name of this machine by which the proxy may be called
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// A web page's origin that may call it: https://page.example. The page needs the token, too
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Let programs in that show no token: any user of this machine can spend your coins then
    #[arg(long)]
    without_token: bool,
    /// Serve Prometheus metrics at this address
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    #[command(flatten)]
    spending: Spending,
}

/// What pays for calls.
#[derive(Args, Debug)]
pub struct Fund {
    /// Coins to deposit
    #[arg(long, value_name = "AMOUNT")]
    deposit: Option<String>,
    /// Most that this machine may spend in all under this authorisation
    #[arg(long, value_name = "AMOUNT", default_value = "10")]
    cap: String,
    /// For how many days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Take the authorisation back instead
    #[arg(long, conflicts_with_all = ["deposit"])]
    revoke: bool,
    /// Close the authorisation once it has ended: what was set aside for it comes back
    #[arg(long, conflicts_with_all = ["deposit", "revoke"])]
    close: bool,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    data: DataDir,
}

/// Plans of an API.
#[derive(Args, Debug)]
pub struct Plans {
    /// Number of the API
    api: u32,
    /// Buy a period of this plan
    #[arg(long, value_name = "N")]
    subscribe: Option<u16>,
    /// Take no more subscriptions for this plan of an own API
    #[arg(long, value_name = "N", conflicts_with_all = ["subscribe", "add"])]
    close: Option<u16>,
    /// End the own subscription with the period that runs: what later ones cost comes back
    #[arg(long, conflicts_with_all = ["subscribe", "add", "close"])]
    cancel: bool,
    /// Offer a plan of this name
    #[arg(long, value_name = "NAME", requires_all = ["price", "units"], conflicts_with = "subscribe")]
    add: Option<String>,
    /// Price of a period
    #[arg(long, value_name = "AMOUNT")]
    price: Option<String>,
    /// Units in a period
    #[arg(long, value_name = "N")]
    units: Option<u64>,
    /// Length of a period in days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=400))]
    days: u32,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    data: DataDir,
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Serve(args) => Box::pin(serve::serve(context, *args)).await,
        Command::Publish(args) => publish::publish(context, &args).await.map(|published| published.report()),
        Command::List { name, place } => Box::pin(list::list(context, name.as_deref(), &place)).await,
        Command::Show { api, place } => Box::pin(list::show(context, api, &place)).await,
        Command::Check { file, only } => publish::check(&file, &only),
        Command::Url { name, proxy, place, data } => {
            Box::pin(proxy::url(context, name.as_deref(), proxy, &place, &data)).await
        },
        Command::Pause { api, place } => Box::pin(manage::pause(context, api, true, &place)).await,
        Command::Resume { api, place } => Box::pin(manage::pause(context, api, false, &place)).await,
        Command::Retire { api, place } => Box::pin(manage::retire(context, api, &place)).await,
        Command::Bond { api, place } => Box::pin(manage::bond(context, api, &place)).await,
        Command::Call(args) => Box::pin(call::call(context, *args)).await,
        Command::Proxy(args) => Box::pin(proxy::proxy(context, *args)).await,
        Command::Fund(args) => Box::pin(fund::fund(context, &args)).await,
        Command::Withdraw { amount, place } => Box::pin(fund::withdraw(context, amount.as_deref(), &place)).await,
        Command::Plans(args) => Box::pin(rate::plans(context, &args)).await,
        Command::Badge(args) => Box::pin(badge::badge(context, &args)).await,
        Command::Rate { api, stars, place } => Box::pin(rate::rate(context, api, stars, &place)).await,
        Command::Attest { api, place, data } => Box::pin(rate::attest(context, api, &place, &data)).await,
        Command::Report { file } => Box::pin(rate::report(context, &file)).await,
        Command::Earnings { api, redeem, subscriber, place, data } => {
            earnings::earnings(context, api, redeem, &subscriber, &place, &data).await
        },
    }
}
