// SPDX-License-Identifier: Apache-2.0

//! What every command has at hand: settings, output, stored accounts, the connection.

use std::sync::{Mutex, PoisonError};

use cairn_client::{address::from_address, keys::Keypair, AccountId, Client, Properties};
use tokio::sync::OnceCell;

use crate::{
    amount::Token,
    args::GlobalArgs,
    config::{process_env, Settings},
    failure::{failed, usage_with_remedy, Result},
    keystore::{check_name, Keystore},
    output::Output,
    secrets,
};

/// What every command has at hand.
pub struct Context {
    /// The settings.
    pub settings: Settings,
    /// Where things are shown.
    pub output: Output,
    /// The stored accounts.
    pub keystore: Keystore,
    /// Nothing is asked before spending.
    pub yes: bool,
    allow_dev_keys: bool,
    client: OnceCell<Client>,
    /// The stored account's key that was unlocked last: a command of several transactions asks for it once.
    unlocked: Mutex<Option<(String, Keypair)>>,
}

/// An account that will sign; its key is not needed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// As the user named it.
    pub name: String,
    /// The account.
    pub account: AccountId,
}

impl Signer {
    fn is_dev(&self) -> bool {
        is_dev_uri(&self.name)
    }
}

/// Whether a text names a well-known development key.
pub fn is_dev_uri(text: &str) -> bool {
    text.starts_with("//")
}

impl Context {
    /// Puts everything together; nothing is connected or read yet.
    pub fn new(args: &GlobalArgs) -> Result<Self> {
        let settings = Settings::load(args, &process_env)?;
        Ok(Self {
            keystore: Keystore::new(&settings.keystore.value),
            output: Output::new(args.json, args.quiet),
            settings,
            yes: args.yes,
            allow_dev_keys: args.allow_dev_keys,
            client: OnceCell::new(),
            unlocked: Mutex::default(),
        })
    }

    /// The connection to the chain, made when it is first needed.
    pub async fn client(&self) -> Result<&Client> {
        let connect = || async {
            for url in self.settings.urls.value.iter().filter(|url| cairn_client::is_exposed(url)) {
                self.output.warn(&format!(
                    "{url} is not encrypted: whoever is on the way can change what the node says, and what you sign by it; use wss://, or \
                     a node on this machine"
                ));
            }
            Client::connect(&self.settings.urls.value).await
        };
        Ok(self.client.get_or_try_init(connect).await?)
    }

    /// The chain's coin.
    ///
    /// # Errors
    /// It failed if the node names another coin than Cairn's.
    pub async fn token(&self) -> Result<Token> {
        token(self.client().await?.properties().await?)
    }

    /// The address of an account on the connected chain.
    pub async fn address(&self, account: &AccountId) -> Result<String> {
        Ok(self.client().await?.properties().await?.address(account))
    }

    /// The address of an account, if there is one.
    pub async fn address_of(&self, account: Option<&AccountId>) -> Result<Option<String>> {
        match account {
            Some(account) => self.address(account).await.map(Some),
            None => Ok(None),
        }
    }

    /// The account that a text names, if there is one.
    pub async fn resolve_any(&self, text: Option<&str>) -> Result<Option<AccountId>> {
        match text {
            Some(text) => self.resolve(text).await.map(Some),
            None => Ok(None),
        }
    }

    /// The account that a text names: an address, a stored account, or a development key.
    pub async fn resolve(&self, text: &str) -> Result<AccountId> {
        if is_dev_uri(text) {
            self.check_dev_keys(text).await?;
            return Ok(Keypair::from_secret_uri(text)?.account_id());
        }
        if check_name(text).is_ok() {
            return self.keystore.account(text);
        }
        Ok(from_address(text)?.0)
    }

    /// The account that signs.
    pub async fn signer(&self) -> Result<Signer> {
        let name = self.settings.account.value.clone().ok_or_else(|| {
            usage_with_remedy(
                "no account is named that could sign",
                "give --account NAME (`cairn account list` shows the stored ones; //Alice on development chains)",
            )
        })?;
        if !is_dev_uri(&name) {
            // An address is an account, but nothing that could sign.
            check_name(&name)?;
        }
        let account = self.resolve(&name).await?;
        Ok(Signer { name, account })
    }

    /// The account that a command is about: the one named, or else the one that would sign.
    pub async fn subject(&self, named: Option<&str>) -> Result<AccountId> {
        match named {
            Some(text) => self.resolve(text).await,
            None => Ok(self.signer().await?.account),
        }
    }

    /// The signer's key; asks for the passphrase if need be.
    pub fn unlock(&self, signer: &Signer) -> Result<Keypair> {
        if signer.is_dev() {
            return Ok(Keypair::from_secret_uri(&signer.name)?);
        }
        let mut unlocked = self.unlocked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, key)) = unlocked.as_ref() {
            if *name == signer.name {
                return Ok(key.clone());
            }
        }
        let passphrase = secrets::passphrase(&signer.name, &self.settings, &process_env, &self.output)?;
        let key = self.keystore.unlock(&signer.name, &passphrase)?;
        *unlocked = Some((signer.name.clone(), key.clone()));
        Ok(key)
    }

    /// Everybody has the development keys: they are in their place only where nothing has value.
    async fn check_dev_keys(&self, text: &str) -> Result<()> {
        let chain_type = self.client().await?.chain_type().await?;
        if self.allow_dev_keys || chain_type.allows_dev_keys() {
            return Ok(());
        }
        Err(usage_with_remedy(
            format!("{text} is a key that everybody has, and this chain is of the type {}", chain_type.name()),
            "use an account of your own; --allow-dev-keys overrides this",
        ))
    }
}

/// Cairn's coin, if that is what the node names. A node that could choose the decimals could choose how much is sent.
fn token(named: &Properties) -> Result<Token> {
    let own = Properties::default();
    if (&named.symbol, named.decimals) != (&own.symbol, own.decimals) {
        return Err(failed(
            format!(
                "the node says that the chain's coin is {} with {} decimals; Cairn's is {} with {}",
                named.symbol, named.decimals, own.symbol, own.decimals
            ),
            "use a node that you trust, of a Cairn chain",
        ));
    }
    Ok(Token { symbol: own.symbol, decimals: own.decimals })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_can_not_choose_the_coin() {
        let own = Properties::default();
        assert_eq!(token(&own).expect("Cairn's"), Token { symbol: "CRN".into(), decimals: 12 });
        let other_prefix = Properties { ss58_prefix: 7, ..own.clone() };
        token(&other_prefix).expect("the prefix is the network's own");
        for other in [
            Properties { decimals: 11, ..own.clone() },
            Properties { decimals: 13, ..own.clone() },
            Properties { symbol: "CRNX".into(), ..own },
        ] {
            let error = token(&other).expect_err("not Cairn's").to_string();
            assert!(error.contains(&format!("{} with {} decimals", other.symbol, other.decimals)), "{error}");
        }
    }
}
