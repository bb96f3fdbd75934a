// SPDX-License-Identifier: Apache-2.0

//! Open sessions, and doors that shut on who opens too many.
//!
//! # Correctness
//! One consumer has few sessions: a new one takes the place of its oldest. So nobody can take all places with one account; and
//! when all are taken, those of whoever has paid nothing make room.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use cairn_voucher::Bytes32;

use super::access::Caller;
use crate::{ledger::Refusal, wire::Token};

/// Sessions at the same time: in all, of a consumer, of one of its users.
const SESSIONS_MAX: usize = 100_000;
const OF_CONSUMER_MAX: usize = 16;
const OF_USER_MAX: usize = 4;
/// A session that nobody used for this long makes room for another.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// Openings and vouchers that one network may have refused in [`DOOR_PERIOD`], and those that it may open: each costs a
/// signature's check, or a question to the chain.
const REFUSED_MAX: u32 = 60;
const OPENED_MAX: u32 = 600;
const DOOR_PERIOD: Duration = Duration::from_secs(10);
/// Networks that are remembered.
const DOORS_MAX: usize = 10_000;

/// Whose sessions: a consumer's, or one of its users'.
type Owner = (Bytes32, Option<Bytes32>);

struct Session {
    caller: Caller,
    owner: Owner,
    used: Mutex<Instant>,
}

impl Session {
    fn idle(&self) -> Duration {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Nothing is paid that it could use.
    fn is_unpaid(&self) -> bool {
        let account = &self.caller.account;
        account.credit() == 0 && !account.has_plan()
    }
}

#[derive(Default)]
struct Open {
    sessions: HashMap<Token, Session>,
    /// The tokens of each, the oldest first.
    owners: HashMap<Owner, VecDeque<Token>>,
}

impl Open {
    fn remove(&mut self, token: &Token) {
        let Some(session) = self.sessions.remove(token) else { return };
        if let Some(tokens) = self.owners.get_mut(&session.owner) {
            tokens.retain(|other| other != token);
            if tokens.is_empty() {
                self.owners.remove(&session.owner);
            }
        }
    }

    fn remove_all(&mut self, which: impl Fn(&Session) -> bool) {
        let found: Vec<Token> =
            self.sessions.iter().filter(|(_, session)| which(session)).map(|(token, _)| *token).collect();
        found.iter().for_each(|token| self.remove(token));
    }
}

#[derive(Clone, Copy)]
struct Door {
    since: Instant,
    refused: u32,
    opened: u32,
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions {
    open: RwLock<Open>,
    doors: Mutex<HashMap<IpAddr, Door>>,
}

impl Sessions {
    pub fn get(&self, token: &Token) -> Option<Caller> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let session = open.sessions.get(token)?;
        *session.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Some(session.caller.clone())
    }

    /// Opens a session, of the consumer itself or of its `user`.
    pub fn insert(&self, token: Token, caller: Caller, user: Option<Bytes32>) -> Result<(), Refusal> {
        let owner = (caller.account.who().consumer, user);
        let most = if user.is_some() { OF_USER_MAX } else { OF_CONSUMER_MAX };
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.remove(&token);
        while open.owners.get(&owner).is_some_and(|tokens| tokens.len() >= most) {
            let Some(oldest) = open.owners.get(&owner).and_then(|tokens| tokens.front().copied()) else { break };
            open.remove(&oldest);
        }
        if open.sessions.len() >= SESSIONS_MAX {
            open.remove_all(|session| session.idle() >= IDLE_MAX);
        }
        if open.sessions.len() >= SESSIONS_MAX {
            open.remove_all(Session::is_unpaid);
        }
        if open.sessions.len() >= SESSIONS_MAX {
            return Err(Refusal::Busy);
        }
        open.sessions.insert(token, Session { caller, owner, used: Mutex::new(Instant::now()) });
        open.owners.entry(owner).or_default().push_back(token);
        Ok(())
    }

    /// Whether a network was refused, or opened sessions, too often lately.
    pub fn is_shut(&self, from: IpAddr) -> bool {
        let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        doors.get(&network(from)).is_some_and(|door| {
            door.since.elapsed() < DOOR_PERIOD && (door.refused >= REFUSED_MAX || door.opened >= OPENED_MAX)
        })
    }

    /// A session is being opened.
    pub fn opened(&self, from: IpAddr) {
        self.at_door(from, |door| door.opened += 1);
    }

    /// An opening or a voucher was refused.
    pub fn refused(&self, from: IpAddr) {
        self.at_door(from, |door| door.refused += 1);
    }

    fn at_door(&self, from: IpAddr, note: impl FnOnce(&mut Door)) {
        let from = network(from);
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if doors.len() >= DOORS_MAX {
            doors.retain(|_, door| door.since.elapsed() < DOOR_PERIOD);
        }
        if doors.len() >= DOORS_MAX && !doors.contains_key(&from) {
            return;
        }
        let new = Door { since: Instant::now(), refused: 0, opened: 0 };
        let door = doors.entry(from).or_insert(new);
        if door.since.elapsed() >= DOOR_PERIOD {
            *door = new;
        }
        note(door);
    }
}

/// What one party has: an address of version 4, or a /64 of version 6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        },
    }
}

#[cfg(test)]
mod tests {
    use cairn_client::chain::marketplace::{Paid, Signer, Standing, Status};

    use super::*;
    use crate::ledger::{Ledger, Who};

    async fn caller(ledger: &Ledger, consumer: u8) -> Caller {
        let signer =
            Signer { epoch: 1, cap: 1, spent: 0, closes_at_ms: u64::MAX, revoked: false, provider: None, set_aside: 0 };
        let standing = Standing {
            signer,
            paid: Paid::default(),
            redeemable: 1,
            thawing: 0,
            thaws_at_ms: 0,
            api_status: Status::Active,
            api_provider: [2; 32],
        };
        let who = Who { consumer: [consumer; 32], signer: [9; 32], epoch: 1 };
        Caller { account: ledger.account(who, &standing).await.expect("has room"), badge: None }
    }

    fn token(number: u32) -> Token {
        let mut token = [0; 16];
        token[..4].copy_from_slice(&number.to_le_bytes());
        token
    }

    #[tokio::test]
    async fn one_consumer_takes_its_own_places_and_nobody_elses() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let ledger = Ledger::open(&dir.path().join("books")).expect("opens");
        let (greedy, honest) = (caller(&ledger, 1).await, caller(&ledger, 2).await);
        let sessions = Sessions::default();
        sessions.insert(token(0), honest.clone(), None).expect("has room");
        for number in 1..=200_000 {
            sessions.insert(token(number), greedy.clone(), None).expect("takes its own oldest place");
        }
        assert!(sessions.get(&token(0)).is_some(), "the honest one is still there");
        let count = sessions.open.read().expect("no panic").sessions.len();
        assert_eq!(count, 1 + OF_CONSUMER_MAX);
        assert!(sessions.get(&token(200_000)).is_some() && sessions.get(&token(1)).is_none());
        for user in 0..10u8 {
            for number in 0..20 {
                sessions
                    .insert(token(1_000_000 + u32::from(user) * 100 + number), honest.clone(), Some([user; 32]))
                    .expect("room");
            }
        }
        let open = sessions.open.read().expect("no panic");
        assert_eq!(open.sessions.len(), 1 + OF_CONSUMER_MAX + 10 * OF_USER_MAX);
        assert_eq!(open.owners.values().map(VecDeque::len).sum::<usize>(), open.sessions.len());
    }

    #[test]
    fn a_network_of_version_6_has_one_door() {
        let sessions = Sessions::default();
        for host in 0..REFUSED_MAX {
            sessions.refused(format!("2001:db8:0:1::{host:x}").parse().expect("valid"));
        }
        assert!(sessions.is_shut("2001:db8:0:1:ffff::1".parse().expect("valid")));
        assert!(!sessions.is_shut("2001:db8:0:2::1".parse().expect("valid")));
        let four = "192.0.2.1".parse().expect("valid");
        (0..OPENED_MAX).for_each(|_| sessions.opened(four));
        assert!(sessions.is_shut("::ffff:192.0.2.1".parse().expect("valid")));
    }
}
