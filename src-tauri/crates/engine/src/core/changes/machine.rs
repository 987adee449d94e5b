//! States of changes: which may follow which, and what is offered in each.
use perfdeck_model::{Change, ChangeOffer, ChangeState, Says};

/// Whether a change may come from one state to another.
pub(crate) fn may_become(from: ChangeState, to: ChangeState) -> bool {
    use ChangeState as S;
    match from {
        // Perfdeck may have ended between the two: nobody previews it any more, and it is discarded as it is.
        S::Planned => matches!(to, S::Previewed | S::Failed | S::Lapsed),
        // What it would do may be so by then without it.
        S::Previewed => matches!(to, S::Armed | S::Lapsed),
        S::Armed => matches!(to, S::Applying | S::Failed | S::CutOff),
        S::Applying => matches!(to, S::Applied | S::Failed | S::CutOff),
        // The target may confirm it later than its answer came, and a lease may end before.
        S::Applied => matches!(to, S::Verified | S::Undoing | S::Undone),
        S::Verified => matches!(to, S::Kept | S::Undoing | S::Undone),
        S::Kept => matches!(to, S::Undoing | S::Undone),
        S::Undoing => matches!(to, S::Undone | S::Verified | S::CutOff),
        // To its end, or back; where the target has all of it already, or nothing, nothing is sent.
        S::CutOff => matches!(to, S::Armed | S::Verified | S::Undoing | S::Undone),
        S::Undone | S::Failed | S::Lapsed => false,
    }
}

/// Offers to a person for a change as it is.
pub(crate) fn offers(change: &Change) -> Vec<ChangeOffer> {
    use ChangeState as S;
    if change.held {
        return Vec::new();
    }
    let half = change.target_says.as_ref().is_some_and(|t| t.says == Says::HalfDone);
    let back = if half { ChangeOffer::CleanUp } else { ChangeOffer::Undo };
    let back = change.undo_statement.is_some().then_some(back);
    match change.state {
        S::Planned => vec![ChangeOffer::Discard],
        S::Previewed => vec![ChangeOffer::Apply, ChangeOffer::Discard],
        S::Verified if change.ends_ms.is_none() => [ChangeOffer::Keep].into_iter().chain(back).collect(),
        S::Applied | S::Verified | S::Kept => back.into_iter().collect(),
        S::CutOff => [ChangeOffer::Finish].into_iter().chain(back).collect(),
        S::Armed | S::Applying | S::Undoing | S::Undone | S::Failed | S::Lapsed => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ChangeState; 12] = [
        ChangeState::Planned,
        ChangeState::Previewed,
        ChangeState::Armed,
        ChangeState::Applying,
        ChangeState::Applied,
        ChangeState::Verified,
        ChangeState::Kept,
        ChangeState::Undoing,
        ChangeState::Undone,
        ChangeState::Failed,
        ChangeState::Lapsed,
        ChangeState::CutOff,
    ];

    #[test]
    fn nothing_is_sent_unless_it_was_armed_and_what_is_past_stays_past() {
        for from in ALL {
            assert_eq!(
                may_become(from, ChangeState::Applying),
                from == ChangeState::Armed,
                "{from:?}: only what the guards allowed is applied"
            );
            assert_eq!(
                may_become(from, ChangeState::CutOff),
                from.is_moving(),
                "{from:?}: only what somebody worked on can be cut off"
            );
            assert!(!may_become(from, from), "{from:?}: a step leads somewhere");
            if from.is_past() {
                assert!(ALL.iter().all(|to| !may_become(from, *to)), "{from:?} is past");
            } else {
                assert!(ALL.iter().any(|to| may_become(from, *to)), "{from:?} has a way on");
            }
        }
        for from in [ChangeState::Planned, ChangeState::Previewed, ChangeState::Armed] {
            assert!(!may_become(from, ChangeState::Undoing), "{from:?}: there is nothing to undo");
            assert!(!may_become(from, ChangeState::Verified), "{from:?}: there is nothing to confirm");
        }
    }
}
