//! A kind of change for tests. Its target is a file that says `before`, `half` or `applied`; what its methods do is scripted.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perfdeck_model::{ApiError, BoxFuture, ErrorCode, PreviewFigure, PreviewRow, Says, TargetRole, TargetSays};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{At, Came, ChangeKind, Planned, Preview};
use crate::core::guards::Permit;
use crate::core::jobs::JobContext;

/// Its name.
pub(super) const SCRIPTED: &str = "scripted";

/// What a method does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Act {
    /// Its work, at once.
    #[default]
    Go,
    /// Its work, with some time before, in the middle and after.
    Slow,
    /// Nothing, until it is cancelled.
    Hang,
    /// Half of its work, then nothing until it is cancelled.
    HangHalf,
    /// Nothing, and does not end when it is cancelled.
    Deaf,
    /// It fails before it did anything.
    Fail,
    /// It fails in the middle.
    FailHalf,
    /// It does all of it, and fails afterwards.
    FailDone,
}

/// What all methods do.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Script {
    pub(super) plan: Act,
    pub(super) preview: Act,
    pub(super) apply: Act,
    pub(super) verify: Act,
    pub(super) undo: Act,
    pub(super) lease_ms: Option<f64>,
}

/// The kind. Cloning shares the script.
#[derive(Clone, Default)]
pub(super) struct Scripted(pub(super) Arc<Mutex<Script>>);

fn failed() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the script says that it fails")
}

/// Replaces the file whole, so that it never holds a part of a word.
pub(super) fn put(path: &Path, word: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, word).and_then(|()| std::fs::rename(&new, path)).expect("the target is written");
}

/// What the file says, read without anything of the product.
pub(super) fn word(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

impl Scripted {
    pub(super) fn set(&self, script: Script) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }

    fn script(&self) -> Script {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(plan: &Value) -> PathBuf {
        PathBuf::from(plan["path"].as_str().expect("a path"))
    }

    /// A method that alters nothing.
    async fn look(act: Act) -> Result<(), ApiError> {
        match act {
            Act::Hang | Act::HangHalf | Act::Deaf => std::future::pending().await,
            Act::Fail | Act::FailHalf | Act::FailDone => Err(failed()),
            Act::Slow => {
                tokio::time::sleep(Duration::from_millis(4)).await;
                Ok(())
            }
            Act::Go => Ok(()),
        }
    }

    /// A method that takes the target to `word`, by way of `half`.
    async fn alter(act: Act, path: &Path, to: &str, job: &JobContext) -> Result<(), ApiError> {
        let stopped = async {
            job.cancel.cancelled().await;
            Err(ApiError::new(ErrorCode::Cancelled, "stopped"))
        };
        let pause = async || {
            if act == Act::Slow {
                tokio::time::sleep(Duration::from_millis(12)).await;
            }
        };
        match act {
            Act::Fail => return Err(failed()),
            Act::Hang => return stopped.await,
            Act::Deaf => std::future::pending().await,
            _ => {}
        }
        pause().await;
        put(path, "half");
        match act {
            Act::FailHalf => return Err(failed()),
            Act::HangHalf => return stopped.await,
            _ => {}
        }
        pause().await;
        put(path, to);
        pause().await;
        if act == Act::FailDone { Err(failed()) } else { Ok(()) }
    }
}

impl ChangeKind for Scripted {
    fn name(&self) -> &'static str {
        SCRIPTED
    }

    fn target(&self) -> TargetRole {
        TargetRole::Api
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(20)
    }

    /// Many times what looking at a file takes; what never answers is given up soon.
    fn patience(&self) -> Duration {
        Duration::from_millis(300)
    }

    fn plan<'a>(&'a self, _: At<'a>, object: &'a str) -> BoxFuture<'a, Result<Planned, ApiError>> {
        Box::pin(async move {
            Self::look(self.script().plan).await?;
            Ok(Planned {
                object: object.to_owned(),
                title: "Write `applied`".to_owned(),
                statement: "applied".to_owned(),
                undo_statement: Some("before".to_owned()),
                undo_cost: None,
                plan: serde_json::json!({ "path": object }),
                lease_ms: self.script().lease_ms,
            })
        })
    }

    fn preview<'a>(&'a self, _: At<'a>, _: &'a Value) -> BoxFuture<'a, Result<Preview, ApiError>> {
        Box::pin(async move {
            Self::look(self.script().preview).await?;
            let rows = vec![PreviewRow::new(PreviewFigure::Other, Some(1.0))];
            Ok(Preview { rows, notes: vec!["It is a test".to_owned()], ..Preview::default() })
        })
    }

    fn apply<'a>(
        &'a self,
        _permit: Permit,
        _: At<'a>,
        plan: &'a Value,
        job: &'a JobContext,
    ) -> BoxFuture<'a, Result<Came, ApiError>> {
        Box::pin(async move {
            Self::alter(self.script().apply, &Self::path(plan), "applied", job).await?;
            Ok(vec![(PreviewFigure::Other, 2.0)])
        })
    }

    fn verify<'a>(&'a self, _: At<'a>, plan: &'a Value) -> BoxFuture<'a, Result<TargetSays, ApiError>> {
        Box::pin(async move {
            Self::look(self.script().verify).await?;
            let text = std::fs::read_to_string(Self::path(plan))
                .map_err(|_| ApiError::new(ErrorCode::Unreachable, "the file is not there"))?;
            let says = match text.as_str() {
                "before" => Says::AsBefore,
                "half" => Says::HalfDone,
                "applied" => Says::AsApplied,
                _ => Says::Differs,
            };
            Ok(TargetSays::new(says, format!("it says {text}")))
        })
    }

    fn undo<'a>(
        &'a self,
        _permit: Permit,
        _: At<'a>,
        plan: &'a Value,
        job: &'a JobContext,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move { Self::alter(self.script().undo, &Self::path(plan), "before", job).await })
    }
}
