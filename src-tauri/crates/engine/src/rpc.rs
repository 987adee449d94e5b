//! Commands: each is declared once, in the table of its feature. The shell's IPC, the server's RPC and the TypeScript
//! bindings all come from these tables; `perfctl` calls the same functions.
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use perfdeck_model::{Access, ApiError, Columns, CommandInfo, ErrorCode, Frame, WireFrame, masking};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::Engine;

/// One list of features makes both lists, so that no command is without its types.
macro_rules! tables {
    ($($($part:ident)::+),* $(,)?) => {
        /// The tables of all features, in the order of the bindings.
        const TABLES: &[&[Command]] = &[$(crate::$($part)::+::TABLE),*];
        /// Their types, in the same order.
        const TYPES: &[&[Types]] = &[$(crate::$($part)::+::TYPES),*];
    };
}

tables! {
    core::commands,
    core::changes::commands,
    features::environments::commands,
    features::monitoring::commands,
    features::database::commands,
    features::bench::commands,
    features::reports::commands,
}

/// Every command, in the order of declaration.
pub static COMMANDS: LazyLock<Vec<CommandInfo>> = LazyLock::new(|| all().map(|command| command.info.clone()).collect());

fn all() -> impl Iterator<Item = &'static Command> {
    TABLES.iter().copied().flatten()
}

/// The answer of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// JSON.
    Json(Value),
    /// Binary columns, see [`Columns`].
    Binary(Vec<u8>),
}

pub(crate) type Result<T> = std::result::Result<T, ApiError>;

pub(crate) trait IntoReply {
    fn into_reply(self) -> Result<Reply>;
}

pub(crate) struct Json<T>(pub(crate) T);
pub(crate) struct Binary(pub(crate) Columns);

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Reply> {
        serde_json::to_value(self.0)
            .map(Reply::Json)
            .map_err(|e| ApiError::internal(format!("The answer could not be written: {e}")))
    }
}

impl IntoReply for Binary {
    fn into_reply(self) -> Result<Reply> {
        Ok(Reply::Binary(self.0.encode()))
    }
}

/// One row of a feature's table.
pub(crate) struct Command {
    pub(crate) info: CommandInfo,
    /// Reads the parameters, runs the function, tells what changed.
    pub(crate) call: fn(Arc<Engine>, Value) -> BoxFuture<'static, Result<Reply>>,
}

/// The types of one row, for the bindings. A table of its own, so that shipped programs do not carry what writes them.
pub(crate) struct Types {
    pub(crate) name: &'static str,
    /// Writes the TypeScript types of request and answer.
    pub(crate) export: fn(&ts_rs::Config) -> std::result::Result<(), ts_rs::ExportError>,
    /// Names of the TypeScript types of request and answer.
    pub(crate) signature: fn(&ts_rs::Config) -> (String, String),
}

/// The type whose TypeScript form an answer has; binary columns have none of their own.
macro_rules! ts_type {
    (Json $ty:ty) => {
        $ty
    };
    (Binary $ty:ty) => {
        $crate::requests::Empty
    };
}

macro_rules! is_binary {
    (Json) => {
        false
    };
    (Binary) => {
        true
    };
}

/// Makes a feature's table. A row: access, form of the answer, name, request, answer, what it changes, function.
macro_rules! commands {
    ($( $access:ident $form:ident $name:literal ($req:ty) -> $res:ty, changes [$($tag:ident),*] => $function:path; )*) => {
        pub(crate) const TABLE: &[$crate::rpc::Command] = &[
            $( $crate::rpc::Command {
                info: perfdeck_model::CommandInfo {
                    name: $name,
                    access: perfdeck_model::Access::$access,
                    changes: &[$(perfdeck_model::Tag::$tag),*],
                    binary: $crate::rpc::is_binary!($form),
                },
                call: |engine, params| Box::pin(async move {
                    let request: $req = $crate::rpc::parse($name, params)?;
                    let answer: $res = $function(engine.clone(), request).await?;
                    engine.core.changed(&[$(perfdeck_model::Tag::$tag),*]);
                    $crate::rpc::IntoReply::into_reply($crate::rpc::$form(answer))
                }),
            } ),*
        ];

        pub(crate) const TYPES: &[$crate::rpc::Types] = &[
            $( $crate::rpc::Types {
                name: $name,
                export: |config| {
                    $crate::rpc::export::<$req>(config)?;
                    $crate::rpc::export::<$crate::rpc::ts_type!($form $res)>(config)
                },
                signature: |config| (
                    $crate::rpc::name::<$req>(config),
                    if $crate::rpc::is_binary!($form) {
                        "Columns".to_owned()
                    } else {
                        $crate::rpc::name::<$crate::rpc::ts_type!($form $res)>(config)
                    },
                ),
            } ),*
        ];
    };
}
pub(crate) use {commands, is_binary, ts_type};

async fn call(engine: &Arc<Engine>, name: &str, params: Value) -> Result<Reply> {
    match all().find(|command| command.info.name == name) {
        Some(command) => (command.call)(engine.clone(), params).await,
        None => Err(ApiError::not_found(format!("There is no command '{}'", masking::shown(name)))),
    }
}

/// Writes the TypeScript bindings of all commands and of what they exchange into `dir`.
///
/// # Errors
/// When a file cannot be written.
pub fn export_bindings(dir: &Path) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let config = ts_rs::Config::new().with_large_int("number").with_out_dir(dir);
    Frame::export_all(&config)?;
    WireFrame::export_all(&config)?;
    let mut signatures = Vec::new();
    for command in TYPES.iter().copied().flatten() {
        (command.export)(&config)?;
        let (request, answer) = (command.signature)(&config);
        signatures.push((command.name, request, answer));
    }
    crate::bindings::write_commands(dir, &signatures)
}

pub(crate) fn name<T: TS>(config: &ts_rs::Config) -> String {
    T::name(config)
}

/// Writes a type and what is inside it.
pub(crate) fn export<T: TS + 'static>(config: &ts_rs::Config) -> std::result::Result<(), ts_rs::ExportError> {
    T::export_all(config).or_else(ignore_unnamed)?;
    let mut inner = Inner(config, Ok(()));
    T::visit_generics(&mut inner);
    inner.1
}

/// Exports what is inside `Vec<T>` and friends.
struct Inner<'a>(&'a ts_rs::Config, std::result::Result<(), ts_rs::ExportError>);

impl ts_rs::TypeVisitor for Inner<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if self.1.is_ok() {
            self.1 = T::export_all(self.0).or_else(ignore_unnamed);
        }
    }
}

fn ignore_unnamed(error: ts_rs::ExportError) -> std::result::Result<(), ts_rs::ExportError> {
    // `Vec<T>` and friends have no file of their own; what is inside them was exported.
    match error {
        ts_rs::ExportError::CannotBeExported(_) => Ok(()),
        other => Err(other),
    }
}

pub(crate) fn parse<T: for<'de> Deserialize<'de>>(name: &str, params: Value) -> Result<T> {
    let params = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params };
    // serde would read a list as the fields in their order.
    if !params.is_object() {
        return Err(ApiError::bad_request(format!("{name}: a request is an object of named fields")));
    }
    // What serde says quotes values; the place and the kind of the mistake are told instead.
    serde_path_to_error::deserialize(params).map_err(|e| {
        let path = place(e.path());
        ApiError::bad_request(format!("{name}: {path}{}", masking::reading_failed(&e.inner().to_string())))
    })
}

/// Where a mistake is: names of fields and positions in lists. A key of a map is a user's word and not told.
fn place(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let parts: Vec<String> = path
        .iter()
        .map(|segment| match segment {
            Segment::Seq { index } => (index + 1).to_string(),
            Segment::Map { key } if key.len() <= 32 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
                key.clone()
            }
            Segment::Enum { variant } => variant.clone(),
            Segment::Map { .. } | Segment::Unknown => "?".to_owned(),
        })
        .collect();
    if parts.is_empty() || parts == ["?"] { String::new() } else { format!("{}: ", parts.join(".")) }
}

impl Engine {
    /// Runs a command. A panic inside is caught and answered.
    ///
    /// # Errors
    /// What the command fails with, in words for a person.
    pub async fn dispatch(self: &Arc<Self>, name: &str, params: Value) -> Result<Reply> {
        let work = Box::pin(AssertUnwindSafe(call(self, name, params)).catch_unwind());
        match work.await {
            Ok(answer) => {
                if let Err(error) = &answer {
                    tracing::info!(command = name, kind = ?error.code, %error, "command refused");
                }
                answer
            }
            Err(panic) => {
                let text = crate::core::logs::panic_words(&*panic);
                tracing::error!(command = name, panic = %text, "command panicked");
                Err(ApiError::internal(format!("'{name}' ended unexpectedly; the log has the details")))
            }
        }
    }

    /// Runs a command for a caller that may only read what Perfdeck has: nothing is changed, and no target is reached.
    ///
    /// # Errors
    /// [`ErrorCode::Guarded`] for a command that does either; else as [`Engine::dispatch`].
    pub async fn dispatch_reading(self: &Arc<Self>, name: &str, params: Value) -> Result<Reply> {
        let what = match COMMANDS.iter().find(|c| c.name == name).map(|c| c.access) {
            Some(Access::Write) => "changes what Perfdeck keeps, or reads files of this machine",
            Some(Access::Target) => "reaches a target",
            Some(Access::Read) | None => {
                return crate::core::access::READS_ONLY.scope(true, self.dispatch(name, params)).await;
            }
        };
        Err(ApiError::new(ErrorCode::Guarded, format!("This link only reads, and '{name}' {what}"))
            .hint("Open the URL with full access that perfctl serve printed"))
    }

    /// Runs a command that answers JSON.
    ///
    /// # Errors
    /// As [`Engine::dispatch`]; a binary answer is [`ErrorCode::Internal`].
    pub async fn json(self: &Arc<Self>, name: &str, params: Value) -> Result<Value> {
        match self.dispatch(name, params).await? {
            Reply::Json(value) => Ok(value),
            Reply::Binary(_) => Err(ApiError::internal(format!("'{name}' answers binary columns"))),
        }
    }
}
