//! Parts that the tables of commands are made of: a row reads a request, runs a function and tells what changed.
use std::sync::Arc;

use futures_util::future::BoxFuture;
use perfdeck_model::{ApiError, Columns, CommandInfo, masking};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::Engine;

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
    /// Function that reads the parameters, runs the command and tells what changed.
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
        pub(crate) const TABLE: &[$crate::table::Command] = &[
            $( $crate::table::Command {
                info: perfdeck_model::CommandInfo {
                    name: $name,
                    access: perfdeck_model::Access::$access,
                    changes: &[$(perfdeck_model::Tag::$tag),*],
                    binary: $crate::table::is_binary!($form),
                },
                call: |engine, params| Box::pin(async move {
                    let request: $req = $crate::table::parse($name, params)?;
                    let answer: $res = $function(engine.clone(), request).await?;
                    engine.core.changed(&[$(perfdeck_model::Tag::$tag),*]);
                    $crate::table::IntoReply::into_reply($crate::table::$form(answer))
                }),
            } ),*
        ];

        pub(crate) const TYPES: &[$crate::table::Types] = &[
            $( $crate::table::Types {
                name: $name,
                export: |config| {
                    $crate::table::export::<$req>(config)?;
                    $crate::table::export::<$crate::table::ts_type!($form $res)>(config)
                },
                signature: |config| (
                    $crate::table::name::<$req>(config),
                    if $crate::table::is_binary!($form) {
                        "Columns".to_owned()
                    } else {
                        $crate::table::name::<$crate::table::ts_type!($form $res)>(config)
                    },
                ),
            } ),*
        ];
    };
}
pub(crate) use {commands, is_binary, ts_type};

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
