//! SQL as text, by the lexical rules of each engine: where a statement ends, what in it is a literal, whether it can be
//! told to read only, and how a name is quoted. Pure: no I/O, no server, no grammar.
//!
//! One lexer ([`tokens`]) serves all of it, so that no two parts of the program disagree on where a string ends. It takes
//! every text, also one that was cut in the middle, and never fails; what a script must not have is refused by
//! [`statements`].
#![forbid(unsafe_code)]

mod expression;
mod lexer;
mod literals;
mod names;
mod parameters;
mod prepared;
mod quote;
mod reads;
mod session;
mod split;

pub use expression::{KeyText, Why, index_key, one_expression};
pub use lexer::{Dialect, Kind, Token, tokens};
pub use literals::{literals_numbered, literals_removed, without_literals};
pub use names::{Encoded, NameUse, decoded, names};
pub use parameters::parameters;
pub use prepared::prepared;
pub use quote::{quote_identifier, quote_text};
pub use reads::{ends_transaction, first_that_may_write, only_reads};
pub use session::needs_session;
pub use split::{Refused, Statement, pieces, statements};
