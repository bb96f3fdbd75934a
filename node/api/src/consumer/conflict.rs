// SPDX-License-Identifier: Apache-2.0

//! Proof that a provider contradicted itself: two answers that it signed to one request of a deterministic method, in a file that
//! `cairn api report` shows to the marketplace.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine as _};
use cairn_client::{
    address::{to_address, DEFAULT_SS58_PREFIX},
    AccountId,
};
use cairn_voucher::{Answer, Signature};
use codec::DecodeAll as _;
use serde::{Deserialize, Serialize};

use crate::{journal::replace, ledger::verify, wire::write_signed};

/// The folder in a consumer's.
const FOLDER: &str = "conflicts";
/// Proofs that are kept: one of each API and key.
const PROOFS_MAX: usize = 256;
/// Bytes of a proof's file.
pub const PROOF_BYTES_MAX: u64 = 8192;
/// Characters of a request that are shown in it.
const TARGET_SHOWN: usize = 1024;
/// Type of a proof's file.
const KIND: &str = "cairn-conflict/v1";

/// An answer that a provider has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// What was signed.
    pub answer: Answer,
    /// By the answer's key.
    pub signature: Signature,
}

/// A proof in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Proof {
    #[serde(rename = "type")]
    kind: String,
    /// The marketplace's account, as an address.
    contract: String,
    api: u32,
    /// The method's name, and what was asked of it: for people.
    method: String,
    target: String,
    /// `SCALE(Answer)` and its signature, in base64url.
    first: String,
    second: String,
}

/// The proofs of one consumer.
#[derive(Debug)]
pub(super) struct Conflicts {
    folder: PathBuf,
    files: Mutex<Vec<String>>,
}

impl Conflicts {
    /// Looks what there is.
    pub fn open(data: &Path) -> Self {
        let folder = data.join(FOLDER);
        let found = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut files: Vec<String> = found
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.ends_with(".json"))
            .take(PROOFS_MAX)
            .collect();
        files.sort();
        Self { folder, files: Mutex::new(files) }
    }

    /// The files, with their folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().map(|name| self.folder.join(name)).collect()
    }

    /// Keeps a proof; none if there is one already, or too many are.
    pub fn keep(&self, method: &str, target: &str, first: &Word, second: &Word) -> io::Result<Option<PathBuf>> {
        let Answer { api, key, contract, .. } = first.answer;
        let name = format!("api-{api}-{}.json", hex::encode(&key[..8]));
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= PROOFS_MAX || files.contains(&name) {
            return Ok(None);
        }
        let proof = Proof {
            kind: KIND.into(),
            contract: to_address(&AccountId(contract), DEFAULT_SS58_PREFIX),
            api,
            method: method.into(),
            target: target.chars().take(TARGET_SHOWN).collect(),
            first: write_signed(&first.answer, &first.signature),
            second: write_signed(&second.answer, &second.signature),
        };
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(&name);
        replace(&path, &serde_json::to_vec_pretty(&proof).map_err(io::Error::other)?)?;
        files.push(name);
        Ok(Some(path))
    }
}

/// Reads a proof, and checks it.
///
/// # Errors
/// It is none, or proves nothing.
pub fn read_proof(bytes: &[u8]) -> Result<[Word; 2], String> {
    let proof: Proof = serde_json::from_slice(bytes).map_err(|error| format!("it is no proof: {error}"))?;
    if proof.kind != KIND {
        return Err(format!("it is a proof of another kind than {KIND}"));
    }
    let word = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (mut answer, signature) = bytes.split_last_chunk::<64>()?;
        let answer = Answer::decode_all(&mut answer).ok()?;
        verify(&answer.key, &answer.bytes(), signature).then_some(Word { answer, signature: *signature })
    };
    let both = word(&proof.first).zip(word(&proof.second));
    let (first, second) = both.ok_or("one of its answers is not what was signed")?;
    if !first.answer.conflicts_with(&second.answer) {
        return Err("its answers don't contradict each other".into());
    }
    Ok([first, second])
}

#[cfg(test)]
mod tests {
    use cairn_client::keys::Keypair;

    use super::*;

    fn word(key: &Keypair, api: u32, response: u8) -> Word {
        let answer = Answer {
            genesis: [1; 32],
            contract: [2; 32],
            key: key.account_id().0,
            api,
            method: 0,
            request: [3; 32],
            response: [response; 32],
            latency_ms: 1,
            at_ms: 2,
        };
        Word { answer, signature: key.sign(&answer.bytes()) }
    }

    #[test]
    fn a_proof_is_kept_once_and_reads_back() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let key = Keypair::from_secret_uri("//Answers").expect("valid");
        let conflicts = Conflicts::open(dir.path());
        let (first, second) = (word(&key, 4, 1), word(&key, 4, 2));
        let path = conflicts.keep("square", "/square/2", &first, &second).expect("written").expect("is new");
        assert_eq!(read_proof(&fs::read(&path).expect("there")), Ok([first, second]));
        assert!(fs::metadata(&path).expect("there").len() < PROOF_BYTES_MAX);
        assert_eq!(conflicts.keep("square", "/square/3", &first, &second).expect("fine"), None);
        let again = Conflicts::open(dir.path());
        assert_eq!(again.files(), [path]);
        assert_eq!(again.keep("square", "/", &first, &second).expect("fine"), None, "after a restart, too");
        for api in 10..10 + PROOFS_MAX as u32 {
            again.keep("square", &"x".repeat(5000), &word(&key, api, 1), &word(&key, api, 2)).expect("fine");
        }
        assert_eq!(again.files().len(), PROOFS_MAX);
        let longest = again.files().iter().map(|path| fs::metadata(path).expect("there").len()).max();
        assert!(longest.expect("some") < PROOF_BYTES_MAX);
    }

    #[test]
    fn what_proves_nothing_is_refused() {
        let key = Keypair::from_secret_uri("//Answers").expect("valid");
        let (first, second) = (word(&key, 4, 1), word(&key, 4, 2));
        let file = |first: &Word, second: &Word| {
            let text = |word: &Word| write_signed(&word.answer, &word.signature);
            let proof = Proof {
                kind: KIND.into(),
                contract: String::new(),
                api: 4,
                method: String::new(),
                target: String::new(),
                first: text(first),
                second: text(second),
            };
            serde_json::to_vec(&proof).expect("JSON")
        };
        assert!(read_proof(&file(&first, &second)).is_ok());
        assert!(read_proof(&file(&first, &first)).expect_err("the same").contains("don't contradict"));
        assert!(read_proof(&file(&first, &word(&key, 5, 2))).expect_err("another API").contains("don't contradict"));
        let forged = Word { signature: first.signature, ..second };
        assert!(read_proof(&file(&first, &forged)).expect_err("forged").contains("not what was signed"));
        for text in ["", "{}", "[]"] {
            assert!(read_proof(text.as_bytes()).is_err());
        }
    }
}
