// SPDX-License-Identifier: Apache-2.0

//! Against a real node: starts `cairn-node --dev` and talks to it as any program would.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use cairn_client::{
    chain::{accounts, staking},
    keys::Keypair,
    AccountId, Call, Client, Error, ErrorKind, Progress, Stage,
};

const ONE: u128 = 1_000_000_000_000;
/// A node that doesn't serve by then won't.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// A node that ends with the test.
struct Node {
    child: Child,
    url: String,
    _folder: Folder,
}

/// A node's folder, removed with the test. A node that is killed can't remove its own (`--tmp`).
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("cairn-live-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap_or_else(|error| panic!("can't make {}: {error}", path.display()));
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Node {
    fn start() -> Self {
        let (program, folder) = (program(), Folder::new());
        let mut child = Command::new(&program)
            .args(["--dev", "--rpc-port", "0", "--port", "0", "--no-prometheus", "--no-telemetry"])
            .arg("--base-path")
            .arg(&folder.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("can't start {}: {error}", program.display()));
        let log = child.stderr.take().expect("piped");
        let (sender, receiver) = std::sync::mpsc::channel();
        // Reads to the end: a node whose log nobody reads stops when the pipe is full.
        std::thread::spawn(move || {
            let mut tail = Vec::new();
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                match line.split("Running JSON-RPC server: addr=").nth(1) {
                    Some(address) => {
                        let address = address.split([',', ' ']).next().unwrap_or_default();
                        let _ = sender.send(Ok(format!("ws://{address}")));
                    },
                    None => tail.push(line),
                }
            }
            let _ = sender.send(Err(tail.join("\n")));
        });
        let mut node = Self { child, url: String::new(), _folder: folder };
        match receiver.recv_timeout(START_TIMEOUT) {
            Ok(Ok(url)) => node.url = url,
            Ok(Err(log)) => panic!("the node ended:\n{log}"),
            Err(_) => panic!("the node doesn't serve RPC after {START_TIMEOUT:?}"),
        }
        node
    }

    async fn client(&self) -> Client {
        Client::connect(std::slice::from_ref(&self.url)).await.expect("the node serves")
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The node is built into the folder above this test's own.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a program");
    let program = test.parent().and_then(|deps| deps.parent()).expect("in target/release/deps").join("cairn-node");
    assert!(
        program.exists(),
        "{} is missing: build the whole workspace first (cargo build --release)",
        program.display()
    );
    program
}

fn key(uri: &str) -> Keypair {
    Keypair::from_secret_uri(uri).expect("valid")
}

async fn free(client: &Client, account: &AccountId) -> u128 {
    client.finalized().await.expect("state").account(account).await.expect("readable").data.free
}

fn refusal(error: Error) -> cairn_client::Refusal {
    match error {
        Error::Refused(refusal) => *refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn money_moves_and_refusals_are_explained() {
    let node = Node::start();
    let client = node.client().await;
    let (alice, bob) = (key("//Alice"), key("//Bob").account_id());
    let account = client.account(alice.clone());
    // Amounts are shown without asking a node.
    assert_eq!(client.properties().await.expect("answered").decimals, cairn_client::CRN_DECIMALS);

    // A transfer: its fee is known beforehand, it is final, both balances fit.
    let call = accounts::transfer_keep_alive(&bob, 3 * ONE);
    let estimate = client.fee(&account.id(), &call).await.expect("the fee is known");
    let before = (free(&client, &account.id()).await, free(&client, &bob).await);
    let mut steps = Vec::new();
    let submitted = account.submit(&call).await.expect("valid");
    let receipt = submitted.finalized(|step| steps.push(step)).await.expect("succeeds");
    let fee = receipt.fee.expect("the runtime says the fee");
    assert!(fee > 0 && fee <= estimate && estimate - fee <= estimate / 10, "{fee} of {estimate}");
    assert!(steps.iter().any(|step| matches!(step, Progress::InBlock { .. })), "{steps:?}");
    let transfer = receipt.event("Balances", "Transfer").expect("emitted");
    assert_eq!((transfer.account("to"), transfer.number("amount")), (Some(bob), Some(3 * ONE)));
    let after = (free(&client, &account.id()).await, free(&client, &bob).await);
    assert_eq!(after.1, before.1 + 3 * ONE);
    assert!(after.0 <= before.0 - 3 * ONE - fee + fee, "the author of the block is alice too: part of the fee returns");

    // Too much: the fee is paid, the reason is given.
    let too_much = accounts::transfer_keep_alive(&bob, after.0 + ONE);
    let submitted = account.submit(&too_much).await.expect("the fee can be paid");
    let refused = refusal(submitted.finalized(|_| ()).await.expect_err("nobody has that much"));
    assert_eq!((refused.code.as_str(), refused.stage), ("Token::FundsUnavailable", Stage::Block));
    assert!(refused.remedy.is_some());

    // Below the existential deposit, to an account that doesn't exist.
    let nobody = AccountId::from([7; 32]);
    let submitted = account.submit(&accounts::transfer_keep_alive(&nobody, 1)).await.expect("valid");
    let refused = refusal(submitted.finalized(|_| ()).await.expect_err("too little"));
    assert_eq!(refused.code, "Token::BelowMinimum");

    // An account without coins can't pay.
    let poor = client.account(key("//Nobody//Poor"));
    let refused = refusal(poor.submit(&call).await.map(|_| ()).expect_err("has nothing"));
    assert_eq!((refused.code.as_str(), refused.stage), ("Pool::CannotPayFee", Stage::Pool));
}

#[tokio::test]
async fn one_account_submits_from_many_places_at_once() {
    let node = Node::start();
    let client = node.client().await;
    let account = client.account(key("//Alice"));
    let dest = key("//Charlie//new").account_id();
    let tasks: Vec<_> = (0..25u128)
        .map(|index| {
            let account = account.clone();
            tokio::spawn(async move {
                let submitted = account.submit(&accounts::transfer_keep_alive(&dest, ONE + index)).await?;
                submitted.finalized(|_| ()).await
            })
        })
        .collect();
    let mut blocks = Vec::new();
    for task in tasks {
        blocks.push(task.await.expect("no panic").expect("succeeds").block_number);
    }
    assert_eq!(free(&client, &dest).await, (0..25u128).map(|index| ONE + index).sum::<u128>());

    // Another program with the same key: each of the two finds its nonce taken and goes on.
    let other = node.client().await.account(key("//Alice"));
    for _ in 0..3 {
        let call = accounts::transfer_keep_alive(&dest, ONE);
        let (first, second) = (account.submit(&call).await.expect("valid"), other.submit(&call).await.expect("valid"));
        assert_ne!(first.hash(), second.hash());
        let (first, second) = tokio::join!(first.finalized(|_| ()), second.finalized(|_| ()));
        first.expect("succeeds");
        second.expect("succeeds");
    }
}

/// The limit is the chain's, and moves with its weights; this program's number must stay below it.
#[tokio::test]
async fn as_many_payouts_fit_into_a_transaction_as_are_put_into_one() {
    let node = Node::start();
    let client = node.client().await;
    let account = client.account(key("//Alice"));
    let payouts = |count| Call::batch((0..count).map(|_| staking::payout(&account.id(), 1_000)));
    let submitted = account.submit(&payouts(staking::PAYOUTS_PER_TRANSACTION_MAX)).await.expect("fits");
    let refused = refusal(submitted.finalized(|_| ()).await.expect_err("there was no such era"));
    assert_eq!((refused.code.as_str(), refused.stage), ("Staking::InvalidEraToReward", Stage::Block));
    let too_many = account.submit(&payouts(4 * staking::PAYOUTS_PER_TRANSACTION_MAX)).await;
    let refused = refusal(too_many.map(|_| ()).expect_err("too heavy"));
    assert_eq!((refused.code.as_str(), refused.stage), ("Pool::TooHeavy", Stage::Pool));
}

/// The node dies with the transaction in its pool: what became of it can't be known, and its hash is told.
#[tokio::test]
async fn a_transaction_whose_node_dies_is_undecided() {
    let mut node = Node::start();
    let client = node.client().await;
    let account = client.account(key("//Alice"));
    let call = accounts::transfer_keep_alive(&key("//Bob").account_id(), ONE);
    let submitted = account.submit(&call).await.expect("valid");
    let (hash, last_block) = (submitted.hash(), submitted.last_block());
    node.kill();
    let error = submitted.finalized(|_| ()).await.map(|_| ()).expect_err("nobody to ask");
    assert_eq!(error.kind(), ErrorKind::Failed);
    match error {
        Error::Undecided { hash: told, last_block: until, cause } => {
            assert_eq!((told, until, cause.kind()), (hash, last_block, ErrorKind::Unreachable));
        },
        other => panic!("not undecided: {other:?}"),
    }
}

#[tokio::test]
async fn dead_endpoints_are_passed_over_and_a_dead_node_is_noticed() {
    let mut node = Node::start();
    let dead = "ws://127.0.0.1:1".to_string();
    let client = Client::connect(&[dead.clone(), node.url.clone()]).await.expect("the second serves");
    assert_eq!(client.url().await, Some(node.url.clone()));

    let error = Client::connect(&[dead]).await.map(|_| ()).expect_err("nobody there");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("ws://127.0.0.1:1"), "{error}");

    node.kill();
    let started = Instant::now();
    let error = client.finalized().await.map(|_| ()).expect_err("the node is gone");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(started.elapsed() < Duration::from_secs(60));
}
