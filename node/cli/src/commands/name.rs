// SPDX-License-Identifier: Apache-2.0

//! `cairn name`: names of one's own, and what they point to.

mod difference;
mod edit;
mod label;
mod manage;
mod master;
mod pending;
mod price;
mod read;
mod records;
mod register;
mod show;
mod zone;

use clap::Subcommand;

use crate::{context::Context, failure::Result, output::Report};
use records::RecordArgs;
use zone::ReplaceArgs;

/// Names: register, point somewhere, renew, hand over.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What a name costs, and whether it is free
    #[command(after_help = "Example:\n  cairn name price blog --years 2")]
    Price {
        /// The name: blog or blog.cairn
        name: String,
        /// Years to register it for
        #[arg(long, default_value_t = 1)]
        years: u8,
    },
    /// Register a name: commit, wait, register, in one go
    #[command(after_help = REGISTER_HELP)]
    Register {
        /// The name: blog or blog.cairn
        name: String,
        /// Years to register it for [default: 1]
        #[arg(long)]
        years: Option<u8>,
        /// Most that the years may cost [default: what they cost now]
        #[arg(long, value_name = "AMOUNT")]
        max_price: Option<String>,
        #[command(flatten)]
        records: RecordArgs,
        /// Forget what was begun for this name, and begin anew
        #[arg(long)]
        restart: bool,
    },
    /// Take back commitments that have become too old, and their deposits
    Purge,
    /// Add years; anybody may pay for them
    #[command(after_help = "Example:\n  cairn name renew blog --years 3 --account alice")]
    Renew {
        /// The name
        name: String,
        /// Years to add
        #[arg(long, default_value_t = 1)]
        years: u8,
        /// Most that the years may cost [default: what they cost now]
        #[arg(long, value_name = "AMOUNT")]
        max_price: Option<String>,
    },
    /// Set all records of one type at a name
    #[command(after_help = SET_HELP)]
    Set {
        /// The name, or one below it: blog, www.blog, '*.blog.cairn'
        name: String,
        /// Type: A, AAAA, CNAME, TXT, MX, SRV, NS, DS, TLSA, CAA, SVCB, HTTPS, ALIAS, SITE, ONION, ACCOUNT, VAULT
        #[arg(value_name = "TYPE")]
        rtype: String,
        /// Data, a record each, as in a zone file; a text without quotes is one text
        #[arg(required = true)]
        data: Vec<String>,
        /// Seconds for which others may keep them
        #[arg(long, default_value_t = records::TTL_SECONDS_DEFAULT, value_name = "SECONDS")]
        ttl: u32,
    },
    /// Add records of one type at a name to those there are
    #[command(after_help = ADD_HELP)]
    Add {
        /// The name, or one below it
        name: String,
        /// Type of the records
        #[arg(value_name = "TYPE")]
        rtype: String,
        /// Data, a record each, as in a zone file; a text without quotes is one text
        #[arg(required = true)]
        data: Vec<String>,
        /// Seconds for which others may keep all records of this type at the name [default: as it is, or 3600]
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<u32>,
    },
    /// Remove single records of one type at a name; the others stay
    #[command(after_help = "Example:\n  cairn name remove blog A 192.0.2.8 --account alice")]
    Remove {
        /// The name, or one below it
        name: String,
        /// Type of the records
        #[arg(value_name = "TYPE")]
        rtype: String,
        /// Data, a record each, as `name show` prints them
        #[arg(required = true)]
        data: Vec<String>,
    },
    /// Remove all records of one type at a name; what was held for them is free again
    #[command(after_help = "Example:\n  cairn name clear www.blog TXT --account alice")]
    Clear {
        /// The name, or one below it
        name: String,
        /// Type of the records
        #[arg(value_name = "TYPE")]
        rtype: String,
    },
    /// Replace all records of a name by those of a zone file
    #[command(after_help = ZONE_HELP)]
    Zone {
        /// The name, or a subdomain that has its own owner
        name: String,
        #[command(flatten)]
        args: ReplaceArgs,
    },
    /// Show a name: owner, end, records
    #[command(after_help = SHOW_HELP)]
    Show {
        /// The name, or a subdomain that has its own owner
        name: String,
        /// Print the records as a zone file, which `name zone` and other name servers read
        #[arg(long)]
        zone_file: bool,
    },
    /// List the names of an account
    List {
        /// Address, stored account or //Alice [default: the account that would sign]
        owner: Option<String>,
    },
    /// Offer a name to another account, which then accepts it
    #[command(after_help = "Example:\n  cairn name transfer blog 5Gr… --account alice")]
    Transfer {
        /// The name
        name: String,
        /// Who shall have it
        #[arg(required_unless_present = "cancel")]
        to: Option<String>,
        /// Take an offer back
        #[arg(long, conflicts_with = "to")]
        cancel: bool,
    },
    /// Accept a name that was offered
    Accept {
        /// The name
        name: String,
    },
    /// Let another account set the records, but not sell the name
    #[command(after_help = "Example:\n  cairn name manager blog 5Gr… --account alice")]
    Manager {
        /// The name
        name: String,
        /// Who shall set the records
        #[arg(required_unless_present = "remove")]
        manager: Option<String>,
        /// Nobody but the owner any more
        #[arg(long, conflicts_with = "manager")]
        remove: bool,
    },
    /// Give up a name; what was held for it is free again, the price is not paid back
    Release {
        /// The name
        name: String,
    },
    /// Say which of the names this account goes by; the name's ACCOUNT record must name the account
    #[command(after_help = PRIMARY_HELP)]
    Primary {
        /// The name
        #[arg(required_unless_present = "remove")]
        name: Option<String>,
        /// By none any more
        #[arg(long, conflicts_with = "name")]
        remove: bool,
    },
    /// Give a subdomain to another account, with a zone of its own
    #[command(after_help = "Example:\n  cairn name subdomain shop.blog 5Gr… --account alice")]
    Subdomain {
        /// The subdomain: shop.blog
        name: String,
        /// Who shall have it
        #[arg(required_unless_present = "revoke")]
        owner: Option<String>,
        /// Take it back; its records go
        #[arg(long, conflicts_with = "owner")]
        revoke: bool,
    },
}

const REGISTER_HELP: &str = "\
First a hash is committed that hides the name, then the name is registered: nobody who sees the registration on its way can
take the name before you. The wait between the two is the chain's. What was begun is kept in a file: the same command goes
on where it was stopped.

Examples:
  cairn name register blog --years 2 --a 192.0.2.7 --account alice
  cairn name register shop --a 192.0.2.7 --record 'www CNAME shop.cairn.' --record '@ MX 10 mail.example.'
  cairn name register blog --zone blog.zone";

const SET_HELP: &str = "\
Examples:
  cairn name set blog A 192.0.2.7 192.0.2.8 --account alice
  cairn name set www.blog CNAME blog.cairn. --account alice
  cairn name set blog TXT 'v=spf1 -all' --ttl 300 --account alice
  cairn name set _https._tcp.blog SRV '0 5 443 blog.cairn.' --account alice";

const ADD_HELP: &str = "\
Runs on one machine wait for each other, so that two hooks of a certificate's client don't undo each other's work.

Example:
  cairn name add _acme-challenge.blog TXT \"$CERTBOT_VALIDATION\" --ttl 60 --account alice --yes";

const ZONE_HELP: &str = "\
A master file (RFC 1035): `NAME [TTL] [IN] TYPE DATA`, $ORIGIN and $TTL, parentheses, `;` before a remark.
NAME is below the name, or @ for the name itself, or is left out for that of the line before.

  $TTL 1h
  @       300 A     192.0.2.7
              MX    10 mail
  mail        A     192.0.2.8
  www         CNAME blog.cairn.      ; names of more than one label end with a dot
  *.user      TXT   \"one of many\"

What is removed and added is shown before anything is sent. A name has at most 64 records and 4,096 bytes, 8 records of one
type at one place, 4 labels below it, and times to live of 60 to 604,800 seconds (others are moved to the nearest of these).
Passed over, and said, are SOA, records of DNSSEC, and NS of the name itself: those are .cairn's.
Texts of more than 255 bytes are split.

Examples:
  cairn name zone blog blog.zone --dry-run
  cairn name show blog --zone-file >blog.zone; $EDITOR blog.zone; cairn name zone blog blog.zone --account alice";

const SHOW_HELP: &str = "\
Examples:
  cairn name show blog.cairn
  cairn name show blog --zone-file >blog.zone";

const PRIMARY_HELP: &str = "\
Both directions must agree. Example:
  cairn name set blog ACCOUNT alice --account alice
  cairn name primary blog --account alice";

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Price { name, years } => Box::pin(price::price(context, &name, years)).await,
        Command::Register { name, years, max_price, records, restart } => {
            register::register(context, &name, years, max_price.as_deref(), &records, restart).await
        },
        Command::Purge => Box::pin(register::purge(context)).await,
        Command::Renew { name, years, max_price } => {
            Box::pin(price::renew(context, &name, years, max_price.as_deref())).await
        },
        Command::Set { name, rtype, data, ttl } => Box::pin(zone::set(context, &name, &rtype, &data, ttl)).await,
        Command::Clear { name, rtype } => Box::pin(zone::clear(context, &name, &rtype)).await,
        Command::Add { name, rtype, data, ttl } => Box::pin(edit::add(context, &name, &rtype, &data, ttl)).await,
        Command::Remove { name, rtype, data } => Box::pin(edit::remove(context, &name, &rtype, &data)).await,
        Command::Zone { name, args } => Box::pin(zone::replace(context, &name, &args)).await,
        Command::Show { name, zone_file } => Box::pin(show::show(context, &name, zone_file)).await,
        Command::List { owner } => Box::pin(show::list(context, owner.as_deref())).await,
        Command::Transfer { name, to, .. } => Box::pin(manage::transfer(context, &name, to.as_deref())).await,
        Command::Accept { name } => Box::pin(manage::accept(context, &name)).await,
        Command::Manager { name, manager, .. } => Box::pin(manage::manager(context, &name, manager.as_deref())).await,
        Command::Release { name } => Box::pin(manage::release(context, &name)).await,
        Command::Primary { name, .. } => Box::pin(manage::primary(context, name.as_deref())).await,
        Command::Subdomain { name, owner, .. } => Box::pin(manage::subdomain(context, &name, owner.as_deref())).await,
    }
}
