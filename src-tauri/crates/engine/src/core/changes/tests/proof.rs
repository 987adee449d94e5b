//! A proof is stored with its change, and counted.
use perfdeck_model::{ChangeProof, ProofMethod, ProofStatement, ProofVerdict, ShareRange};

use super::*;

fn statement(landed: Option<bool>) -> ProofStatement {
    let range = ShareRange { value: -0.9, low: -0.95, high: -0.8 };
    ProofStatement {
        statement: "SELECT 1".into(),
        writes: false,
        share: Some(0.5),
        change: Some(range),
        predicted: landed.map(|_| range),
        landed,
        classes: Vec::new(),
        not_measured: None,
    }
}

fn proof(verdict: ProofVerdict, landed: &[Option<bool>]) -> ChangeProof {
    ChangeProof {
        at_ms: 1e12,
        took_s: 1.0,
        method: ProofMethod::Copies,
        verdict,
        why: "`SELECT 1` took less".into(),
        statements: landed.iter().map(|l| statement(*l)).collect(),
        saved: None,
        notes: Vec::new(),
    }
}

#[tokio::test]
async fn a_proof_stays_with_its_change_and_counts_for_the_record() {
    let room = room(Kind::Development).await;
    let planned = room.plan().await;
    let early = room.engine.hold_to_prove(&planned.id, SCRIPTED).await.err().expect("nothing is there yet");
    assert_eq!(early.code, ErrorCode::Conflict, "{early:?}");
    room.apply(&planned.id).await.expect("applied");
    let other = room.engine.hold_to_prove(&planned.id, "create_index").await.err().expect("another kind");
    assert_eq!(other.code, ErrorCode::Unsupported, "{other:?}");

    let proving = room.engine.hold_to_prove(&planned.id, SCRIPTED).await.expect("it is in force");
    room.engine.still_there(&proving).await.expect("the target says so");
    let busy = room.engine.hold_to_prove(&planned.id, SCRIPTED).await.err().expect("somebody measures it");
    assert_eq!(busy.code, ErrorCode::Conflict, "{busy:?}");
    let first = proof(ProofVerdict::Proven, &[Some(true), Some(false), None]);
    room.engine.proven(proving, first.clone()).await.expect("stored");
    let stored = room.engine.change(&planned.id, true).await.expect("it is there");
    assert_eq!((stored.state, stored.proof.as_ref()), (ChangeState::Verified, Some(&first)), "its state stays");
    let record = room.engine.track_record(&room.environment).await.expect("counted");
    assert_eq!((record.predictions, record.landed), (2, 1), "what nobody predicted does not count");
    let journal = room.engine.core.store.journal(None, 10).await.expect("the journal");
    assert!(journal.iter().any(|e| e.text.ends_with(": proven, SELECT 1 took less")), "{journal:?}");

    // A newer one takes its place, and what somebody else stored meanwhile is not overwritten.
    let proving = room.engine.hold_to_prove(&planned.id, SCRIPTED).await.expect("again");
    room.engine.proven(proving, proof(ProofVerdict::NoGain, &[])).await.expect("stored");
    let record = room.engine.track_record(&room.environment).await.expect("counted");
    assert_eq!(record.predictions, 0, "the newer one counts");
    put(&room.file, "before");
    let proving = room.engine.hold_to_prove(&planned.id, SCRIPTED).await.expect("it is held");
    let gone = room.engine.still_there(&proving).await.expect_err("somebody took it away");
    assert_eq!(gone.code, ErrorCode::Conflict, "{gone:?}");
    room.engine.shutdown().await;
}
