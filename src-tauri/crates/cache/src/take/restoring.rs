//! Undoing: what was removed is restored with its value, expiry and use, and nothing that was written meanwhile is touched.
use std::time::Instant;

use perfdeck_model::{ApiError, CacheBytes, CacheTarget, ErrorCode, RestoredKeys, Sensitive};
use redis::Value;

use super::file::{Kind, Reader, Writer, got_number};
use super::nodes::{Call, Nodes};
use super::record::{Outcome, Record, unpacked};
use super::scripts::{EXPIRE_BACK, SAME};
use super::survey::{Has, needs};
use super::taking::{Snapshot, Watch, count_failure, server_ms, wait_while};
use crate::connect::Purpose;

/// Keys, and bytes of their dumps, that are sent in one go.
const AT_ONCE: (usize, usize) = (250, 512 << 10);
/// What is to be done about keys that no snapshot has any more.
pub const SOURCE_HAS_THEM: &str =
    "The others cannot be put back; they come back as they are asked for: their source has them";
/// Names of keys that are told because they were left.
const TOLD: usize = 50;

/// Restores what a snapshot holds. What was done is told, however it ended, with the names of some keys that were written anew and left.
/// How far it came stands in the file, so that one that was cut off is gone on with.
pub async fn restore(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    snapshot: &Snapshot,
    watch: Watch<'_>,
    progress: &(dyn Fn(&RestoredKeys) + Send + Sync),
) -> (RestoredKeys, Vec<CacheBytes>, Result<(), ApiError>) {
    let started = Instant::now();
    let mut work = Work { restored: RestoredKeys::default(), left: Vec::new() };
    let done = async {
        work.restored = came(snapshot)?;
        let mut nodes = Nodes::find(target, password, Purpose::Change).await?;
        let has = Has::ask_steadily(&mut nodes).await?;
        work.run(&mut nodes, has, snapshot, &watch, progress).await
    }
    .await;
    work.restored.seconds = started.elapsed().as_secs_f64();
    (work.restored, work.left, done)
}

/// Counts of one that was cut off, or none.
fn came(snapshot: &Snapshot) -> Result<RestoredKeys, ApiError> {
    let mut reader = Reader::open(&snapshot.path, &snapshot.key)?;
    let mut restored = RestoredKeys::default();
    // Of a damaged file nothing is known: what is there already is told apart by the server.
    while let Ok(Some(chunk)) = reader.next_of(Some(Kind::Undone)) {
        let mut rest = chunk.plain.as_slice();
        for count in counts(&mut restored) {
            *count = got_number(&mut rest).unwrap_or(0) as f64;
        }
    }
    Ok(restored)
}

fn counts(of: &mut RestoredKeys) -> [&mut f64; 6] {
    [&mut of.kept, &mut of.restored, &mut of.there, &mut of.recreated, &mut of.expired, &mut of.lost]
}

struct Work {
    restored: RestoredKeys,
    left: Vec<CacheBytes>,
}

/// Records of a snapshot that were removed, chunk by chunk. Of those whose outcome was not stored nothing is known: the server is asked.
pub(super) struct Removed {
    reader: Option<Reader>,
    ahead: Option<Vec<Record>>,
    /// Why nothing more can be read, told after what could be.
    damaged: Option<ApiError>,
}

impl Removed {
    pub(super) fn open(snapshot: &Snapshot) -> Result<Self, ApiError> {
        Ok(Self { reader: Some(Reader::open(&snapshot.path, &snapshot.key)?), ahead: None, damaged: None })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Vec<Record>>, ApiError> {
        loop {
            let Some(mut reader) = self.reader.take() else { return self.damaged.take().map_or(Ok(None), Err) };
            let work = tokio::task::spawn_blocking(move || {
                let chunk = reader.next();
                (reader, chunk)
            });
            let (reader, chunk) =
                work.await.map_err(|_| ApiError::internal("Reading a snapshot ended unexpectedly"))?;
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    self.damaged = Some(error);
                    match self.ahead.take() {
                        Some(unsure) => return Ok(Some(unsure)),
                        None => continue,
                    }
                }
            };
            self.reader = Some(reader);
            match chunk {
                Some(chunk) if chunk.kind == Kind::Records => {
                    if let Some(unsure) = self.ahead.replace(unpacked(&chunk.plain)?) {
                        return Ok(Some(unsure));
                    }
                }
                Some(chunk) if chunk.kind == Kind::Outcomes => {
                    let Some(records) = self.ahead.take() else { continue };
                    let ours = |i: usize| chunk.plain.get(i).is_none_or(|byte| Outcome::is_ours(*byte));
                    return Ok(Some(
                        records.into_iter().enumerate().filter(|(i, _)| ours(*i)).map(|(_, r)| r).collect(),
                    ));
                }
                Some(_) => {}
                None => {
                    self.reader = None;
                    return Ok(self.ahead.take());
                }
            }
        }
    }
}

impl Work {
    async fn run(
        &mut self,
        nodes: &mut Nodes,
        has: Has,
        snapshot: &Snapshot,
        watch: &Watch<'_>,
        progress: &(dyn Fn(&RestoredKeys) + Send + Sync),
    ) -> Result<(), ApiError> {
        // Of a damaged file what is whole is restored all the same. A torn end is cut off before it is read.
        let mut writer = Writer::open(&snapshot.path, &snapshot.key, u64::MAX)
            .inspect_err(|error| tracing::warn!(code = ?error.code, "how far undoing comes cannot be stored"))
            .ok();
        let mut removed = Removed::open(snapshot)?;
        let mut past = self.restored.kept as usize;
        while let Some(mut records) = removed.next().await.map_err(|why| self.up_to_here(why))? {
            let before = past.min(records.len());
            past -= before;
            records.drain(..before);
            let (mut some, mut bytes) = (Vec::new(), 0);
            for record in records {
                if some.len() >= AT_ONCE.0 || bytes + record.dump.len() > AT_ONCE.1 && !some.is_empty() {
                    wait_while(watch).await?;
                    self.batch(nodes, has, std::mem::take(&mut some)).await?;
                    bytes = 0;
                }
                bytes += record.dump.len();
                some.push(record);
            }
            wait_while(watch).await?;
            self.batch(nodes, has, some).await?;
            let plain: Vec<u8> = counts(&mut self.restored).iter().flat_map(|n| (**n as i64).to_le_bytes()).collect();
            // Those that were refused are tried again the next time, and so all that came after them.
            if !self.restored.failed.is_empty() {
                progress(&self.restored);
                continue;
            }
            // A disk that is full keeps nothing from being restored; it is only told less well what was.
            if let Some(Err(error)) = writer.as_mut().map(|writer| writer.append(Kind::Undone, 0, &plain)) {
                tracing::warn!(code = ?error.code, "how far undoing came could not be stored");
            }
            progress(&self.restored);
        }
        self.all_or_why()
    }

    /// A snapshot that is damaged from some place on: how many keys stand before it.
    fn up_to_here(&self, why: ApiError) -> ApiError {
        if why.code != ErrorCode::Storage {
            return why;
        }
        let whole = perfdeck_words::count(self.restored.kept as u64);
        ApiError::new(
            ErrorCode::Storage,
            format!("The snapshot is damaged after its first {whole} keys, which were dealt with"),
        )
        .hint(SOURCE_HAS_THEM)
    }

    /// What is not back is kept.
    fn all_or_why(&self) -> Result<(), ApiError> {
        let Some(first) = self.restored.failed.first() else { return Ok(()) };
        let refused: f64 = self.restored.failed.iter().map(|f| f64::from(f.keys)).sum();
        Err(ApiError::new(
            ErrorCode::Unsupported,
            format!("{} keys were refused and are not back: {}", perfdeck_words::count(refused as u64), first.why),
        )
        .hint("What was removed is still kept. Undo it again once the server takes them: a server of the version that they were read from does"))
    }

    async fn batch(&mut self, nodes: &mut Nodes, has: Has, records: Vec<Record>) -> Result<(), ApiError> {
        if records.is_empty() {
            return Ok(());
        }
        self.restored.kept += records.len() as f64;
        let now = server_ms(nodes).await?;
        let before = records.len();
        let records: Vec<Record> = records.into_iter().filter(|r| r.expires_ms < 0 || r.expires_ms > now).collect();
        self.restored.expired += (before - records.len()) as f64;
        let (soft, mut hard): (Vec<Record>, Vec<Record>) = records.into_iter().partition(|r| r.soft_ms > 0);
        hard.extend(self.prolong(nodes, has, soft).await?);
        self.bring_back(nodes, hard).await
    }

    /// Gives keys that are there the expiry back that they had. Answers those that are gone, and can be restored.
    async fn prolong(&mut self, nodes: &mut Nodes, has: Has, records: Vec<Record>) -> Result<Vec<Record>, ApiError> {
        let text = |number: i64| number.to_string().into_bytes();
        let calls: Vec<Call> = records
            .iter()
            .map(|r| {
                let arguments = vec![text(r.expires_ms), text(r.soft_ms), has.slack().to_vec(), has.flag().to_vec()];
                Call::script(&r.key, &EXPIRE_BACK, arguments)
            })
            .collect();
        let mut gone = Vec::new();
        for (record, answer) in records.into_iter().zip(nodes.send_steadily(&calls).await) {
            match answer {
                Ok(Value::Int(1)) => self.restored.restored += 1.0,
                Ok(Value::Int(3)) => self.restored.there += 1.0,
                Ok(Value::Int(0)) if record.dump.is_empty() => self.restored.lost += 1.0,
                Ok(Value::Int(0)) => gone.push(record),
                Ok(_) => self.leave(&record),
                Err(refused) if refused.code == "NOPERM" || refused.passes() => {
                    return Err(needs(&refused, nodes.target()));
                }
                Err(refused) => count_failure(&mut self.restored.failed, &refused),
            }
        }
        Ok(gone)
    }

    fn leave(&mut self, record: &Record) {
        self.restored.recreated += 1.0;
        if self.left.len() < TOLD {
            self.left.push(CacheBytes::new(&record.key));
        }
    }

    async fn bring_back(&mut self, nodes: &mut Nodes, records: Vec<Record>) -> Result<(), ApiError> {
        let calls: Vec<Call> = records.iter().map(restoring).collect();
        let mut taken = Vec::new();
        let mut refusal = None;
        for (record, answer) in records.iter().zip(nodes.send_steadily(&calls).await) {
            match answer {
                Ok(_) => self.restored.restored += 1.0,
                Err(refused) if refused.code == "BUSYKEY" => taken.push(record),
                // The next one would be refused too; what is restored is told apart the next time.
                Err(refused)
                    if ["NOPERM", "OOM", "MISCONF", "NOREPLICAS"].contains(&refused.code.as_str())
                        || refused.passes() =>
                {
                    refusal = Some(needs(&refused, nodes.target()));
                }
                Err(refused) => count_failure(&mut self.restored.failed, &refused),
            }
        }
        let calls: Vec<Call> =
            taken.iter().map(|r| Call::script(&r.key, &SAME, vec![r.digest().into_bytes()])).collect();
        for (record, answer) in taken.into_iter().zip(nodes.send_steadily(&calls).await) {
            match answer {
                Ok(Value::Int(1)) => self.restored.there += 1.0,
                Ok(_) => self.leave(record),
                Err(refused) => count_failure(&mut self.restored.failed, &refused),
            }
        }
        refusal.map_or(Ok(()), Err)
    }
}

/// RESTORE without REPLACE: what is there stays.
fn restoring(record: &Record) -> Call {
    let ttl = record.expires_ms.max(0).to_string();
    let used = record.used.to_string();
    let mut words: Vec<&[u8]> = vec![b"RESTORE", &record.key, ttl.as_bytes(), &record.dump, b"ABSTTL"];
    if record.used >= 0 {
        words.push(if record.by_frequency { b"FREQ" } else { b"IDLETIME" });
        words.push(used.as_bytes());
    }
    Call::words(&record.key, &words)
}

/// Of some keys of a snapshot that were removed, how many are there again: `(looked at, there)`.
///
/// # Errors
/// When the cache or the snapshot cannot be asked.
pub async fn there_again(
    target: &CacheTarget,
    password: Option<&Sensitive>,
    snapshot: &Snapshot,
) -> Result<(u32, u32), ApiError> {
    let mut nodes = Nodes::find(target, password, Purpose::Keys).await?;
    let mut removed = Removed::open(snapshot)?;
    let some = removed.next().await?.unwrap_or_default();
    let calls: Vec<Call> = some.iter().take(200).map(|r| Call::words(&r.key, &[b"EXISTS", &r.key])).collect();
    let answers = nodes.send(&calls).await;
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let asked = answers.iter().filter(|a| a.is_ok()).count();
    if let (0, Some(Err(refused))) = (asked, answers.first()) {
        return Err(needs(refused, nodes.target()));
    }
    Ok((count(asked), count(answers.iter().filter(|a| matches!(a, Ok(Value::Int(1)))).count())))
}
