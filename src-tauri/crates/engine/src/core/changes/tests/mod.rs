//! The life of changes with a scripted kind on a real file.
mod kill;
mod proof;
mod scripted;

use std::path::PathBuf;
use std::sync::Arc;

use perfdeck_model::{
    ApiError, Change, ChangeOffer, ChangeState, ErrorCode, JobState, JobStatus, JournalKind, Kind, ManualClock, Says,
};
use perfdeck_model::{EnvironmentDraft, TargetsDraft};
use perfdeck_words::plain_spaces;

use self::scripted::{Act, SCRIPTED, Script, Scripted, put, word};
use super::commands::{ChangeConfirm, ChangePlan};
use super::store::Stored;
use super::{ChangeKind, life};
use crate::{ById, Engine, EngineOptions};

/// An engine with the scripted kind, an environment, and a file that says `before`.
struct Room {
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
    scripted: Scripted,
    environment: String,
    file: PathBuf,
    _dir: tempfile::TempDir,
}

fn draft(kind: Kind, api: &str) -> EnvironmentDraft {
    let targets = TargetsDraft { api: Some(api.to_owned()), ..TargetsDraft::default() };
    EnvironmentDraft { name: "clinic".to_owned(), kind, targets, ..EnvironmentDraft::default() }
}

async fn room(kind: Kind) -> Room {
    let dir = tempfile::tempdir().expect("a folder");
    let (clock, scripted) = (Arc::new(ManualClock::new(1e12)), Scripted::default());
    let options = EngineOptions { data_dir: Some(dir.path().join("data")), clock: Some(clock.clone()) };
    let kinds: Vec<Box<dyn ChangeKind>> = vec![Box::new(scripted.clone())];
    let engine = Engine::open_with(options, kinds).await.expect("opens");
    let made = engine.save_environment(&draft(kind, "http://127.0.0.1:9"), None).await.expect("made");
    let file = dir.path().join("target");
    put(&file, "before");
    Room { engine, clock, scripted, environment: made.id, file, _dir: dir }
}

impl Room {
    async fn plan(&self) -> Change {
        let object = self.file.display().to_string();
        let asked = ChangePlan { kind: SCRIPTED.to_owned(), environment_id: self.environment.clone(), object };
        super::commands::plan(self.engine.clone(), asked).await.expect("planned").change
    }

    async fn end(&self, job: Result<JobStatus, ApiError>) -> Result<(), ApiError> {
        let job = job?;
        let end = self.engine.jobs().wait(&job.id).await.expect("known");
        match end.state {
            JobState::Done => Ok(()),
            JobState::Cancelled => Err(ApiError::new(ErrorCode::Cancelled, "cancelled")),
            _ => Err(end.error.expect("it says why")),
        }
    }

    async fn apply(&self, id: &str) -> Result<(), ApiError> {
        let asked = ChangeConfirm { id: id.to_owned(), confirm: None, agree: None };
        self.end(super::commands::apply(self.engine.clone(), asked).await).await
    }

    async fn undo(&self, id: &str) -> Result<(), ApiError> {
        let asked = ChangeConfirm { id: id.to_owned(), confirm: None, agree: None };
        self.end(super::commands::undo(self.engine.clone(), asked).await).await
    }

    async fn get(&self, id: &str) -> Change {
        super::commands::get(self.engine.clone(), ById { id: id.to_owned() }).await.expect("it is there")
    }

    async fn check(&self, id: &str) -> Change {
        super::commands::check(self.engine.clone(), ById { id: id.to_owned() }).await.expect("it is there").change
    }

    fn script(&self, script: Script) {
        self.scripted.set(script);
    }

    /// The states of a change's steps.
    async fn states(&self, id: &str) -> Vec<ChangeState> {
        self.get(id).await.steps.iter().map(|s| s.state).collect()
    }
}

fn says(change: &Change) -> Option<Says> {
    change.target_says.as_ref().map(|t| t.says)
}

#[tokio::test]
async fn a_change_is_planned_previewed_applied_verified_kept_and_undone() {
    use ChangeState as S;
    let room = room(Kind::Development).await;
    let planned = room.plan().await;
    assert_eq!((planned.state, word(&room.file).as_str()), (S::Previewed, "before"), "a plan alters nothing");
    assert_eq!((planned.preview[0].predicted, planned.preview[0].came), (Some(1.0), None), "and predicts");
    assert_eq!(planned.offers, [ChangeOffer::Apply, ChangeOffer::Discard], "{planned:?}");
    let again = room.plan().await;
    assert!(room.engine.core.store.change(&planned.id).await.expect("read").is_none(), "a plan takes its place");

    room.apply(&again.id).await.expect("applied");
    let applied = room.get(&again.id).await;
    assert_eq!((applied.state, says(&applied)), (S::Verified, Some(Says::AsApplied)), "the target was asked");
    assert_eq!(applied.preview[0].came, Some(2.0), "what came stands beside what was predicted");
    assert_eq!(applied.offers, [ChangeOffer::Keep, ChangeOffer::Undo], "it waits for a person");
    assert_eq!(word(&room.file), "applied", "and it is there");
    let twice = room.apply(&again.id).await.expect_err("once");
    assert_eq!(twice.code, ErrorCode::Conflict, "{twice}");

    let kept = super::commands::keep(room.engine.clone(), ById { id: again.id.clone() }).await.expect("kept");
    assert_eq!((kept.state, kept.offers), (S::Kept, vec![ChangeOffer::Undo]), "it can still be undone");
    room.undo(&again.id).await.expect("undone");
    let undone = room.get(&again.id).await;
    assert_eq!((undone.state, says(&undone), undone.offers.len()), (S::Undone, Some(Says::AsBefore), 0), "{undone:?}");
    assert_eq!(word(&room.file), "before", "and it is gone");
    let expected =
        [S::Planned, S::Previewed, S::Armed, S::Applying, S::Applied, S::Verified, S::Kept, S::Undoing, S::Undone];
    assert_eq!(room.states(&again.id).await, expected, "every step is there");
    let journal = room.engine.core.store.journal(Some(&room.environment), 50).await.expect("read");
    let of_changes = journal.iter().filter(|e| e.kind == JournalKind::TargetChange).count();
    assert_eq!(of_changes, expected.len() + 2, "every step is journaled, and the plan that was replaced: {journal:?}");
    for refused in [room.undo(&again.id).await, room.apply(&again.id).await] {
        assert_eq!(refused.expect_err("past").code, ErrorCode::Conflict, "what is past stays past");
    }
    room.engine.shutdown().await;
}

#[tokio::test]
async fn a_preview_lapses_once_the_target_is_as_it_would_have_made_it() {
    let room = room(Kind::Development).await;
    let planned = room.plan().await;
    let list = async || room.engine.change_list(None, false).await.expect("listed").remove(0);
    let waits = list().await;
    assert_eq!((waits.state, says(&waits)), (ChangeState::Previewed, Some(Says::AsBefore)), "the target is asked");
    room.script(Script { verify: Act::Fail, ..Script::default() });
    room.clock.advance(60_000.0);
    assert_eq!(list().await.state, ChangeState::Previewed, "what cannot be asked about waits on");
    room.script(Script::default());
    put(&room.file, "applied");
    room.clock.advance(60_000.0);
    let lapsed = list().await;
    assert_eq!((lapsed.state, lapsed.offers.as_slice()), (ChangeState::Lapsed, &[][..]), "{lapsed:?}");
    assert!(lapsed.steps.last().is_some_and(|step| step.text.starts_with("nothing was sent: ")), "{lapsed:?}");
    assert_eq!(room.apply(&planned.id).await.expect_err("past").code, ErrorCode::Conflict, "and nothing comes of it");
    assert_eq!(room.engine.changes_in_force(None).await.expect("read"), Vec::<String>::new(), "nothing of it is ours");
    room.engine.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_applied_or_undone() {
    let room = room(Kind::Development).await;
    let applied = room.plan().await;
    room.apply(&applied.id).await.expect("applied");
    let other = room.file.with_extension("other");
    put(&other, "before");
    let asked = ChangePlan {
        kind: SCRIPTED.to_owned(),
        environment_id: room.environment.clone(),
        object: other.display().to_string(),
    };
    let planned = super::commands::plan(room.engine.clone(), asked).await.expect("planned").change;
    sqlx::raw_sql("DROP TABLE journal").execute(&room.engine.core.store.pool).await.expect("the journal is gone");
    assert_eq!(room.apply(&planned.id).await.expect_err("it cannot be stored").code, ErrorCode::Storage);
    assert_eq!(word(&other), "before", "nothing was sent");
    assert_eq!(room.get(&planned.id).await.state, ChangeState::Previewed, "and its state is what it was");
    assert_eq!(room.undo(&applied.id).await.expect_err("neither can this").code, ErrorCode::Storage);
    assert_eq!(word(&room.file), "applied", "nothing was sent");
    room.engine.shutdown().await;
}

#[tokio::test]
async fn the_store_refuses_states_that_do_not_follow() {
    let room = room(Kind::Development).await;
    let planned = room.plan().await;
    let store = &room.engine.core.store;
    let Stored { change, .. } = store.change(&planned.id).await.expect("read").expect("there");
    let entry = life::entry(&change, 0.0, "");
    for to in [ChangeState::Applying, ChangeState::Verified, ChangeState::Undoing] {
        let jump = Change { state: to, ..change.clone() };
        let refused = store.advance_change(change.state, &jump, &entry).await.expect_err("a jump");
        assert_eq!(refused.code, ErrorCode::Internal, "{to:?} does not follow: {refused}");
    }
    let armed = Change { state: ChangeState::Armed, ..change.clone() };
    store.advance_change(ChangeState::Previewed, &armed, &entry).await.expect("this follows");
    let refused = store.advance_change(ChangeState::Previewed, &armed, &entry).await.expect_err("only once");
    assert_eq!(refused.code, ErrorCode::Conflict, "another one came first: {refused}");
    room.engine.shutdown().await;
}

#[tokio::test]
async fn guards_are_asked_before_anything_is_sent() {
    let room = room(Kind::Production).await;
    let planned = room.plan().await;
    let detail = super::commands::check(room.engine.clone(), ById { id: planned.id.clone() }).await.expect("there");
    assert!(detail.guard.is_some_and(|g| g.contains("read-only")), "the screen can say so before");
    assert_eq!(detail.confirm.as_deref(), Some("clinic"), "and what is to be typed");
    let refused = room.apply(&planned.id).await.expect_err("production is read-only");
    assert_eq!(refused.code, ErrorCode::Guarded, "{refused}");
    let environment = room.engine.environment(&room.environment).await.expect("there");
    room.engine.unlock(&environment, Some("clinic")).expect("unlocked");
    let refused = room.apply(&planned.id).await.expect_err("its name was not typed");
    assert_eq!(refused.message, "Altering 'clinic' needs its name typed");
    assert_eq!((word(&room.file).as_str(), room.get(&planned.id).await.state), ("before", ChangeState::Previewed));
    let journal = room.engine.core.store.journal(Some(&room.environment), 50).await.expect("read");
    let refusals = journal.iter().filter(|e| e.kind == JournalKind::TargetChangeRefused).count();
    assert_eq!(refusals, 2, "both refusals are journaled: {journal:?}");
    let asked = ChangeConfirm { id: planned.id.clone(), confirm: Some("clinic".to_owned()), agree: None };
    room.end(super::commands::apply(room.engine.clone(), asked.clone()).await).await.expect("unlocked and typed");
    room.engine.lock(&room.environment);
    let refused = super::commands::undo(room.engine.clone(), asked.clone()).await.expect_err("undoing alters it too");
    assert_eq!(refused.code, ErrorCode::Guarded, "{refused}");
    assert_eq!(word(&room.file), "applied", "nothing was sent");
    room.engine.shutdown().await;
}

#[tokio::test]
async fn whatever_a_method_does_the_state_is_what_the_target_says() {
    use ChangeState as S;
    for (act, state, told, then) in [
        (Act::Fail, S::Failed, Says::AsBefore, "before"),
        (Act::FailHalf, S::CutOff, Says::HalfDone, "half"),
        (Act::FailDone, S::Verified, Says::AsApplied, "applied"),
    ] {
        let room = room(Kind::Development).await;
        room.script(Script { apply: act, ..Script::default() });
        let planned = room.plan().await;
        let done = room.apply(&planned.id).await;
        assert_eq!(done.is_ok(), state == S::Verified, "{act:?}: the job says so: {done:?}");
        let change = room.get(&planned.id).await;
        assert_eq!((change.state, says(&change), word(&room.file).as_str()), (state, Some(told), then), "{act:?}");
        if state == S::CutOff {
            assert_eq!(change.offers, [ChangeOffer::Finish, ChangeOffer::CleanUp], "{change:?}");
            assert!(change.error.is_some(), "with why");
            room.script(Script { undo: act, ..Script::default() });
            room.undo(&planned.id).await.expect_err("undoing fails half way too");
            assert_eq!(room.get(&planned.id).await.state, S::CutOff, "and it is still in the middle");
            room.script(Script::default());
            room.undo(&planned.id).await.expect("then it is taken away");
            assert_eq!((room.get(&planned.id).await.state, word(&room.file).as_str()), (S::Undone, "before"));
        }
        room.engine.shutdown().await;
    }
}

#[tokio::test]
async fn cancel_in_the_middle_ends_in_what_the_target_confirms() {
    use ChangeState as S;
    for (act, state, told) in [
        (Act::Hang, S::Failed, Says::AsBefore),
        (Act::HangHalf, S::CutOff, Says::HalfDone),
        (Act::Deaf, S::Failed, Says::AsBefore),
    ] {
        let room = room(Kind::Development).await;
        room.script(Script { apply: act, ..Script::default() });
        let planned = room.plan().await;
        let asked = ChangeConfirm { id: planned.id.clone(), confirm: None, agree: None };
        let job = super::commands::apply(room.engine.clone(), asked).await.expect("starts");
        // It is where it hangs once its state is stored, and half done once the file says so.
        let there = || async {
            let moving = room.get(&planned.id).await;
            (moving.state == S::Applying && (act != Act::HangHalf || word(&room.file) == "half")).then_some(moving)
        };
        let moving = perfdeck_testkit::eventually(std::time::Duration::from_secs(5), there).await;
        assert!(moving.held && moving.offers.is_empty(), "somebody works on it: {moving:?}");
        assert!(room.engine.jobs().cancel(&job.id), "it can be stopped");
        let end = room.engine.jobs().wait(&job.id).await.expect("known");
        assert_eq!(end.state, JobState::Cancelled, "{act:?}: {end:?}");
        let change = room.get(&planned.id).await;
        assert_eq!((change.state, says(&change), change.held), (state, Some(told), false), "{act:?}: {change:?}");
        if state == S::CutOff {
            room.script(Script::default());
            room.apply(&planned.id).await.expect("it is brought to its end");
            let change = room.get(&planned.id).await;
            assert_eq!((change.state, word(&room.file).as_str()), (S::Verified, "applied"), "{change:?}");
        }
        room.engine.shutdown().await;
    }
}

#[tokio::test]
async fn a_target_that_cannot_be_asked_is_said_and_nothing_is_sent() {
    let room = room(Kind::Development).await;
    let planned = room.plan().await;
    room.apply(&planned.id).await.expect("applied");
    for act in [Act::Hang, Act::Fail] {
        room.script(Script { verify: act, ..Script::default() });
        let change = room.check(&planned.id).await;
        assert_eq!((change.state, says(&change)), (ChangeState::Verified, Some(Says::Unreachable)), "{act:?}");
        let text = change.target_says.map(|told| plain_spaces(&told.text)).unwrap_or_default();
        let silent = text == "The target did not answer within 300 ms";
        assert_eq!(silent, act == Act::Hang, "for how long this kind waits: {text}");
        let refused = room.undo(&planned.id).await.expect_err("nothing is known of the target");
        assert_eq!((refused.code, word(&room.file).as_str()), (ErrorCode::Unreachable, "applied"), "{refused}");
    }
    room.script(Script::default());
    put(&room.file, "somebody else's");
    let list = room.engine.change_list(None, true).await.expect("listed");
    assert_eq!(says(&list[0]), Some(Says::Unreachable), "who only reads asks nobody: {list:?}");
    room.clock.advance(60_000.0);
    let list = room.engine.change_list(Some(&room.environment), false).await.expect("listed");
    assert_eq!(says(&list[0]), Some(Says::Differs), "asked again: {list:?}");
    let refused = room.undo(&planned.id).await.expect_err("it would overwrite somebody else's work");
    assert_eq!((refused.code, word(&room.file).as_str()), (ErrorCode::Conflict, "somebody else's"), "{refused}");

    put(&room.file, "applied");
    let old = room.engine.environment(&room.environment).await.expect("there");
    room.engine.save_environment(&draft(Kind::Development, "http://127.0.0.1:10"), Some(&old)).await.expect("edited");
    let change = room.check(&planned.id).await;
    assert_eq!(says(&change), Some(Says::Unreachable), "another target is not asked about it: {change:?}");
    let refused = room.undo(&planned.id).await.expect_err("nor altered");
    assert!(refused.message.contains("names another api now"), "{refused}");
    assert_eq!(word(&room.file), "applied", "nothing was sent");
    room.engine.shutdown().await;
}

#[tokio::test]
async fn a_change_with_a_lease_ends_by_itself() {
    let room = room(Kind::Development).await;
    room.script(Script { lease_ms: Some(60_000.0), ..Script::default() });
    let planned = room.plan().await;
    assert!(planned.notes.iter().any(|n| n.contains("ends by itself after 60 s")), "{:?}", planned.notes);
    room.apply(&planned.id).await.expect("applied");
    let change = room.get(&planned.id).await;
    assert_eq!(change.ends_ms, Some(1e12 + 60_000.0), "from when it was applied");
    let refused = super::commands::keep(room.engine.clone(), ById { id: change.id.clone() }).await;
    assert_eq!(refused.expect_err("its end is the target's own").code, ErrorCode::Unsupported);
    put(&room.file, "before");
    let early = room.check(&planned.id).await;
    assert_eq!((early.state, says(&early)), (ChangeState::Verified, Some(Says::AsBefore)), "before its end it is gone");
    room.clock.advance(60_000.0);
    let ended = room.check(&planned.id).await;
    assert_eq!(
        (ended.state, ended.steps.last().map(|s| s.text.as_str())),
        (ChangeState::Undone, Some("it ended by itself"))
    );
    room.engine.shutdown().await;
}
