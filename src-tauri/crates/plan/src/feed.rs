//! Feeds: rows for templates, the same for the same seed and worker.
use std::sync::Arc;

use super::feed_spec::{FeedMode, FeedSource, FeedSpec};
use super::rows::{Files, MAX_BYTES, Rows, RowsError};
use super::scope::{Names, Scope};
use super::template::is_name;
use super::zipf::Zipf;
use perfdeck_model::SplitMix64;

/// Why a feed cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FeedError {
    /// Its name cannot stand in a template.
    #[error("feed '{0}': a name has letters, digits, _ and -, and starts with a letter")]
    Name(String),
    /// Its file cannot be read.
    #[error("feed '{feed}': '{file}' cannot be read: {message}")]
    File {
        /// The feed.
        feed: String,
        /// The file.
        file: String,
        /// Why.
        message: String,
    },
    /// Its file is not what it should be.
    #[error("feed '{feed}': '{file}', {source}")]
    Rows {
        /// The feed.
        feed: String,
        /// The file.
        file: String,
        /// Line and reason.
        source: RowsError,
    },
    /// Bounds, steps or exponents that give nothing.
    #[error("feed '{feed}': {message}")]
    Values {
        /// The feed.
        feed: String,
        /// What is wrong.
        message: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Data {
    Rows(Rows),
    List(Vec<String>),
    Sequence { from: i64, step: i64, count: u64 },
    Zipf(Zipf),
    Uniform { from: i64, to: i64 },
    Text { length: usize },
}

/// An opened feed, shared by all workers.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    name: String,
    mode: FeedMode,
    data: Data,
    prefix: String,
}

impl Feed {
    /// Names that templates may use for it.
    pub fn names(&self) -> Vec<String> {
        let Data::Rows(rows) = &self.data else { return vec![self.name.clone()] };
        let mut names: Vec<String> = rows.columns().iter().map(|c| format!("{}.{c}", self.name)).collect();
        if names.len() == 1 {
            names.push(self.name.clone());
        }
        names
    }

    /// The rows of a file.
    pub fn rows(&self) -> Option<&Rows> {
        if let Data::Rows(rows) = &self.data { Some(rows) } else { None }
    }

    /// Number of different rows; `None` where they are generated without end.
    pub fn len(&self) -> Option<u64> {
        match &self.data {
            Data::Rows(rows) => Some(rows.len() as u64),
            Data::List(values) => Some(values.len() as u64),
            Data::Sequence { count, .. } => Some(*count),
            _ => None,
        }
    }

    /// Never: a feed without rows is not opened.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

/// Names that templates may use for a feed: `feed.column` per column, and `feed` when it has one column.
///
/// # Errors
/// As [`open_feed`].
pub fn feed_columns(spec: &FeedSpec, files: &dyn Files) -> Result<Vec<String>, FeedError> {
    open_feed(spec, files).map(|feed| feed.names())
}

/// Reads and checks a feed.
///
/// # Errors
/// [`FeedError`] naming the feed and, where there is one, file and line.
pub fn open_feed(spec: &FeedSpec, files: &dyn Files) -> Result<Arc<Feed>, FeedError> {
    let name = spec.name.clone();
    if !is_name(&name) || name.contains('.') {
        return Err(FeedError::Name(name.chars().take(80).collect()));
    }
    let wrong = |message: &str| FeedError::Values { feed: name.clone(), message: message.to_owned() };
    let read = |file: &String, rows: fn(&[u8]) -> Result<Rows, RowsError>| {
        let failed = |message| FeedError::File { feed: name.clone(), file: file.clone(), message };
        let bytes = files.read(file, MAX_BYTES).map_err(failed)?;
        let failed = |source| FeedError::Rows { feed: name.clone(), file: file.clone(), source };
        rows(&bytes).map(Data::Rows).map_err(failed)
    };
    let mut text = "";
    let data = match &spec.source {
        FeedSource::Csv { file } => read(file, Rows::csv)?,
        FeedSource::Jsonl { file } => read(file, Rows::jsonl)?,
        FeedSource::List { values } if values.is_empty() => return Err(wrong("`values` is empty")),
        FeedSource::List { values } => Data::List(values.clone()),
        FeedSource::Sequence { from, to, step } => {
            let way = i128::from(*to) - i128::from(*from);
            let step_wide = i128::from(*step);
            if step_wide == 0 || way.signum() * step_wide.signum() < 0 {
                return Err(wrong("`step` does not lead from `from` to `to`"));
            }
            // At most 2^64 of them, whose last fits once more when it is counted from 0.
            let count = u64::try_from(way / step_wide + 1).unwrap_or(u64::MAX);
            Data::Sequence { from: *from, step: *step, count }
        }
        FeedSource::Zipf { items, exponent, prefix } => {
            text = prefix;
            let zipf = Zipf::new(*items, *exponent);
            Data::Zipf(zipf.ok_or_else(|| wrong("`items` is 1 to 2^53 and `exponent` 0 to 20"))?)
        }
        FeedSource::Uniform { from, to, .. } if from > to => return Err(wrong("`from` is above `to`")),
        FeedSource::Uniform { from, to, prefix } => {
            text = prefix;
            Data::Uniform { from: *from, to: *to }
        }
        FeedSource::RandomString { length } => match usize::try_from(*length) {
            Ok(length) if (1..=1 << 20).contains(&length) => Data::Text { length },
            _ => return Err(wrong("`length` is 1 to 1048576")),
        },
    };
    let generated = matches!(data, Data::Zipf(_) | Data::Uniform { .. } | Data::Text { .. });
    let mode = match spec.mode {
        Some(FeedMode::Unique) if generated => {
            return Err(wrong("random values are not unique; use a sequence, a list or a file"));
        }
        _ if generated => FeedMode::Random,
        mode => mode.unwrap_or_default(),
    };
    Ok(Arc::new(Feed { name, mode, data, prefix: text.to_owned() }))
}

/// A worker's place in a feed.
///
/// Sequential and unique feeds are shared out: worker i of n draws the rows i, i + n, i + 2n, …; random ones have a
/// stream of their own for each worker.
#[derive(Debug, Clone)]
pub struct FeedCursor {
    feed: Arc<Feed>,
    /// Pairs of column and slot, of those that templates use.
    slots: Vec<(usize, usize)>,
    rng: SplitMix64,
    next: u64,
    stride: u64,
    buffer: Vec<u8>,
}

impl FeedCursor {
    /// The cursor of worker `worker` of `workers`. Only columns in `names` are set.
    pub fn new(feed: Arc<Feed>, names: &Names, seed: u64, worker: u32, workers: u32) -> Self {
        let mut slots = Vec::new();
        for (column, name) in feed.names().iter().enumerate() {
            // The short name of a single column comes second.
            let column = if matches!(feed.data, Data::Rows(_)) && *name == feed.name { 0 } else { column };
            slots.extend(names.find(name).map(|slot| (column, slot)));
        }
        let rng = SplitMix64::new(seed, &[b"feed", feed.name.as_bytes(), &worker.to_le_bytes()]);
        let stride = u64::from(workers.max(1));
        Self { feed, slots, rng, next: u64::from(worker), stride, buffer: Vec::new() }
    }

    /// Whether any template uses it; otherwise drawing rows is in vain.
    pub fn is_used(&self) -> bool {
        !self.slots.is_empty()
    }

    /// The slots that it sets.
    pub fn slots(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().map(|(_, slot)| *slot)
    }

    /// Whether its rows have an order, so that leaving one out shows.
    pub fn is_ordered(&self) -> bool {
        self.feed.mode != FeedMode::Random
    }

    /// Draws the next row into `scope`. False when a unique feed is used up; the scope then stays as it was.
    pub fn draw(&mut self, scope: &mut Scope) -> bool {
        let index = match (self.feed.mode, self.feed.len()) {
            (_, None) => 0,
            (FeedMode::Random, Some(len)) => self.rng.below(len),
            (mode, Some(len)) => {
                let index = self.next;
                if mode == FeedMode::Unique && index >= len {
                    return false;
                }
                self.next = self.next.wrapping_add(self.stride);
                index % len.max(1)
            }
        };
        use std::io::Write as _;
        self.buffer.clear();
        self.buffer.extend_from_slice(self.feed.prefix.as_bytes());
        let row = usize::try_from(index).unwrap_or(usize::MAX);
        match &self.feed.data {
            Data::Rows(rows) => {
                for (column, slot) in &self.slots {
                    scope.set(*slot, rows.cell(row, *column).unwrap_or_default().as_bytes());
                }
                return true;
            }
            Data::List(values) => self.buffer.extend_from_slice(values.get(row).map_or(&[], |v| v.as_bytes())),
            Data::Sequence { from, step, .. } => {
                let value = i128::from(*from) + i128::from(*step) * i128::from(index);
                // Writing into a vector does not fail.
                let _ = write!(self.buffer, "{value}");
            }
            Data::Zipf(zipf) => drop(write!(self.buffer, "{}", zipf.sample(&mut self.rng))),
            Data::Uniform { from, to } => drop(write!(self.buffer, "{}", self.rng.between(*from, *to))),
            Data::Text { length } => {
                const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
                for _ in 0..*length {
                    self.buffer.push(LETTERS[self.rng.below(62) as usize]);
                }
            }
        }
        for (_, slot) in &self.slots {
            scope.set(*slot, &self.buffer);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashSet};

    fn files() -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([
            ("u.csv".to_owned(), b"id,mail\n1,a@x\n2,b@x\n3,c@x\n".to_vec()),
            ("one.csv".to_owned(), b"id\n7\n".to_vec()),
            ("bad.csv".to_owned(), b"id\n1,2\n".to_vec()),
            ("u.jsonl".to_owned(), b"{\"id\":1}\n{\"id\":2}\n".to_vec()),
        ])
    }

    fn draw(toml: &str, name: &str, worker: u32, workers: u32, n: usize) -> Vec<String> {
        let spec: FeedSpec = toml::from_str(toml).expect("a feed");
        let feed = open_feed(&spec, &files()).expect("opened");
        let mut names = Names::default();
        let slot = names.slot(name);
        let mut scope = names.scope();
        let mut cursor = FeedCursor::new(feed, &names, 1, worker, workers);
        assert!(cursor.is_used(), "'{name}' belongs to the feed");
        let mut out = Vec::new();
        while out.len() < n && cursor.draw(&mut scope) {
            out.push(String::from_utf8_lossy(scope.get(slot).expect("set")).into_owned());
        }
        out
    }

    #[test]
    fn rows_are_shared_out_between_workers() {
        let csv = "name='u'\nkind='csv'\nfile='u.csv'";
        assert_eq!(draw(csv, "u.mail", 0, 1, 4), ["a@x", "b@x", "c@x", "a@x"], "in order and around");
        assert_eq!(draw(csv, "u.id", 1, 2, 3), ["2", "1", "3"], "worker 1 of 2 has rows 1, 3, 5 modulo 3");
        let unique = format!("{csv}\nmode='unique'");
        assert_eq!(draw(&unique, "u.id", 0, 2, 9), ["1", "3"], "each row once, over both workers");
        assert_eq!(draw(&unique, "u.id", 1, 2, 9), ["2"], "and then the feed is used up");
        assert_eq!(draw("name='u'\nkind='jsonl'\nfile='u.jsonl'", "u", 0, 1, 3), ["1", "2", "1"], "one column, no dot");
        assert_eq!(draw("name='o'\nkind='csv'\nfile='one.csv'", "o.id", 0, 1, 1), ["7"], "or with it");
        let list = "name='l'\nkind='list'\nvalues=['x','y']\nmode='random'";
        assert_eq!(draw(list, "l", 0, 1, 100).into_iter().collect::<HashSet<_>>().len(), 2, "random reaches all");
    }

    #[test]
    fn generated_values_follow_the_seed_and_the_worker() {
        for (toml, check) in [
            ("kind='zipf'\nitems=10\nexponent=1.0\nprefix='k:'", "k:"),
            ("kind='uniform'\nfrom=5\nto=9\nprefix='n'", "n"),
            ("kind='random_string'\nlength=12", ""),
        ] {
            let toml = format!("name='g'\n{toml}");
            let values = draw(&toml, "g", 0, 2, 200);
            assert_eq!(values, draw(&toml, "g", 0, 2, 200), "the same twice");
            assert_ne!(values, draw(&toml, "g", 1, 2, 200), "another worker has others");
            assert!(values.iter().all(|v| v.starts_with(check)), "with the prefix: {values:?}");
        }
        assert_eq!(
            draw("name='s'\nkind='sequence'\nfrom=10\nto=5\nstep=-2", "s", 0, 1, 4),
            ["10", "8", "6", "10"],
            "down"
        );
        let ends = format!("name='s'\nkind='sequence'\nfrom={}\nto={}", i64::MIN, i64::MAX);
        assert_eq!(draw(&ends, "s", 1, 2, 1), [(i64::MIN + 1).to_string()], "the largest range does not overflow");
        assert!(
            draw("name='r'\nkind='random_string'\nlength=3", "r", 0, 1, 9).iter().all(|v| v.len() == 3),
            "its length"
        );
    }

    #[test]
    fn mistakes_name_feed_file_and_line() {
        for (toml, message) in [
            ("name='u'\nkind='csv'\nfile='no.csv'", "feed 'u': 'no.csv' cannot be read: it does not exist"),
            ("name='u'\nkind='csv'\nfile='bad.csv'", "feed 'u': 'bad.csv', line 2: more fields than the header's 1"),
            ("name='u'\nkind='sequence'\nfrom=1\nto=5\nstep=0", "feed 'u': `step` does not lead from `from` to `to`"),
            ("name='u'\nkind='sequence'\nfrom=1\nto=5\nstep=-1", "feed 'u': `step` does not lead from `from` to `to`"),
            ("name='u'\nkind='zipf'\nitems=0", "feed 'u': `items` is 1 to 2^53 and `exponent` 0 to 20"),
            ("name='u'\nkind='uniform'\nfrom=2\nto=1", "feed 'u': `from` is above `to`"),
            ("name='u'\nkind='list'\nvalues=[]", "feed 'u': `values` is empty"),
            ("name='u'\nkind='random_string'\nlength=0", "feed 'u': `length` is 1 to 1048576"),
            (
                "name='u'\nkind='zipf'\nitems=5\nmode='unique'",
                "feed 'u': random values are not unique; use a sequence, a list or a file",
            ),
            (
                "name='a.b'\nkind='zipf'\nitems=5",
                "feed 'a.b': a name has letters, digits, _ and -, and starts with a letter",
            ),
        ] {
            let spec: FeedSpec = toml::from_str(toml).expect("a feed");
            assert_eq!(
                feed_columns(&spec, &files()).expect_err(toml).to_string(),
                message,
                "the error says what to mend"
            );
        }
    }
}
