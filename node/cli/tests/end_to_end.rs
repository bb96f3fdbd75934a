// SPDX-License-Identifier: Apache-2.0

//! The `cairn` command against a real node: every command that talks to the chain, as a user would type it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

const START_TIMEOUT: Duration = Duration::from_secs(180);
/// Two eras of the development chain, and what starting takes.
const ERAS_TIMEOUT: Duration = Duration::from_secs(240);
const PASSPHRASE: &str = "a passphrase for tests";

/// A node that ends with the test.
struct Node {
    child: Child,
    url: String,
    /// Of its own, because a node that is killed can't remove it (`--tmp`).
    _folder: tempfile::TempDir,
}

impl Node {
    fn start() -> Self {
        let cairn = Path::new(env!("CARGO_BIN_EXE_cairn"));
        let program = cairn.with_file_name("cairn-node");
        assert!(
            program.exists(),
            "{} is missing: build the whole workspace first (cargo build --release)",
            program.display()
        );
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut child = Command::new(&program)
            .args(["--dev", "--rpc-port", "0", "--port", "0", "--no-prometheus", "--no-telemetry"])
            .arg("--base-path")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("can't start {}: {error}", program.display()));
        let log = child.stderr.take().expect("piped");
        let (sender, receiver) = std::sync::mpsc::channel();
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
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A user with a home of their own.
struct User {
    home: tempfile::TempDir,
    url: String,
}

impl User {
    fn new(url: &str) -> Self {
        Self { home: tempfile::tempdir().expect("temporary folder"), url: url.into() }
    }

    /// Says yes to everything beforehand.
    fn run(&self, line: &[&str]) -> Output {
        self.run_as_it_is(&[line, &["--yes"]].concat())
    }

    fn run_as_it_is(&self, line: &[&str]) -> Output {
        self.command(line).output().expect("the program starts")
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
        command
            .args(line)
            .env_clear()
            .env("HOME", self.home.path())
            .env("CAIRN_PASSPHRASE", PASSPHRASE)
            .env("CAIRN_URL", &self.url)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed; its JSON.
    fn ok(&self, line: &[&str]) -> Value {
        let output = self.run(&[line, &["--json"]].concat());
        let (stdout, stderr) = texts(&output);
        assert!(output.status.success(), "{line:?}: {stderr}");
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{line:?} prints no JSON ({error}): {stdout}"))
    }

    /// Runs a command that must fail with this exit code; its error's code.
    fn fails(&self, exit: i32, line: &[&str]) -> String {
        let output = self.run(&[line, &["--json"]].concat());
        let (stdout, stderr) = texts(&output);
        assert_eq!(output.status.code(), Some(exit), "{line:?}: {stdout}{stderr}");
        assert!(stdout.is_empty(), "{line:?} prints a result although it failed: {stdout}");
        let last = stderr.lines().last().unwrap_or_default();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{line:?}: no JSON: {stderr}"));
        assert_eq!(error["error"]["exit_code"], exit);
        error["error"]["code"].as_str().expect("has a code").to_string()
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).expect("writable");
        path
    }

    fn spendable(&self, who: &str) -> u128 {
        units(&self.ok(&["account", "show", who])["spendable"])
    }
}

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into(), String::from_utf8_lossy(&output.stderr).into())
}

fn units(amount: &Value) -> u128 {
    amount["units"].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no amount: {amount}"))
}

const ONE: u128 = 1_000_000_000_000;

#[test]
fn a_user_makes_accounts_and_sends_coins() {
    let node = Node::start();
    let user = User::new(&node.url);
    user.ok(&["account", "new", "carol", "--no-phrase"]);
    let phrase = user.home.path().join("dave.phrase");
    user.ok(&["account", "new", "dave", "--words", "24", "--phrase-file", phrase.to_str().expect("text")]);
    let again = user.ok(&["account", "import", "dave2", "--phrase-file", phrase.to_str().expect("text")]);
    assert_eq!(again["address"], user.ok(&["account", "show", "dave", "--offline"])["address"]);
    assert_eq!(user.fails(2, &["account", "new", "carol", "--no-phrase"]), "usage");

    // Nobody is there to be asked, and nobody has said yes.
    let unasked = user.run_as_it_is(&["account", "send", "carol", "10", "CRN", "--account", "//Alice"]);
    let (_, stderr) = texts(&unasked);
    assert!(unasked.status.code() == Some(2) && stderr.contains("--yes"), "{stderr}");
    assert_eq!(units(&user.ok(&["account", "show", "carol"])["total"]), 0);

    // Received, sent on, all of it.
    let sent = user.ok(&["account", "send", "carol", "10", "CRN", "--account", "//Alice"]);
    assert_eq!((sent["status"].as_str(), units(&sent["amount"])), (Some("finalized"), 10 * ONE));
    let sent = user.ok(&["account", "send", "dave", "1.5CRN", "--account", "carol"]);
    let fee = units(&sent["fee"]);
    assert_eq!(units(&user.ok(&["account", "show", "carol"])["free"]), 10 * ONE - ONE * 3 / 2 - fee);
    let sent = user.ok(&["account", "send", "dave", "--all", "--account", "carol"]);
    let (amount, fee) = (units(&sent["amount"]), fee + units(&sent["fee"]));
    assert_eq!(amount + fee, 10 * ONE - ONE * 3 / 2);
    assert_eq!(units(&user.ok(&["account", "show", "carol"])["total"]), 0);

    // Refused before anything is paid, with the reasons.
    assert_eq!(user.fails(3, &["account", "send", "dave", "1", "--account", "carol"]), "Pool::CannotPayFee");
    assert_eq!(user.fails(3, &["account", "send", "carol", "1000", "--account", "dave"]), "BalanceTooLow");
    assert_eq!(
        user.fails(3, &["account", "send", "carol", "0.000000000001", "--account", "dave"]),
        "Token::BelowMinimum"
    );
    assert_eq!(user.fails(2, &["account", "send", "carol", "1.5 DOT", "--account", "dave"]), "usage");
    assert_eq!(user.fails(2, &["account", "send", "nobody", "1", "--account", "dave"]), "usage");
    assert_eq!(user.fails(2, &["account", "send", "carol", "1"]), "usage");

    // Not waited for.
    let sent = user.ok(&["account", "send", "carol", "2", "--account", "dave", "--no-wait"]);
    assert_eq!(sent["status"], "submitted");
    let (stdout, stderr) = texts(&user.run(&["account", "send", "carol", "1", "--account", "dave", "--no-wait"]));
    assert!(stdout.starts_with("submitted, not yet known to have worked: send 1 CRN to "), "{stdout}{stderr}");
}

#[test]
fn who_stops_the_program_is_told_what_is_on_its_way() {
    let node = Node::start();
    let user = User::new(&node.url);
    let mut child = user
        .command(&["account", "send", "//Bob", "1", "--account", "//Alice", "--yes"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let hash =
        lines.by_ref().find_map(|line| line.strip_prefix("submitted ").map(String::from)).expect("it is submitted");
    let stopped = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().expect("sh starts");
    assert!(stopped.success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains(&hash) && line.contains("may still be included")), "{rest:?}");
    // And so it was.
    wait_for("the transaction", || (user.ok(&["account", "show", "//Alice"])["nonce"] == 1).then_some(()));
}

#[test]
fn the_chain_describes_itself() {
    let node = Node::start();
    let user = User::new(&node.url);
    let status = user.ok(&["chain", "status"]);
    assert_eq!(status["chain_type"], "Development");
    assert!(status["validators"]["active"].as_u64() >= Some(1) && status["endpoint"] == node.url.as_str());
    let file = user.home.path().join("metadata.scale");
    let file = file.to_str().expect("text");
    for version in ["14", "15", "16"] {
        let made = user.ok(&["chain", "metadata", "--output", file, "--version", version, "--overwrite"]);
        let bytes = std::fs::read(file).expect("written");
        assert_eq!((&bytes[..4], bytes[4].to_string().as_str()), (&b"meta"[..], version));
        assert_eq!(made["length"].as_u64(), Some(bytes.len() as u64));
    }
    assert_eq!(user.fails(2, &["chain", "metadata", "--output", file]), "usage");
    assert_eq!(user.fails(2, &["chain", "metadata", "--output", file, "--overwrite", "--version", "13"]), "Invalid");
}

#[test]
fn a_user_stakes_nominates_and_leaves() {
    let node = Node::start();
    let user = User::new(&node.url);
    let validators = user.ok(&["stake", "validators"]);
    let validator = validators["validators"][0]["validator"].as_str().expect("one validates").to_string();
    user.ok(&["account", "new", "nina", "--no-phrase"]);
    user.ok(&["account", "send", "nina", "10000", "--account", "//Alice"]);
    let as_nina = |line: &[&str]| -> Vec<String> {
        [line, &["--account", "nina"]].concat().iter().map(|s| s.to_string()).collect()
    };
    let ok = |line: &[&str]| user.ok(&as_nina(line).iter().map(String::as_str).collect::<Vec<_>>());
    let fails = |exit, line: &[&str]| user.fails(exit, &as_nina(line).iter().map(String::as_str).collect::<Vec<_>>());

    assert_eq!(fails(3, &["stake", "nominate", &validator]), "Staking::NotStash");
    assert_eq!(fails(3, &["stake", "bond", "20000"]), "BalanceTooLow");
    ok(&["stake", "bond", "5000"]);
    assert_eq!(fails(3, &["stake", "bond", "1"]), "Staking::AlreadyBonded");
    ok(&["stake", "bond-more", "1000"]);
    assert_eq!(fails(3, &["stake", "nominate", "nina"]), "Staking::BadTarget");
    let too_many: Vec<&str> = ["stake", "nominate"].into_iter().chain([validator.as_str(); 17]).collect();
    assert_eq!(fails(3, &too_many), "Staking::TooManyTargets");
    assert_eq!(fails(3, &["stake", "chill", "--purge-keys"]), "Session::NoKeys");
    ok(&["stake", "nominate", &validator]);
    let status = ok(&["stake", "status"]);
    assert_eq!(units(&status["bonded"]["active"]), 6000 * ONE);
    assert!(status["role"].as_str().expect("text").contains("nominator"), "{status}");

    assert_eq!(fails(3, &["stake", "unbond", "7000"]), "BalanceTooLow");
    ok(&["stake", "unbond", "--all"]);
    let status = ok(&["stake", "status"]);
    assert_eq!((units(&status["bonded"]["active"]), status["role"].as_str()), (0, Some("none")));
    assert_eq!(units(&status["bonded"]["unlocking"][0]["amount"]), 6000 * ONE);
    assert_eq!(fails(3, &["stake", "withdraw"]), "Staking::NothingToWithdraw");
}

#[test]
fn a_user_becomes_a_validator_and_makes_a_pool() {
    let node = Node::start();
    let user = User::new(&node.url);
    user.ok(&["account", "new", "vera", "--no-phrase"]);
    user.ok(&["account", "send", "vera", "100000", "--account", "//Alice"]);
    user.ok(&["stake", "bond", "50000", "--account", "vera"]);
    assert_eq!(user.fails(2, &["stake", "validate", "--account", "vera"]), "usage", "no session keys yet");
    assert_eq!(user.fails(2, &["stake", "validate", "--commission", "101%", "--account", "vera"]), "usage");
    // Elected, vera would be a second validator on a node that votes for one alone, and finality would stand still: all
    // of this happens between two elections, which are held when an odd epoch begins.
    wait_for("an election to be over", || {
        let epoch = &user.ok(&["chain", "status"])["epoch"];
        let (index, slots) = (epoch["index"].as_u64()?, epoch["slots_passed"].as_u64()?);
        (index % 2 == 1 && (1..4).contains(&slots)).then_some(())
    });
    let done = user.ok(&[
        "stake",
        "validate",
        "--node-url",
        &node.url,
        "--commission",
        "5%",
        "--blocked",
        "--account",
        "vera",
    ]);
    assert!(done["session_keys"].as_str().expect("made").len() > 64);
    let status = user.ok(&["stake", "status", "vera"]);
    assert_eq!(status["role"], "waiting validator");
    let details = &status["role_details"];
    assert_eq!((&details["commission"], &details["blocked"]), (&"5%".into(), &true.into()));
    assert_eq!(details["session_keys_set"], true);
    // What isn't named stays: the keys, the commission.
    let done = user.ok(&["stake", "validate", "--open", "--account", "vera"]);
    assert_eq!((&done["commission"], &done["blocked"]), (&"5%".into(), &false.into()));
    user.ok(&["stake", "chill", "--account", "vera"]);
    assert_eq!(user.ok(&["stake", "status", "vera"])["role"], "none");
    // Whoever validates needs its keys; others get their deposit back.
    let held = || units(&user.ok(&["account", "show", "vera"])["held"]);
    let before = held();
    user.ok(&["stake", "chill", "--purge-keys", "--account", "vera"]);
    assert!(held() < before);
    assert_eq!(user.fails(3, &["stake", "chill", "--purge-keys", "--account", "vera"]), "Session::NoKeys");
    assert_eq!(user.fails(3, &["stake", "chill", "--purge-keys", "--account", "//Alice"]), "Session::StillValidating");
    assert_eq!(user.fails(3, &["stake", "payout", "--account", "vera"]), "Staking::NothingToPay");

    user.ok(&["account", "new", "paul", "--no-phrase"]);
    user.ok(&["account", "send", "paul", "10000", "--account", "//Alice"]);
    let pool = user.ok(&["stake", "pool", "create", "5000", "--account", "paul"])["pool"].as_u64().expect("its number");
    user.ok(&["account", "new", "mia", "--no-phrase"]);
    user.ok(&["account", "send", "mia", "1000", "--account", "//Alice"]);
    assert_eq!(
        user.fails(3, &["stake", "pool", "join", "999", "500", "--account", "mia"]),
        "NominationPools::PoolNotFound"
    );
    user.ok(&["stake", "pool", "join", &pool.to_string(), "500", "--account", "mia"]);
    let status = user.ok(&["stake", "pool", "status", "mia"]);
    assert_eq!((status["pool"].as_u64(), units(&status["balance"])), (Some(pool), 500 * ONE));
    user.ok(&["stake", "pool", "leave", "--account", "mia"]);
    assert_eq!(user.fails(3, &["stake", "pool", "withdraw", "--account", "mia"]), "NominationPools::NothingToWithdraw");
    assert_eq!(user.ok(&["stake", "pool", "list"])["pools"][0]["members"], 2);
}

#[test]
fn who_made_a_pool_closes_it_and_leaves_last() {
    let node = Node::start();
    let user = User::new(&node.url);
    let validators = user.ok(&["stake", "validators"]);
    let validator = validators["validators"][0]["validator"].as_str().expect("one validates").to_string();
    for name in ["paul", "mia"] {
        user.ok(&["account", "new", name, "--no-phrase"]);
        user.ok(&["account", "send", name, "10000", "--account", "//Alice"]);
    }
    let run = |who: &str, line: &[&str]| user.ok(&[&["stake", "pool"], line, &["--account", who]].concat());
    let fails = |who: &str, line: &[&str]| user.fails(3, &[&["stake", "pool"], line, &["--account", who]].concat());

    assert_eq!(fails("paul", &["create", "50"]), "NominationPools::MinimumBondNotMet");
    let pool = run("paul", &["create", "5000"])["pool"].to_string();
    assert_eq!(fails("paul", &["create", "200"]), "NominationPools::AccountBelongsToOtherPool");
    assert_eq!(fails("paul", &["join", &pool, "10"]), "NominationPools::AccountBelongsToOtherPool");
    run("paul", &["nominate", &validator]);
    assert_eq!(fails("mia", &["nominate", &validator, "--pool", &pool]), "NominationPools::NotNominator");
    assert_eq!(fails("mia", &["close", &pool]), "NominationPools::CanNotChangeState");

    assert_eq!(fails("paul", &["leave"]), "NominationPools::DepositorLeavesLast");
    run("paul", &["close"]);
    assert_eq!(user.ok(&["stake", "pool", "list"])["pools"][0]["state"], "closing");
    assert_eq!(fails("paul", &["close"]), "NominationPools::CanNotChangeState");
    assert_eq!(fails("mia", &["join", &pool, "10"]), "NominationPools::NotOpen");
    // Alone in a closed pool, the one who made it may go, though the pool nominates.
    run("paul", &["leave"]);
    assert_eq!(run("paul", &["status"])["shares"], "0");
}

#[test]
fn rewards_of_several_eras_are_paid_out_at_once() {
    let node = Node::start();
    let user = User::new(&node.url);
    let payout = |era: &str| ["stake", "payout", "--account", "//Alice", "--era", era].map(String::from);
    let fails = |era: &str| user.fails(3, &payout(era).each_ref().map(String::as_str));
    assert_eq!(fails("0"), "Staking::InvalidEraToReward");
    wait_for("two eras to end", || {
        let status = user.ok(&["stake", "status", "//Alice"]);
        (status["rewards_pending"]["payouts"].as_u64() >= Some(2)).then_some(())
    });
    let done = user.ok(&["stake", "payout", "--account", "//Alice"]);
    assert_eq!(done["eras"], serde_json::json!([0, 1]));
    assert!(done["paid"].as_array().expect("list").len() >= 2, "{done}");
    assert_eq!(fails("0"), "Staking::NothingToPay", "the rewards of an era are paid once");
    assert_eq!(fails("1000"), "Staking::InvalidEraToReward");
}

/// Asks again and again until there is an answer.
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < ERAS_TIMEOUT, "waited too long for {what}");
        std::thread::sleep(Duration::from_secs(3));
    }
}

/// The smallest contract: memory from outside, `deploy` and `call` that do nothing.
const EMPTY_CONTRACT: &[u8] = &[
    0, b'a', b's', b'm', 1, 0, 0, 0, // magic, version
    1, 4, 1, 0x60, 0, 0, // types: () -> ()
    2, 16, 1, 3, b'e', b'n', b'v', 6, b'm', b'e', b'm', b'o', b'r', b'y', 2, 1, 1,
    1, // import env.memory, 1 to 1 pages
    3, 3, 2, 0, 0, // two functions
    7, 17, 2, 6, b'd', b'e', b'p', b'l', b'o', b'y', 0, 0, 4, b'c', b'a', b'l', b'l', 0, 1, // exports
    10, 7, 2, 2, 0, 0x0b, 2, 0, 0x0b, // bodies
];

#[test]
fn a_user_uploads_makes_and_calls_a_contract() {
    let node = Node::start();
    let user = User::new(&node.url);
    let wasm = user.file("empty.wasm", EMPTY_CONTRACT);
    let wasm = wasm.to_str().expect("text");
    let bundle = format!(
        r#"{{"source": {{"wasm": "0x{}"}}, "spec": {{"constructors": [{{"label": "new", "selector": "0x01020304"}}], "messages": [{{"label": "go", "selector": "0x05060708"}}]}}}}"#,
        EMPTY_CONTRACT.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    );
    let bundle = user.file("empty.contract", bundle.as_bytes());
    let bundle = bundle.to_str().expect("text");
    user.ok(&["account", "new", "cody", "--no-phrase"]);
    user.ok(&["account", "send", "cody", "1000", "--account", "//Alice"]);

    let before = user.spendable("cody");
    let trial = user.ok(&["contract", "upload", wasm, "--dry-run", "--account", "cody"]);
    assert_eq!(user.spendable("cody"), before, "a trial costs nothing");
    let uploaded = user.ok(&["contract", "upload", wasm, "--account", "cody"]);
    assert_eq!(uploaded["code_hash"], trial["code_hash"]);
    let hash = uploaded["code_hash"].as_str().expect("text");

    let made = user.ok(&["contract", "instantiate", "--code-hash", hash, "--data", "0x", "--account", "cody"]);
    let contract = made["contract"].as_str().expect("its address").to_string();
    let made = user.ok(&["contract", "instantiate", bundle, "--value", "1.5", "--account", "cody"]);
    let paid = made["contract"].as_str().expect("its address").to_string();
    assert_ne!(contract, paid, "salts differ");
    assert!(units(&user.ok(&["account", "show", &paid])["free"]) >= ONE * 3 / 2);

    let trial = user.ok(&[
        "contract",
        "call",
        &contract,
        "--message",
        "go",
        "--bundle",
        bundle,
        "--dry-run",
        "--account",
        "cody",
    ]);
    assert!(trial["trial"]["gas"]["ref_time"].as_u64() > Some(0) && trial["answer"] == "0x");
    let called = user.ok(&["contract", "call", &contract, "--data", "0x05060708", "--value", "1", "--account", "cody"]);
    assert_eq!(called["status"], "finalized");
    assert!(called["events"].as_array().expect("list").iter().any(|event| event["pallet"] == "Contracts"));

    assert_eq!(
        user.fails(2, &["contract", "call", &contract, "--message", "no", "--bundle", bundle, "--account", "cody"]),
        "usage"
    );
    let call = ["contract", "call", &contract, "--data", "0x05060708", "--account", "cody"];
    assert_eq!(user.fails(3, &[&call[..], &["--gas", "1"]].concat()), "Contracts::OutOfGas");
    // The limit of the deposit must be there, not only the deposit.
    assert_eq!(
        user.fails(
            3,
            &[
                "contract",
                "instantiate",
                "--code-hash",
                hash,
                "--data",
                "0x",
                "--deposit-limit",
                "5000",
                "--account",
                "cody"
            ]
        ),
        "BalanceTooLow"
    );
    assert_eq!(
        user.fails(3, &["contract", "call", "//Bob", "--data", "0x", "--account", "cody"]),
        "Contracts::ContractNotFound"
    );
    let broken = user.file("broken.wasm", b"\0asm\x01\0\0\0\x07");
    let refused = user.fails(3, &["contract", "upload", broken.to_str().expect("text"), "--account", "cody"]);
    assert_eq!(refused, "Contracts::CodeRejected");
}

#[test]
fn without_a_node_the_exit_code_says_so() {
    let user = User::new("ws://127.0.0.1:1");
    assert_eq!(user.fails(4, &["chain", "status"]), "Unreachable");
    assert_eq!(user.fails(4, &["account", "send", "//Bob", "1", "--account", "//Alice"]), "Unreachable");
    assert_eq!(user.fails(2, &["chain", "status", "--url", "http://127.0.0.1:1"]), "Invalid");
    assert_eq!(user.ok(&["config", "show"])["url"]["origin"], "environment CAIRN_URL");
}
