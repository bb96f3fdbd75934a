// SPDX-License-Identifier: Apache-2.0

//! What `scripts/bench api` measures with: a small server, a load over kept connections, and vouchers alone.
//!
//! ```text
//! api_bench upstream ADDRESS:PORT
//! api_bench load URL CONNECTIONS SECONDS
//! api_bench vouchers SECONDS
//! ```

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use cairn_api::{
    http::{collect, serve, Base, Body, Endpoint, Limits, Service, Tls},
    ledger::{Ledger, Who},
    wire,
};
use cairn_client::{
    chain::marketplace::{Paid, Signer, Standing, Status},
    keys::Keypair,
};
use cairn_voucher::Voucher;
use hyper::{
    body::Incoming,
    header::{HeaderValue, CONTENT_TYPE},
    Request, Response,
};
use tokio::{net::TcpListener, sync::watch};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["upstream", address] => runtime()?.block_on(upstream(address.parse()?)),
        ["load", url, connections, seconds] => {
            let seconds = Duration::from_secs(seconds.parse()?);
            runtime()?.block_on(load(url, connections.parse()?, seconds))
        },
        ["vouchers", seconds] => vouchers(Duration::from_secs(seconds.parse()?)),
        _ => Err("see the file's first lines".into()),
    }
}

/// One thread: what it uses can be told from the others' cores.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Answers every request with the same few bytes.
struct Square;

impl Service for Square {
    async fn answer(self: Arc<Self>, _: Request<Incoming>, _: SocketAddr) -> Response<Body> {
        let mut response = Response::new(Body::whole(&br#"{"n":7,"square":49}"#[..]));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

async fn upstream(address: SocketAddr) -> Result<(), Failure> {
    let listener = TcpListener::bind(address).await?;
    let (_go_on, stop) = watch::channel(false);
    serve(listener, None, Limits::default(), Arc::new(Square), stop).await;
    Ok(())
}

async fn load(url: &str, connections: usize, length: Duration) -> Result<(), Failure> {
    let base = Base::parse(url)?;
    let path = base.path.clone();
    let endpoint = Arc::new(Endpoint::new(Base { path: String::new(), ..base }, Tls::new(None)?)?);
    let until = Instant::now() + length;
    let tasks = (0..connections).map(|_| {
        let (endpoint, path) = (endpoint.clone(), path.clone());
        tokio::spawn(async move {
            let (mut times, mut failed) = (Vec::new(), 0u64);
            while Instant::now() < until {
                let mut request = Request::new(Body::empty());
                *request.uri_mut() = endpoint.target(&path)?;
                let started = Instant::now();
                let response =
                    endpoint.send(request, Duration::from_secs(30)).await.map_err(|error| error.to_string())?;
                let good = response.status().is_success();
                let body = collect(response.into_body(), 1 << 16).await.map_err(|error| error.to_string())?;
                if good && body.starts_with(b"{\"n\":7") {
                    times.push(started.elapsed().as_micros() as u64);
                } else {
                    failed += 1;
                }
            }
            Ok::<_, String>((times, failed))
        })
    });
    let (mut times, mut failed) = (Vec::new(), 0);
    for task in futures::future::join_all(tasks).await {
        let (of_one, failed_of_one) = task??;
        times.extend(of_one);
        failed += failed_of_one;
    }
    times.sort_unstable();
    let at =
        |share: f64| times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).copied();
    let calls_per_second = times.len() as f64 / length.as_secs_f64();
    let shown = serde_json::json!({
        "calls": times.len(), "failed": failed, "calls_per_second": calls_per_second, "p50_us": at(0.5), "p99_us": at(0.99),
    });
    println!("{shown}");
    Ok(())
}

fn vouchers(length: Duration) -> Result<(), Failure> {
    let key = Keypair::from_secret_uri("//Consumer")?;
    let who = Who { consumer: [1; 32], signer: key.account_id().0, epoch: 1 };
    let voucher = move |value: u128| Voucher {
        genesis: [8; 32],
        contract: [9; 32],
        consumer: who.consumer,
        signer: who.signer,
        provider: [2; 32],
        api: 0,
        epoch: who.epoch,
        calls: 0,
        units: 0,
        value,
    };
    let (started, mut signed) = (Instant::now(), Vec::new());
    while started.elapsed() < length {
        let voucher = voucher(signed.len() as u128 + 1);
        signed.push((voucher, key.sign(&voucher.signed_bytes())));
    }
    let sign = signed.len() as f64 / length.as_secs_f64();
    let headers: Vec<String> =
        signed.iter().map(|(voucher, signature)| wire::write_signed(voucher, signature)).collect();
    let (started, mut checked) = (Instant::now(), 0usize);
    while started.elapsed() < length {
        let (voucher, signature) = wire::read_voucher(headers[checked % headers.len()].as_bytes())?;
        if !cairn_api::ledger::verify(&voucher.signer, &voucher.signed_bytes(), &signature) {
            return Err("a good signature was refused".into());
        }
        checked += 1;
    }
    let check = checked as f64 / length.as_secs_f64();
    let signer = Signer {
        epoch: 1,
        cap: u128::MAX,
        spent: 0,
        closes_at_ms: u64::MAX,
        revoked: false,
        provider: None,
        set_aside: 0,
    };
    let standing = Standing {
        signer,
        paid: Paid::default(),
        redeemable: u128::MAX,
        thawing: 0,
        thaws_at_ms: 0,
        api_status: Status::Active,
        api_provider: [2; 32],
    };
    let folder = std::env::temp_dir().join(format!("cairn-api-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    // One consumer waits for the disk at each voucher; many at once share a wait.
    let accounts = 256u32;
    let (books, taken) = runtime()?.block_on(async {
        let ledger = Arc::new(Ledger::open(&folder.join("books"))?);
        let until = Instant::now() + length;
        let tasks = (0..accounts).map(|number| {
            let (ledger, key) = (ledger.clone(), key.clone());
            tokio::spawn(async move {
                let who = Who { consumer: [number as u8; 32], ..who };
                let account = ledger.account(who, &standing).await.map_err(|error| error.to_string())?;
                let mut taken = 0u64;
                while Instant::now() < until {
                    taken += 1;
                    let voucher = Voucher { consumer: who.consumer, ..voucher(taken.into()) };
                    let signature = key.sign(&voucher.signed_bytes());
                    let paid = ledger.pay(&account, &voucher, &signature, &standing, None, 0).await;
                    paid.map_err(|error| error.to_string())?;
                }
                Ok::<_, String>(taken)
            })
        });
        let mut taken = 0;
        for task in futures::future::join_all(tasks).await {
            taken += task??;
        }
        Ok::<_, Failure>((ledger, taken))
    })?;
    drop(books);
    std::fs::remove_dir_all(&folder)?;
    let shown = serde_json::json!({
        "sign_per_second": sign, "check_per_second": check, "durable_per_second": taken as f64 / length.as_secs_f64(),
    });
    println!("{shown}");
    Ok(())
}
