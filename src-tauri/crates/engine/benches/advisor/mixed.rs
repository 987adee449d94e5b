//! Reads and writes of a shop, with the advice and without: two schemas alike, the same transactions in turn, in one session. Two sessions
//! are two processes, which one of two processors may favour for as long as they live: that is more than what is looked for.
use std::time::Instant;

use perfdeck_engine::advice::{AdviceWanted, WorkloadStatement, index_advice};
use perfdeck_model::{Address, Kind};
use perfdeck_stats::paired::median;
use perfdeck_testkit::sqlx::{AssertSqlSafe, Connection as _, PgConnection, query, raw_sql};

use crate::report::ratio;
use crate::{Outcome, server};

const ORDERS: i32 = 200_000;
const CUSTOMERS: i32 = 5_000;
/// Pairs of blocks; the time of one in milliseconds, and its transactions at most.
const PAIRS: usize = 40;
const BLOCK_MS: f64 = 30.0;
const BLOCK: f64 = 100.0;
/// Candidates that were rejected that are told.
const TOLD: usize = 12;
/// Slower than this, by interval, is slower.
const SLOWER: f64 = 1.05;

const SCHEMA: &str = "
CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, balance int NOT NULL DEFAULT 0);
INSERT INTO customers SELECT i, 'user' || i || '@example.com', 0 FROM generate_series(1, 5000) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, status text NOT NULL, created timestamptz NOT NULL,
                     amount int NOT NULL, note text);
INSERT INTO orders SELECT i, (i * 7919::bigint) % 5000 + 1, CASE WHEN i % 200 = 0 THEN 'new' WHEN i % 20 = 0 THEN 'open' ELSE 'done' END,
                          timestamptz '2026-01-01' + i * interval '1 minute', i % 1000, md5(i::text)
FROM generate_series(1, 200000) i;
VACUUM ANALYZE";

/// A kind of transaction: its statements, with how often it comes in a thousand.
struct Transaction {
    name: &'static str,
    share: f64,
    statements: &'static [(&'static str, Values)],
}

/// What stands for a statement's parameters.
#[derive(Clone, Copy)]
enum Values {
    /// A new order's number, and a customer.
    New,
    /// An order.
    Order,
    /// A customer.
    Customer,
    /// None.
    Nothing,
}

const TRANSACTIONS: &[Transaction] = &[
    Transaction {
        name: "place an order",
        share: 200.0,
        statements: &[
            ("INSERT INTO orders VALUES ($1, $2, 'new', now(), 10, 'a note')", Values::New),
            ("UPDATE customers SET balance = balance + 10 WHERE id = $1", Values::Customer),
        ],
    },
    Transaction {
        name: "pay it (status, which is looked for)",
        share: 100.0,
        statements: &[("UPDATE orders SET status = 'open' WHERE id = $1", Values::Order)],
    },
    Transaction {
        name: "note on it (a column nobody looks for)",
        share: 100.0,
        statements: &[("UPDATE orders SET note = 'another note' WHERE id = $1", Values::Order)],
    },
    Transaction { name: "cancel it", share: 20.0, statements: &[("DELETE FROM orders WHERE id = $1", Values::Order)] },
    Transaction { name: "see one", share: 300.0, statements: &[("SELECT * FROM orders WHERE id = $1", Values::Order)] },
    Transaction {
        name: "latest ten of a customer",
        share: 200.0,
        statements: &[("SELECT * FROM orders WHERE customer = $1 ORDER BY created DESC LIMIT 10", Values::Customer)],
    },
    Transaction {
        name: "new ones",
        share: 40.0,
        statements: &[(
            "SELECT id, customer FROM orders WHERE status = 'new' ORDER BY created LIMIT 50",
            Values::Nothing,
        )],
    },
    Transaction {
        name: "a customer's sum",
        share: 40.0,
        statements: &[(
            "SELECT c.email, sum(o.amount) FROM customers c JOIN orders o ON o.customer = c.id WHERE c.id = $1 GROUP BY c.email",
            Values::Customer,
        )],
    },
];

/// One schema with its place in the order of transactions.
struct Side {
    schema: &'static str,
    /// Number of the next new order, and of the next transaction.
    next: i32,
    turn: i32,
}

impl Side {
    /// Runs a transaction; its milliseconds.
    async fn run(&mut self, c: &mut PgConnection, transaction: &Transaction) -> Outcome<f64> {
        self.turn += 1;
        // A multiplicative hash: the same sequence on both sides.
        let random =
            |most: i32, turn: i32| (i64::from(turn) * 2_654_435_761 % 4_294_967_296 % i64::from(most)) as i32 + 1;
        let (order, customer) = (random(ORDERS, self.turn), random(CUSTOMERS, self.turn));
        let began = Instant::now();
        let mut work = c.begin().await?;
        for (text, values) in transaction.statements {
            let ask = query(*text);
            let ask = match values {
                Values::New => {
                    self.next += 1;
                    ask.bind(self.next).bind(customer)
                }
                Values::Order => ask.bind(order),
                Values::Customer => ask.bind(customer),
                Values::Nothing => ask,
            };
            ask.fetch_all(&mut *work).await?;
        }
        work.commit().await?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    /// Median of a block of transactions of one kind.
    async fn block(&mut self, c: &mut PgConnection, transaction: &Transaction, count: usize) -> Outcome<f64> {
        raw_sql(AssertSqlSafe(format!("SET search_path = {}", self.schema))).execute(&mut *c).await?;
        // The first plans anew, for the other schema.
        self.run(c, transaction).await?;
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.run(c, transaction).await?);
        }
        median(&all).ok_or_else(|| "no transaction ran".into())
    }
}

/// Measures all kinds.
pub(crate) async fn run() -> Outcome {
    let server = server().await?;
    server.execute("CREATE SCHEMA plain; CREATE SCHEMA advised; CREATE EXTENSION hypopg SCHEMA public").await?;
    // What is advised on reads the one schema, beside the extension's.
    server.execute("ALTER DATABASE app SET search_path = advised, public").await?;
    let (address, password) = Address::parse(&server.url()).map_err(|e| e.to_string())?;
    let mut c = server.connect().await?;
    let side = |schema| Side { schema, next: ORDERS, turn: 0 };
    let (mut advised, mut plain) = (side("advised"), side("plain"));
    for schema in [advised.schema, plain.schema] {
        for text in format!("SET search_path = {schema};{SCHEMA}").split(';') {
            raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut c).await?;
        }
    }

    // What the workload takes as things are, a thousand transactions a minute.
    let (mut statements, mut blocks) = (Vec::new(), Vec::new());
    for transaction in TRANSACTIONS {
        let ms = plain.block(&mut c, transaction, 20).await?;
        let counted = advised.block(&mut c, transaction, 20).await?;
        blocks.push((BLOCK_MS / ms).clamp(3.0, BLOCK) as usize);
        let calls = transaction.share * 60.0 * 24.0;
        for (text, _) in transaction.statements {
            let total_ms = calls * ms.min(counted) / transaction.statements.len() as f64;
            statements.push(WorkloadStatement { text: (*text).to_owned(), calls, total_ms });
        }
    }
    let wanted =
        AdviceWanted { statements, days: 1.0, bytes: None, kind: Kind::Development, agreed: false, quarantined: false };
    let given = index_advice(&address, password.as_ref(), &wanted).await.map_err(|e| format!("{e:?}"))?;
    println!(
        "A shop of {ORDERS} orders, {PAIRS} pairs of blocks of 3 to {BLOCK} transactions, two schemas in turn, with:"
    );
    for index in &given.advice.advised {
        println!("    {}", index.ddl);
        raw_sql(AssertSqlSafe(index.ddl.clone())).execute(&mut c).await?;
    }
    for rejected in given.advice.rejected.iter().take(TOLD) {
        println!("    not {} {}: {}", rejected.table, rejected.index, rejected.why);
    }
    println!("Said of statements that write, by what a transaction takes now:");
    for slowed in &given.advice.slows {
        let text = &given.workload.statements[slowed.statement].text;
        println!(
            "    {:+.1} %, {:+.1} us, HOT lost {:.0} %: {text}",
            slowed.change.unwrap_or(f64::NAN) * 1e2,
            slowed.added_ms * 1e3,
            slowed.hot_lost * 1e2
        );
    }
    let mut all: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); TRANSACTIONS.len()];
    for pair in 0..=PAIRS {
        for (at, transaction) in TRANSACTIONS.iter().enumerate() {
            let (before, after) = if pair % 2 == 0 {
                let before = plain.block(&mut c, transaction, blocks[at]).await?;
                (before, advised.block(&mut c, transaction, blocks[at]).await?)
            } else {
                let after = advised.block(&mut c, transaction, blocks[at]).await?;
                (plain.block(&mut c, transaction, blocks[at]).await?, after)
            };
            // The first pair warms up.
            if pair > 0 {
                all[at].0.push(before);
                all[at].1.push(after);
            }
        }
    }
    for (transaction, (before, after)) in TRANSACTIONS.iter().zip(&all) {
        let (mean, low, high) = ratio(before, after);
        let verdict = if low > SLOWER { "MISSED" } else { "held" };
        let ms = |of: &[f64]| median(of).unwrap_or(f64::NAN);
        println!(
            "{:<40} {:>8.3} to {:>7.3} ms, ratio {mean:.3} ({low:.3} to {high:.3})  at most {SLOWER}, by interval: {verdict}",
            transaction.name,
            ms(before),
            ms(after)
        );
    }
    Ok(())
}
