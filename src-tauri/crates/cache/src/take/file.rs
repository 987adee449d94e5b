//! The file that keeps what was removed: chunks, each compressed and encrypted, written in order and never over another.
//!
//! What a killed process leaves is whole up to its last complete chunk. A chunk's place, kind and number of records are authenticated, so
//! that none can be left out of the middle, moved or taken from another file. Format, little-endian: the magic, then for each chunk its
//! length (4), its kind (1), its records (4), the nonce (24) and what XChaCha20-Poly1305 made of the zstd frame.
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use perfdeck_model::{ApiError, ErrorCode};

const MAGIC: &[u8; 16] = b"perfdeck-keys-1\n";
/// Length, kind, records and nonce of a chunk.
const HEAD: usize = 4 + 1 + 4 + 24;
/// Longest chunk that is read: beyond it the file is damaged.
const LONGEST: usize = 256 << 20;
/// As fast as the network; the levels above give little more on payloads that servers compress themselves.
const LEVEL: i32 = 1;

/// What a chunk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Records of keys that are about to be removed.
    Records = 1,
    /// What became of the records of the chunk before, a byte each.
    Outcomes = 2,
    /// Names of keys.
    Names = 3,
    /// How far undoing came: counts of records, from the first.
    Undone = 4,
}

/// Head of a chunk: its length in bytes, its kind, its number, and the nonce that it was encrypted with.
type Head = (usize, u8, u32, [u8; 24]);

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Records, Self::Outcomes, Self::Names, Self::Undone].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// Key of one file.
#[derive(Clone)]
pub struct FileKey(pub [u8; 32]);

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey")
    }
}

impl FileKey {
    /// A key that nobody can guess.
    pub fn random() -> Self {
        Self(rand::random())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.0).into())
    }
}

fn damaged(path: &Path) -> ApiError {
    ApiError::new(ErrorCode::Storage, format!("The snapshot {} is damaged from some place on", path.display()))
        .hint("What stands before that place can be restored; the rest cannot")
}

fn failed(path: &Path, error: &std::io::Error) -> ApiError {
    let full = matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge
    );
    let what = if full { "has no room left".to_owned() } else { format!("cannot be written or read: {error}") };
    ApiError::new(ErrorCode::Storage, format!("The disk of the snapshot {} {what}", path.display()))
        .hint("Nothing was removed that is not in it. Make room, then go on or undo")
}

fn place(position: u64, kind: u8, records: u32) -> Vec<u8> {
    [&position.to_le_bytes()[..], &[kind], &records.to_le_bytes()[..]].concat()
}

/// Where chunks are appended.
pub(super) struct Writer {
    file: File,
    path: PathBuf,
    key: FileKey,
    /// Chunks that stand in it.
    position: u64,
    /// Length up to the end of the last whole chunk.
    end: u64,
    cap: u64,
}

impl Writer {
    /// Makes a file, or goes on with one: what is torn at its end is cut off.
    ///
    /// # Errors
    /// When it cannot be written, or is none of these files.
    pub(super) fn open(path: &Path, key: &FileKey, cap: u64) -> Result<Self, ApiError> {
        let fail = |e: std::io::Error| failed(path, &e);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(fail)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        if length < MAGIC.len() as u64 {
            if length > 0 {
                file.set_len(0).map_err(fail)?;
            }
            file.write_all(MAGIC).map_err(fail)?;
            file.sync_all().map_err(fail)?;
            let end = MAGIC.len() as u64;
            return Ok(Self { file, path: path.to_owned(), key: key.clone(), position: 0, end, cap });
        }
        let mut reader = Reader::over(file, path, key)?;
        while reader.skip()?.is_some() {}
        let (mut file, position, end) = (reader.file, reader.position, reader.end);
        file.set_len(end).map_err(fail)?;
        file.seek(SeekFrom::End(0)).map_err(fail)?;
        Ok(Self { file, path: path.to_owned(), key: key.clone(), position, end, cap })
    }

    /// Appends a chunk. Nothing of it stays when it could not be written whole.
    ///
    /// # Errors
    /// When the disk is full, or the file would grow beyond its cap.
    pub(super) fn append(&mut self, kind: Kind, records: u32, plain: &[u8]) -> Result<(), ApiError> {
        let fail = |e: std::io::Error| failed(&self.path, &e);
        let packed = zstd::bulk::compress(plain, LEVEL).map_err(fail)?;
        let nonce: [u8; 24] = rand::random();
        let aad = place(self.position, kind as u8, records);
        let sealed = self
            .key
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: &packed, aad: &aad })
            .map_err(|_| ApiError::internal("A snapshot could not be encrypted"))?;
        let length =
            u32::try_from(sealed.len()).map_err(|_| ApiError::internal("A chunk of a snapshot is too long"))?;
        let whole = HEAD as u64 + u64::from(length);
        if self.end + whole > self.cap {
            return Err(ApiError::new(
                ErrorCode::Storage,
                format!("The snapshot would be larger than its cap of {}", perfdeck_words::bytes(self.cap as f64)),
            )
            .hint("Nothing was removed that is not in it. Invalidate fewer keys at a time, or undo"));
        }
        let head = [&length.to_le_bytes()[..], &[kind as u8], &records.to_le_bytes()[..], &nonce[..]].concat();
        let written = self.file.write_all(&head).and_then(|()| self.file.write_all(&sealed));
        if let Err(error) = written {
            let _ = self.file.set_len(self.end);
            let _ = self.file.seek(SeekFrom::Start(self.end));
            return Err(failed(&self.path, &error));
        }
        self.end += whole;
        self.position += 1;
        Ok(())
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    /// When the disk says no; what was appended since the last time may be lost.
    pub(super) fn sync(&mut self) -> Result<(), ApiError> {
        self.file.sync_data().map_err(|e| failed(&self.path, &e))
    }
}

/// Reads the chunks of a file in order.
pub(super) struct Reader {
    file: File,
    path: PathBuf,
    key: FileKey,
    position: u64,
    /// End of the last whole chunk.
    end: u64,
    length: u64,
}

/// A chunk as it was before it was packed.
pub(super) struct Chunk {
    pub(super) kind: Kind,
    pub(super) plain: Vec<u8>,
}

impl Reader {
    /// Opens a file.
    ///
    /// # Errors
    /// When it is not there, or none of these files.
    pub(super) fn open(path: &Path, key: &FileKey) -> Result<Self, ApiError> {
        let file = File::open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => ApiError::not_found("The snapshot of this invalidation is gone")
                .hint("Snapshots are removed after 24 h; what was removed from the cache stays removed"),
            _ => failed(path, &e),
        })?;
        Self::over(file, path, key)
    }

    fn over(mut file: File, path: &Path, key: &FileKey) -> Result<Self, ApiError> {
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic).map_err(|_| damaged(path))?;
        if &magic != MAGIC {
            return Err(damaged(path));
        }
        let length = file.metadata().map_err(|e| failed(path, &e))?.len();
        let end = MAGIC.len() as u64;
        Ok(Self { file, path: path.to_owned(), key: key.clone(), position: 0, end, length })
    }

    /// Head of the next chunk; none at the end, and none where the last chunk is torn.
    fn head(&mut self) -> Result<Option<Head>, ApiError> {
        if self.length - self.end < HEAD as u64 {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.file.read_exact(&mut head).map_err(|e| failed(&self.path, &e))?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = number(0) as usize;
        if length > LONGEST {
            return Err(damaged(&self.path));
        }
        if self.length - self.end < (HEAD + length) as u64 {
            return Ok(None);
        }
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&head[9..]);
        Ok(Some((length, head[4], number(5), nonce)))
    }

    fn past(&mut self, length: usize) {
        self.end += (HEAD + length) as u64;
        self.position += 1;
    }

    /// Kind and records of the next chunk, which is not read.
    pub(super) fn skip(&mut self) -> Result<Option<(Option<Kind>, u32)>, ApiError> {
        let Some((length, kind, records, _)) = self.head()? else { return Ok(None) };
        self.file.seek_relative(length as i64).map_err(|e| failed(&self.path, &e))?;
        self.past(length);
        Ok(Some((Kind::of(kind), records)))
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// When it is not what was written, or the key is another one.
    pub(super) fn next(&mut self) -> Result<Option<Chunk>, ApiError> {
        self.next_of(None)
    }

    /// The next chunk of this kind; others are passed over.
    pub(super) fn next_of(&mut self, wanted: Option<Kind>) -> Result<Option<Chunk>, ApiError> {
        let (length, kind, records, nonce) = loop {
            let Some(head) = self.head()? else { return Ok(None) };
            if wanted.is_none_or(|wanted| wanted as u8 == head.1) {
                break head;
            }
            self.file.seek_relative(head.0 as i64).map_err(|e| failed(&self.path, &e))?;
            self.past(head.0);
        };
        let mut sealed = vec![0; length];
        self.file.read_exact(&mut sealed).map_err(|e| failed(&self.path, &e))?;
        let aad = place(self.position, kind, records);
        let packed = self
            .key
            .cipher()
            .decrypt(XNonce::from_slice(&nonce), Payload { msg: &sealed, aad: &aad })
            .map_err(|_| damaged(&self.path))?;
        let kind = Kind::of(kind).ok_or_else(|| damaged(&self.path))?;
        let plain = zstd::stream::decode_all(packed.as_slice()).map_err(|_| damaged(&self.path))?;
        self.past(length);
        Ok(Some(Chunk { kind, plain }))
    }
}

/// Records that a file holds, without its key: what stands in it, whole, at most once for each try.
pub fn records_in(path: &Path) -> Option<u64> {
    let file = File::open(path).ok()?;
    let mut reader = Reader::over(file, path, &FileKey([0; 32])).ok()?;
    let mut all = 0;
    while let Ok(Some((kind, records))) = reader.skip() {
        all += if kind == Some(Kind::Records) { u64::from(records) } else { 0 };
    }
    Some(all)
}

/// Writes a list of names of keys.
///
/// # Errors
/// When the disk is full, or the file cannot be written.
pub fn write_names(path: &Path, key: &FileKey, names: &[Vec<u8>]) -> Result<(), ApiError> {
    let mut writer = Writer::open(path, key, u64::MAX)?;
    for some in names.chunks(10_000) {
        let mut plain = Vec::new();
        for name in some {
            put(&mut plain, name);
        }
        writer.append(Kind::Names, some.len() as u32, &plain)?;
    }
    writer.sync()
}

/// Reads it.
///
/// # Errors
/// When it is gone or damaged.
pub fn read_names(path: &Path, key: &FileKey) -> Result<Vec<Vec<u8>>, ApiError> {
    let mut reader = Reader::open(path, key)?;
    let mut names = Vec::new();
    while let Some(chunk) = reader.next()? {
        let mut rest = chunk.plain.as_slice();
        while !rest.is_empty() {
            names.push(got(&mut rest).ok_or_else(|| damaged(path))?.to_vec());
        }
    }
    Ok(names)
}

/// Appends bytes with their length.
pub(super) fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    to.extend_from_slice(bytes);
}

/// Takes bytes with their length.
pub(super) fn got<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (bytes, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

/// Takes a number.
pub(super) fn got_number(rest: &mut &[u8]) -> Option<i64> {
    let (number, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(i64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn place() -> PathBuf {
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_nanos();
        std::env::temp_dir().join(format!("perfdeck-take-{nanos}-{:x}", rand::random::<u64>()))
    }

    fn chunks(path: &Path, key: &FileKey) -> Result<Vec<Vec<u8>>, ApiError> {
        let mut reader = Reader::open(path, key)?;
        let mut all = Vec::new();
        while let Some(chunk) = reader.next()? {
            all.push(chunk.plain);
        }
        Ok(all)
    }

    #[test]
    fn a_torn_end_is_cut_off_and_the_file_goes_on() {
        let (path, key) = (place(), FileKey::random());
        let mut writer = Writer::open(&path, &key, u64::MAX).expect("a file");
        for part in [&b"one"[..], b"two"] {
            writer.append(Kind::Records, 1, part).expect("written");
        }
        let whole = writer.end;
        drop(writer);
        // A killed process leaves any part of its last chunk.
        for torn in [1, HEAD as u64, HEAD as u64 + 3] {
            let mut file = OpenOptions::new().append(true).open(&path).expect("the file");
            file.write_all(&vec![1; torn as usize]).expect("torn");
            assert_eq!(chunks(&path, &key).expect("read"), [b"one".to_vec(), b"two".to_vec()], "what is whole is read");
            assert_eq!(records_in(&path), Some(2), "and counted");
            let writer = Writer::open(&path, &key, u64::MAX).expect("opened again");
            assert_eq!(writer.end, whole, "the torn end is gone");
        }
        let mut writer = Writer::open(&path, &key, u64::MAX).expect("opened again");
        writer.append(Kind::Outcomes, 1, b"three").expect("written");
        assert_eq!(chunks(&path, &key).expect("read").len(), 3, "it goes on");
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn what_was_altered_or_is_read_with_another_key_is_refused() {
        let (path, key) = (place(), FileKey::random());
        let mut writer = Writer::open(&path, &key, u64::MAX).expect("a file");
        let secret = b"a value that nobody may read".repeat(10);
        writer.append(Kind::Records, 1, &secret).expect("written");
        drop(writer);
        let bytes = std::fs::read(&path).expect("bytes");
        assert!(!bytes.windows(8).any(|w| w == b"a value "), "it is encrypted");
        assert!(chunks(&path, &FileKey::random()).is_err(), "another key reads nothing");
        for at in [20, 24, bytes.len() - 1] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            std::fs::write(&path, &other).expect("altered");
            assert!(chunks(&path, &key).is_err(), "byte {at} was altered");
        }
        std::fs::remove_file(&path).expect("removed");
    }

    #[test]
    fn a_file_stops_at_its_cap() {
        let (path, key) = (place(), FileKey::random());
        let mut writer = Writer::open(&path, &key, 4_000).expect("a file");
        let noise: Vec<u8> = (0..1_000).map(|_| rand::random()).collect();
        for _ in 0..3 {
            writer.append(Kind::Records, 1, &noise).expect("it fits");
        }
        let error = writer.append(Kind::Records, 1, &noise).expect_err("too much");
        assert!(error.message.contains("cap"), "{}", error.message);
        assert_eq!(chunks(&path, &key).expect("read").len(), 3, "what stands in it stays");
        std::fs::remove_file(&path).expect("removed");
    }
}
