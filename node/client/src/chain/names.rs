// SPDX-License-Identifier: Apache-2.0

//! Names: who has them, what they point to, what they cost.
//!
//! Labels, zones and records are those of `cairn-primitives`, which the runtime uses too.

use codec::{Decode, DecodeAll, Encode};
use subxt::ext::{scale_decode::DecodeAsType, scale_value::Value};

pub use cairn_primitives::names::{
    rr, text, Label, LabelError, NameError, Rdata, RelativeName, ResolvedName, ResolvedZone, RrSet, Zone, ZoneError,
    TLD, ZONE_BYTES_MAX,
};

use crate::{
    call::{arg, Call},
    view::decode,
    AccountId, Error, Hash, View,
};

/// More names than this are not looked through.
const NAMES_LISTED_MAX: usize = 1_000_000;
/// More commitments of one account than the chain takes.
const COMMITMENTS_LISTED_MAX: usize = 1_000;

/// A name's registration.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Registration {
    /// May do everything.
    pub owner: AccountId,
    /// May change records and delegations, too.
    pub manager: Option<AccountId>,
    /// Becomes the owner by accepting.
    pub pending_transfer: Option<AccountId>,
    /// First block after the term.
    pub expires_at: u32,
    /// Number of this registration; what hangs on another is dead.
    pub generation: u32,
    /// Held of the owner for the name's own records, in the smallest units.
    pub zone_deposit: u128,
}

/// A subdomain that was given to an account.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Delegation {
    /// May change the subdomain's records.
    pub owner: AccountId,
    /// The registration by which it was given away; under another it means nothing.
    pub generation: u32,
}

/// A commitment on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Commitment {
    /// Block in which it was made.
    pub committed_at: u32,
}

/// Whom governance keeps a label for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub enum Reservation {
    /// Nobody can register it.
    Nobody,
    /// This account alone can.
    For(AccountId),
}

/// How old a commitment must be, in blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitmentAge {
    /// At least.
    pub min_blocks: u32,
    /// At most.
    pub max_blocks: u32,
}

/// What an account says of the name it goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct PrimaryName {
    /// The registration that it was chosen under.
    pub generation: u32,
}

/// A name with what a server needs of it.
pub type Resolved = ResolvedName<AccountId>;

impl View {
    /// A name with its zones, if it is registered and not over.
    pub async fn resolve_name(&self, label: &Label) -> Result<Option<Resolved>, Error> {
        decode(&self.api_raw("NamesApi_resolve", &label.as_bytes()).await?)
    }

    /// A name with its zones and its registration, if it is registered and not over.
    pub async fn name(&self, label: &Label) -> Result<Option<(Resolved, Registration)>, Error> {
        let Some(resolved) = self.resolve_name(label).await? else { return Ok(None) };
        let registration = self.value("Names", "Names", (label.as_bytes().to_vec(),)).await?;
        Ok(Some((resolved, registration)))
    }

    /// Who has a subdomain that was given away, whatever became of the registration since.
    pub async fn delegation(&self, label: &Label, subdomain: &Label) -> Result<Option<Delegation>, Error> {
        // One key of two parts, not two keys.
        let key = (label.as_bytes().to_vec(), subdomain.as_bytes().to_vec());
        self.get("Names", "Subdomains", (key,)).await
    }

    /// What it would cost to register a name now, in the smallest units; `None` if it can't be had by just anybody, or
    /// not for so long.
    pub async fn name_price(&self, label: &Label, years: u8) -> Result<Option<u128>, Error> {
        decode(&self.api_raw("NamesApi_price", &(label.as_bytes(), years)).await?)
    }

    /// What it would cost to renew a name now, in the smallest units; `None` if it can't be renewed for so long.
    pub async fn renewal_price(&self, label: &Label, years: u8) -> Result<Option<u128>, Error> {
        decode(&self.api_raw("NamesApi_renewal_price", &(label.as_bytes(), years)).await?)
    }

    /// A commitment of an account.
    pub async fn commitment(&self, account: &AccountId, hash: &[u8; 32]) -> Result<Option<Commitment>, Error> {
        self.get("Names", "Commitments", (*account, *hash)).await
    }

    /// All commitments of an account, with their hashes.
    pub async fn commitments(&self, account: &AccountId) -> Result<Vec<([u8; 32], Commitment)>, Error> {
        let entries = self
            .entries::<(AccountId, [u8; 32]), (AccountId,), Commitment>(
                "Names",
                "Commitments",
                (*account,),
                COMMITMENTS_LISTED_MAX,
            )
            .await?;
        Ok(entries.into_iter().map(|((_, hash), commitment)| (hash, commitment)).collect())
    }

    /// Whom governance keeps a label for.
    pub async fn reservation(&self, label: &Label) -> Result<Option<Reservation>, Error> {
        self.get("Names", "Reserved", (label.as_bytes().to_vec(),)).await
    }

    /// How old commitments must be.
    pub fn commitment_age(&self) -> Result<CommitmentAge, Error> {
        Ok(CommitmentAge {
            min_blocks: self.constant("Names", "CommitmentAgeMinBlocks")?,
            max_blocks: self.constant("Names", "CommitmentAgeMaxBlocks")?,
        })
    }

    /// What is held for an open commitment, in the smallest units.
    pub fn commitment_deposit(&self) -> Result<u128, Error> {
        self.constant("Names", "CommitmentDeposit")
    }

    /// What is held for a delegation or a primary name, in the smallest units.
    pub fn entry_deposit(&self) -> Result<u128, Error> {
        self.constant("Names", "EntryDeposit")
    }

    /// What is held for a zone, in the smallest units.
    pub fn records_deposit(&self, zone: &Zone) -> Result<u128, Error> {
        if zone.is_empty() {
            return Ok(0);
        }
        let base: u128 = self.constant("Names", "ZoneDepositBase")?;
        let per_byte: u128 = self.constant("Names", "ZoneDepositPerByte")?;
        Ok(base.saturating_add(per_byte.saturating_mul(zone.bytes().into())))
    }

    /// An account's names, those in grace among them.
    pub async fn names_of(&self, owner: &AccountId) -> Result<Vec<(Label, Registration)>, Error> {
        let mut found = Vec::new();
        for (label, registration) in self.registrations().await? {
            if registration.owner == *owner && self.resolve_name(&label).await?.is_some() {
                found.push((label, registration));
            }
        }
        Ok(found)
    }

    /// Names in an order of the chain's own, at most `limit` of them, from behind `after` on; those whose registration is
    /// over have nothing with them. Empty after the last.
    pub async fn names_after(
        &self,
        after: Option<&Label>,
        limit: u32,
    ) -> Result<Vec<(Label, Option<Resolved>)>, Error> {
        decode(&self.api_raw("NamesApi_names_after", &(after.map(Label::as_bytes), limit)).await?)
    }

    /// All registrations there are on the chain; some may be over.
    pub async fn registrations(&self) -> Result<Vec<(Label, Registration)>, Error> {
        let entries = self.entries::<(Vec<u8>,), (), Registration>("Names", "Names", (), NAMES_LISTED_MAX).await?;
        entries.into_iter().map(|((label,), registration)| Ok((self::label(&label)?, registration))).collect()
    }

    /// Whether an account says that it goes by a name, true or not: there is a deposit for it.
    pub async fn has_primary_name(&self, account: &AccountId) -> Result<bool, Error> {
        let said: Option<PrimaryName> = self.get("Names", "PrimaryNames", (*account,)).await?;
        Ok(said.is_some())
    }

    /// The name that an account goes by, if both directions agree.
    pub async fn primary_name(&self, account: &AccountId) -> Result<Option<Label>, Error> {
        let found: Option<Vec<u8>> = decode(&self.api_raw("NamesApi_primary_of", account).await?)?;
        found.as_deref().map(label).transpose()
    }

    /// The names of which something that a server answers changed in this block.
    pub async fn changed_names(&self) -> Result<Vec<Label>, Error> {
        let events = self.events_named("Names", "ZoneChanged").await?;
        let mut changed = Vec::new();
        for fields in events {
            let label = Label::decode(&mut &fields[..]).map_err(Error::malformed)?;
            if !changed.contains(&label) {
                changed.push(label);
            }
        }
        Ok(changed)
    }
}

impl Commitment {
    /// Whether it is too old to serve in the block after `now`.
    pub fn is_over(&self, age: CommitmentAge, now: u32) -> bool {
        now >= self.committed_at.saturating_add(age.max_blocks)
    }
}

fn label(bytes: &[u8]) -> Result<Label, Error> {
    Label::try_from(bytes).map_err(|error| Error::malformed(format!("a label on the chain is not one: {error}")))
}

/// The hash that hides a claim to a name.
pub fn commitment_hash(
    genesis: &Hash,
    label: &Label,
    owner: &AccountId,
    years: u8,
    salt: &[u8; 32],
    zone: &Zone,
) -> [u8; 32] {
    use cairn_primitives::names::{commitment_hash, records_hash};
    commitment_hash(&genesis.0, label, &owner.0, years, salt, &records_hash(zone))
}

/// A zone in its SCALE encoding.
pub fn encode_zone(zone: &Zone) -> Vec<u8> {
    zone.encode()
}

/// A zone from its SCALE encoding, if it is a valid one.
pub fn decode_zone(bytes: &[u8]) -> Option<Zone> {
    Zone::decode_all(&mut &*bytes).ok()
}

fn label_value(label: &Label) -> Value {
    arg::bytes(label.as_bytes())
}

fn subdomain_value(subdomain: Option<&Label>) -> Value {
    arg::option(subdomain.map(label_value))
}

fn set_value(set: &RrSet) -> Value {
    let data: Vec<Value> = set.rdata.iter().map(|data| arg::bytes(data)).collect();
    Value::named_composite([
        ("name", arg::bytes(set.name.as_wire())),
        ("rtype", Value::u128(set.rtype.into())),
        ("ttl_seconds", Value::u128(set.ttl_seconds.into())),
        ("rdata", Value::unnamed_composite(data)),
    ])
}

fn records_value(zone: &Zone) -> Value {
    Value::unnamed_composite(zone.rrsets().iter().map(set_value).collect::<Vec<_>>())
}

/// Hides a claim to a name.
pub fn commit(hash: &[u8; 32]) -> Call {
    Call::new("Names", "commit", [("hash", arg::bytes(hash))])
}

/// Removes a commitment that is too old to serve; its deposit comes back.
pub fn purge_commitment(owner: &AccountId, hash: &[u8; 32]) -> Call {
    Call::new("Names", "purge_commitment", [("owner", arg::account(owner)), ("hash", arg::bytes(hash))])
}

/// Registers the name that a commitment was for.
pub fn register(label: &Label, years: u8, salt: &[u8; 32], zone: &Zone, max_price: u128) -> Call {
    Call::new(
        "Names",
        "register",
        [
            ("label", label_value(label)),
            ("years", Value::u128(years.into())),
            ("salt", arg::bytes(salt)),
            ("records", records_value(zone)),
            ("max_price", Value::u128(max_price)),
        ],
    )
}

/// Pays for more years.
pub fn renew(label: &Label, years: u8, max_price: u128) -> Call {
    Call::new(
        "Names",
        "renew",
        [("label", label_value(label)), ("years", Value::u128(years.into())), ("max_price", Value::u128(max_price))],
    )
}

/// Puts a set of records into a zone.
pub fn set_rrset(label: &Label, subdomain: Option<&Label>, set: &RrSet) -> Call {
    Call::new(
        "Names",
        "set_rrset",
        [("label", label_value(label)), ("subdomain", subdomain_value(subdomain)), ("rrset", set_value(set))],
    )
}

/// Takes a set of records out of a zone.
pub fn clear_rrset(label: &Label, subdomain: Option<&Label>, name: &RelativeName, rtype: u16) -> Call {
    Call::new(
        "Names",
        "clear_rrset",
        [
            ("label", label_value(label)),
            ("subdomain", subdomain_value(subdomain)),
            ("name", arg::bytes(name.as_wire())),
            ("rtype", Value::u128(rtype.into())),
        ],
    )
}

/// Puts other records in the place of all that a zone holds.
pub fn replace_zone(label: &Label, subdomain: Option<&Label>, zone: &Zone) -> Call {
    Call::new(
        "Names",
        "replace_zone",
        [("label", label_value(label)), ("subdomain", subdomain_value(subdomain)), ("records", records_value(zone))],
    )
}

/// Gives a subdomain an owner and a zone of its own.
pub fn set_subdomain_owner(label: &Label, subdomain: &Label, owner: &AccountId) -> Call {
    Call::new(
        "Names",
        "set_subdomain_owner",
        [("label", label_value(label)), ("subdomain", label_value(subdomain)), ("owner", arg::account(owner))],
    )
}

/// Takes a subdomain back.
pub fn revoke_subdomain(label: &Label, subdomain: &Label) -> Call {
    Call::new("Names", "revoke_subdomain", [("label", label_value(label)), ("subdomain", label_value(subdomain))])
}

/// Offers a name to an account, or to none.
pub fn propose_transfer(label: &Label, to: Option<&AccountId>) -> Call {
    let to = arg::option(to.map(arg::account));
    Call::new("Names", "propose_transfer", [("label", label_value(label)), ("to", to)])
}

/// Takes over a name that was offered.
pub fn accept_transfer(label: &Label) -> Call {
    Call::new("Names", "accept_transfer", [("label", label_value(label))])
}

/// Names who may change the records besides the owner.
pub fn set_manager(label: &Label, manager: Option<&AccountId>) -> Call {
    let manager = arg::option(manager.map(arg::account));
    Call::new("Names", "set_manager", [("label", label_value(label)), ("manager", manager)])
}

/// Sets the name that the signer goes by.
pub fn set_primary(label: Option<&Label>) -> Call {
    Call::new("Names", "set_primary", [("label", arg::option(label.map(label_value)))])
}

/// Gives a name up.
pub fn release(label: &Label) -> Call {
    Call::new("Names", "release", [("label", label_value(label))])
}
