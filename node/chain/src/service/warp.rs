// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! Warp sync whose target may follow a change of authorities at once.
//!
//! A warp proof consists of the headers at which GRANDPA's authorities changed, and of the newest finalized header, the
//! target. Block sync stores those headers, and then asks for the target's state. When the target's parent is one of
//! them, importing the target looks for the way from genesis to that parent, of which nothing but single headers is there:
//! the import is refused, and the node, which then tries a full sync on top of what it stored, never gets beyond block 1.
//! So the target's parent is kept out of what is stored. Like all other blocks before the target it comes later, in the
//! download of the history, together with its proof of finality.

use cairn_runtime::{
    opaque::{Block, Header},
    Hash,
};
use sc_network_sync::strategy::warp::{EncodedProof, VerificationResult, Verifier, WarpSyncProvider};
use sp_runtime::{traits::Header as _, Justifications};
use std::{error::Error, mem};

/// Another provider, whose verified proofs leave out the target's parent.
pub struct Warp<P>(pub P);

impl<P: WarpSyncProvider<Block>> WarpSyncProvider<Block> for Warp<P> {
    fn generate(&self, start: Hash) -> Result<EncodedProof, Box<dyn Error + Send + Sync>> {
        self.0.generate(start)
    }

    fn create_verifier(&self) -> Box<dyn Verifier<Block>> {
        Box::new(WithoutParent { inner: self.0.create_verifier(), held: Vec::new() })
    }
}

type Fragment = (Header, Justifications);

struct WithoutParent {
    inner: Box<dyn Verifier<Block>>,
    /// The last header of a partial proof: whether it is the target's parent is known with the next one.
    held: Vec<Fragment>,
}

impl Verifier<Block> for WithoutParent {
    fn verify(&mut self, proof: &EncodedProof) -> Result<VerificationResult<Block>, Box<dyn Error + Send + Sync>> {
        let verified = self.inner.verify(proof)?;
        let mut fragments = mem::take(&mut self.held);
        Ok(match verified {
            VerificationResult::Partial(more) => {
                fragments.extend(more);
                self.held.extend(fragments.pop());
                VerificationResult::Partial(fragments)
            },
            VerificationResult::Complete(target, more) => {
                fragments.extend(more);
                fragments.retain(|(header, _)| header.hash() != *target.parent_hash());
                VerificationResult::Complete(target, fragments)
            },
        })
    }

    fn next_proof_context(&self) -> Hash {
        self.inner.next_proof_context()
    }

    fn status(&self) -> Option<String> {
        self.inner.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies nothing: hands out what it was told to, in order.
    struct Script(Vec<VerificationResult<Block>>);

    impl Verifier<Block> for Script {
        fn verify(&mut self, _: &EncodedProof) -> Result<VerificationResult<Block>, Box<dyn Error + Send + Sync>> {
            if self.0.is_empty() {
                return Err("bad proof".into());
            }
            Ok(self.0.remove(0))
        }

        fn next_proof_context(&self) -> Hash {
            Hash::repeat_byte(7)
        }

        fn status(&self) -> Option<String> {
            Some("of the script".into())
        }
    }

    fn chain(length: u32) -> Vec<Header> {
        let mut parent = Hash::default();
        (1..=length)
            .map(|number| {
                let header =
                    Header::new(number, Hash::default(), Hash::repeat_byte(1), parent, sp_runtime::Digest::default());
                parent = header.hash();
                header
            })
            .collect()
    }

    fn fragments(headers: &[&Header]) -> Vec<Fragment> {
        headers
            .iter()
            .map(|header| ((*header).clone(), Justifications::from((*b"FRNK", vec![header.number as u8]))))
            .collect()
    }

    /// Numbers of the blocks stored from each proof, and the target's.
    fn run(script: Vec<VerificationResult<Block>>) -> (Vec<Vec<u32>>, Option<u32>) {
        let steps = script.len();
        let mut verifier = WithoutParent { inner: Box::new(Script(script)), held: Vec::new() };
        let mut target = None;
        let stored = (0..steps)
            .map(|_| {
                let stored = match verifier.verify(&EncodedProof(Vec::new())).unwrap() {
                    VerificationResult::Partial(stored) => stored,
                    VerificationResult::Complete(header, stored) => {
                        target = Some(header.number);
                        stored
                    },
                };
                stored.iter().map(|(header, _)| header.number).collect()
            })
            .collect();
        assert!(verifier.held.is_empty());
        assert!(verifier.verify(&EncodedProof(Vec::new())).is_err());
        assert_eq!(verifier.next_proof_context(), Hash::repeat_byte(7));
        assert_eq!(verifier.status().as_deref(), Some("of the script"));
        (stored, target)
    }

    #[test]
    fn the_parent_of_the_target_is_left_out() {
        let c = chain(9);
        let proof = VerificationResult::Complete(c[8].clone(), fragments(&[&c[1], &c[7], &c[8]]));
        assert_eq!(run(vec![proof]), (vec![vec![2, 9]], Some(9)));
    }

    #[test]
    fn all_others_are_kept() {
        let c = chain(9);
        let proof = VerificationResult::Complete(c[8].clone(), fragments(&[&c[1], &c[6]]));
        assert_eq!(run(vec![proof]), (vec![vec![2, 7]], Some(9)));
    }

    #[test]
    fn a_parent_at_the_end_of_a_partial_proof_is_left_out_too() {
        let c = chain(9);
        let script = vec![
            VerificationResult::Partial(fragments(&[&c[1], &c[3]])),
            VerificationResult::Partial(fragments(&[&c[7]])),
            VerificationResult::Complete(c[8].clone(), Vec::new()),
        ];
        assert_eq!(run(script), (vec![vec![2], vec![4], vec![]], Some(9)));
    }

    #[test]
    fn what_was_held_back_is_stored_with_the_next_proof() {
        let c = chain(9);
        let script = vec![
            VerificationResult::Partial(fragments(&[&c[1], &c[3]])),
            VerificationResult::Complete(c[8].clone(), fragments(&[&c[5]])),
        ];
        assert_eq!(run(script), (vec![vec![2], vec![4, 6]], Some(9)));
    }
}
