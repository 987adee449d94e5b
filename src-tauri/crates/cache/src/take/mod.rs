//! Taking keys out of a cache so that they can be put back: looked at first ([`survey`]), then stored on this disk and removed, or given an
//! expiry ([`take`]), and restored ([`restore`]).
//!
//! Invariants: nothing is removed that is not stored before, unless nothing undoes it by agreement; a key that somebody changed meanwhile is
//! left as it is; every command is about one key and goes to the server that owns it; nothing keeps a server busy for more than 5 ms.
mod epochs;
mod file;
mod kept;
mod loads;
mod matches;
mod names;
mod nodes;
mod record;
mod restorable;
mod restoring;
mod scripts;
mod survey;
mod taking;
mod tally;

pub use epochs::{
    Epoch, Library, Moved, library, library_in_memory, moved, moved_in_memory, stand, stand_in_memory, survey_epochs,
    survey_epochs_in_memory, tag_of,
};
pub use file::{FileKey, read_names, records_in, write_names};
pub use kept::{MemoryKept, put_back, survey_memory, take_from_memory};
pub use loads::Loads;
pub use names::{Meant, shown};
pub use restoring::{SOURCE_HAS_THEM, restore, there_again};
pub use survey::{Seen, Surveyed, survey};
pub use taking::{Order, Snapshot, Watch, take};
