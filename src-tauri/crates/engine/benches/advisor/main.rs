//! `cargo xtask bench advisor`: how quick advice on indexes is, and how good, on private servers.
#![allow(clippy::print_stdout, reason = "a bench tells what it measured")]
#![forbid(unsafe_code)]
mod mixed;
mod report;
mod skew;
mod speed;
mod tpch;

use perfdeck_engine::advice::{AdviceGiven, AdviceWanted, WorkloadStatement, index_advice};
use perfdeck_model::{Address, Kind};
use perfdeck_testkit::Postgres;

/// What went wrong.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T = ()> = Result<T, Failure>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Outcome {
    // Cargo passes `--bench` to benches.
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench").peekable();
    let named = args.next_if(|a| a == "--machine").and_then(|_| args.next());
    let machine = named.unwrap_or_else(|| "a machine that was not named".to_owned());
    let part = args.next();
    let size = args.next().map(|text| text.parse::<f64>().map_err(|_| format!("'{text}' is no number"))).transpose()?;
    if let Some(more) = args.next() {
        return Err(format!("nothing takes '{more}'").into());
    }
    match (part.as_deref(), size) {
        (Some("speed"), None) => speed::run().await,
        (Some("mixed"), None) => mixed::run().await,
        (Some("tpch"), scale) => tpch::run(scale.unwrap_or(0.1), &machine).await,
        (Some("skew"), rows) => skew::run(rows.unwrap_or(300_000.0) as u32).await,
        (None, _) => {
            speed::run().await?;
            skew::run(300_000).await?;
            mixed::run().await?;
            tpch::run(0.1, &machine).await
        }
        (Some(other), _) => Err(format!("there is no part '{other}': speed, mixed, skew [ROWS], tpch [SCALE]").into()),
    }
}

/// A server on which every plan is of one process, and nothing runs by itself.
async fn server() -> Outcome<Postgres> {
    let settings = [
        ("shared_buffers", "512MB"),
        ("autovacuum", "off"),
        ("jit", "off"),
        ("max_parallel_workers_per_gather", "0"),
        ("max_wal_size", "4GB"),
        ("checkpoint_timeout", "1h"),
    ];
    Ok(Postgres::start_with(&settings).await?)
}

/// Advice where `HypoPG` may be used, for statements with the milliseconds that they took.
async fn advised(server: &Postgres, statements: &[(String, f64)], bytes: Option<f64>) -> Outcome<AdviceGiven> {
    let of =
        |(text, total_ms): &(String, f64)| WorkloadStatement { text: text.clone(), calls: 1.0, total_ms: *total_ms };
    let wanted = AdviceWanted {
        statements: statements.iter().map(of).collect(),
        days: 1.0,
        bytes,
        kind: Kind::Development,
        agreed: false,
        quarantined: false,
    };
    let (address, password) = Address::parse(&server.url()).map_err(|e| e.to_string())?;
    index_advice(&address, password.as_ref(), &wanted).await.map_err(|e| format!("{e:?}").into())
}
