//! Advice in the words of the wire. Pure.
use perfdeck_advisor::{Advice, Advised, Effect, Index, Key, KeyOf, Method, Table, WriteEffect, range_of, together};
use perfdeck_model::{
    AdvisedIndex, BuildLock, ClassEffect, IndexAdvice, IndexSpec, IndexSpecKey, IndexSpecKeyOf, NotAnalysedStatement,
    PredictedStatement, RejectedIndex, ShareRange, SlowedStatement, StatementEffect,
};
use perfdeck_sqltext::{Dialect, literals_numbered, quote_identifier, without_literals};

use super::workload::Gathered;
use super::{AdviceGiven, PlanPair};

/// Longest statement that is handed on, in bytes.
const LONGEST: usize = 64 * 1024;
/// Effects and statements that were not analysed that are told.
const MOST_EFFECTS: usize = 100;
const MOST_LEFT: usize = 50;
/// Statements that write and are made slower that are told, of each index and of all.
const MOST_SLOWED: usize = 20;
/// A statement that writes and is made slower by more than this part of its time is told in a reason.
const SLOWER: f64 = 0.05;

/// Time that a call takes at least, in milliseconds, however few rows it reads: what PostgreSQL 15 counts for one row by its primary key
/// on a common machine, and SQLite about as much.
const LEAST_MS: f64 = 0.01;

/// What of an answer does not follow from the advice.
pub(super) struct About {
    pub(super) id: String,
    pub(super) environment_id: String,
    pub(super) made_ms: f64,
    pub(super) took_s: f64,
    pub(super) hypopg: perfdeck_model::HypopgUse,
    pub(super) budget_bytes: Option<f64>,
}

/// Makes the answer.
pub(super) fn index_advice(given: AdviceGiven, gathered: Gathered, about: About) -> IndexAdvice {
    let dialect = given.catalogue.dialect;
    let told = Told { given: &given, gathered: &gathered, dialect, effects: heaviest(&given.advice) };
    let advice = &given.advice;
    let nested = |text: &String| gathered.nested.contains(text);
    let not_analysed_ms: f64 = advice.left.iter().filter(|l| !nested(&l.text)).map(|l| l.total_ms).sum();
    let seen_ms: f64 = gathered.statements.iter().filter(|s| !nested(&s.text)).map(|s| s.total_ms).sum();
    let left = advice.left.iter().take(MOST_LEFT).map(|left| NotAnalysedStatement {
        statement: without_literals(&left.text, dialect),
        calls: left.calls,
        total_ms: left.total_ms,
        why: left.why.to_string(),
    });
    let mut notes = gathered.notes.clone();
    notes.extend(advice.notes.iter().cloned());
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    IndexAdvice {
        id: about.id,
        environment_id: about.environment_id,
        made_ms: about.made_ms,
        server: given.server.clone(),
        scheme: Some(given.scheme),
        lock: BuildLock::of(given.scheme),
        source: gathered.source.clone(),
        from_ms: gathered.from_ms,
        to_ms: gathered.to_ms,
        observed_s: gathered.observed_s,
        statements: count(gathered.statements.len()),
        explained: (gathered.all_ms > 0.0).then(|| ((seen_ms - not_analysed_ms) / gathered.all_ms).clamp(0.0, 1.0)),
        not_analysed: left.collect(),
        not_analysed_left_out: count(advice.left.len().saturating_sub(MOST_LEFT)),
        basis: advice.worth,
        method: given.method,
        hypopg: about.hypopg,
        budget_bytes: about.budget_bytes,
        saved: (gathered.all_ms > 0.0).then(|| told.saved()),
        advised: advice.advised.iter().map(|a| told.advised(a)).collect(),
        effects: told.effects.iter().map(|e| told.effect(e)).collect(),
        slows: told.slows(&advice.slows),
        rejected: advice
            .rejected
            .iter()
            .map(|r| RejectedIndex { table: r.table.clone(), keys: r.index.clone(), why: r.why.clone() })
            .collect(),
        rejected_left_out: count(advice.rejected_left_out),
        grants: given.grants.clone(),
        notes,
        plans: count(advice.asked),
        took_s: about.took_s,
    }
}

/// Effects, those first that save the most.
fn heaviest(advice: &Advice) -> Vec<&Effect> {
    let mut all: Vec<&Effect> = advice.effects.iter().collect();
    all.sort_by(|a, b| b.saved_ms.total_cmp(&a.saved_ms));
    all.truncate(MOST_EFFECTS);
    all
}

/// The classes of values, the most gained first.
fn classes(effect: &Effect) -> Vec<ClassEffect> {
    let mut all: Vec<ClassEffect> =
        effect.classes.iter().map(|(class, ratio)| ClassEffect { class: *class, ratio: *ratio }).collect();
    all.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    all
}

/// A change of time as a share that is saved, and the other way round.
fn turned(range: ShareRange) -> ShareRange {
    ShareRange { value: -range.value, low: -range.high, high: -range.low }
}

struct Told<'a> {
    given: &'a AdviceGiven,
    gathered: &'a Gathered,
    dialect: Dialect,
    effects: Vec<&'a Effect>,
}

impl Told<'_> {
    fn share(&self, effect: &Effect) -> f64 {
        let all = self.gathered.all_ms;
        if all > 0.0 { self.given.workload.statements[effect.statement].total_ms / all } else { 0.0 }
    }

    /// Time of one call now, in milliseconds, where it is known.
    fn now_ms(&self, effect: &Effect) -> Option<f64> {
        let statement = &self.given.workload.statements[effect.statement];
        let known = self.gathered.from_ms.is_some() && statement.calls > 0.0;
        known.then(|| statement.total_ms / statement.calls)
    }

    /// How the time of a call changes. What a call takes at least takes no part in it.
    fn range(&self, effect: &Effect) -> ShareRange {
        let range = range_of(effect.mean, &effect.classes, self.given.advice.worth);
        let part = self.now_ms(effect).map_or(1.0, |now| 1.0 - (LEAST_MS / now).min(1.0));
        ShareRange { value: range.value * part, low: range.low * part, high: range.high * part }
    }

    /// What all advised indexes save together; what writers pay is taken off.
    fn saved(&self) -> ShareRange {
        let all = self.gathered.all_ms.max(f64::MIN_POSITIVE);
        let read = turned(together(self.given.advice.effects.iter().map(|e| (self.share(e), self.range(e)))));
        let value = (self.given.advice.before_ms - self.given.advice.after_ms) / all;
        let paid = value - read.value;
        ShareRange { value, low: read.low + paid, high: (read.high + paid).min(1.0) }
    }

    /// What one saves alone, as far off as what its statements are promised together.
    fn saved_by(&self, advised: &Advised) -> ShareRange {
        let value = advised.saved_ms / self.gathered.all_ms.max(f64::MIN_POSITIVE);
        let read = turned(together(advised.effects.iter().map(|e| (self.share(e), self.range(e)))));
        let scale = if read.value > 0.0 { value / read.value } else { 0.0 };
        if scale <= 0.0 {
            return ShareRange { value, low: value, high: value };
        }
        ShareRange { value, low: read.low * scale, high: (read.high * scale).min(1.0) }
    }

    fn advised(&self, advised: &Advised) -> AdvisedIndex {
        let index = &advised.candidate.index;
        let table = &self.given.catalogue.tables[index.table];
        let place = |statement: &usize| self.effects.iter().position(|e| e.statement == *statement);
        let mut reasons = advised.reasons.clone();
        reasons.extend(self.slowed(advised));
        for effect in self.effects.iter().filter(|e| advised.used_by.contains(&e.statement)) {
            for (class, ratio) in &effect.slower {
                let beginning = self.beginning(effect.statement);
                reasons.push(format!(
                    "For {} it would take {} times as long: {beginning}",
                    class.as_str(),
                    perfdeck_words::significant(*ratio, 2)
                ));
            }
        }
        AdvisedIndex {
            name: advised.name.clone(),
            table: table.shown(),
            keys: index.shown(self.dialect),
            spec: spec(index, table, &advised.name, self.dialect),
            statement: advised.ddl.clone(),
            bytes: advised.bytes,
            wal_bytes_per_row: advised.writes.wal_per_row,
            wal_bytes_per_day: advised.writes.wal_per_day,
            hot_lost_per_day: advised.writes.hot_lost_per_day,
            writing_ms_per_day: advised.writes.ms_per_day,
            slows: self.slows(&advised.slows),
            saved: (self.gathered.all_ms > 0.0).then(|| self.saved_by(advised)),
            used_by: advised.used_by.iter().filter_map(|s| u32::try_from(place(s)?).ok()).collect(),
            predicted: advised.effects.iter().map(|e| self.predicted(e)).collect(),
            reasons,
            needs_proof: advised.needs_proof,
            replaces: advised.replaces.clone(),
        }
    }

    /// The beginning of a statement, without its literals.
    fn beginning(&self, statement: usize) -> String {
        let text = without_literals(&self.given.workload.statements[statement].text, self.dialect);
        text.chars().take(60).collect()
    }

    /// Statements that write and that an index makes much slower, a sentence each.
    fn slowed(&self, advised: &Advised) -> Vec<String> {
        let timed = self.gathered.from_ms.is_some();
        let much = advised.slows.iter().filter(|e| timed && e.change.is_some_and(|change| change > SLOWER));
        let why = |e: &WriteEffect| {
            if e.hot_lost > 0.0 { ", because it touches all indexes then (no HOT update any more)" } else { "" }
        };
        let sentence = |e: &WriteEffect| {
            let change = perfdeck_words::percent(e.change.unwrap_or(0.0));
            format!("Writing takes longer, {change} a call{}: {}", why(e), self.beginning(e.statement))
        };
        much.take(3).map(sentence).collect()
    }

    fn slows(&self, all: &[WriteEffect]) -> Vec<SlowedStatement> {
        let of = |effect: &WriteEffect| {
            let statement = &self.given.workload.statements[effect.statement];
            let known = self.gathered.from_ms.is_some() && statement.calls > 0.0;
            let now_ms = known.then(|| statement.total_ms / statement.calls);
            SlowedStatement {
                statement: literals_numbered(&statement.text, self.dialect, LONGEST),
                key: self.gathered.keys.get(&statement.text).cloned(),
                calls: statement.calls,
                now_ms,
                predicted_ms: now_ms.map(|now| now + effect.added_ms),
                change: effect.change.filter(|_| known),
                hot_lost: effect.hot_lost,
            }
        };
        all.iter().take(MOST_SLOWED).map(of).collect()
    }

    /// What is kept of one statement.
    fn predicted(&self, effect: &Effect) -> PredictedStatement {
        let statement = &self.given.workload.statements[effect.statement];
        PredictedStatement {
            statement: literals_numbered(&statement.text, self.dialect, LONGEST),
            key: self.gathered.keys.get(&statement.text).cloned(),
            share: self.share(effect),
            calls: statement.calls,
            now_ms: self.now_ms(effect),
            change: self.range(effect),
            classes: classes(effect),
        }
    }

    fn effect(&self, effect: &Effect) -> StatementEffect {
        let statement = &self.given.workload.statements[effect.statement];
        let now_ms = self.now_ms(effect);
        let range = self.range(effect);
        let of = |change: f64| now_ms.map(|ms| ms * (1.0 + change).max(0.0));
        let uses = self.given.advice.advised.iter().enumerate().filter(|(_, a)| a.used_by.contains(&effect.statement));
        let none = PlanPair::default();
        let plans = self.given.plans.iter().find(|p| p.statement == effect.statement).unwrap_or(&none);
        StatementEffect {
            statement: literals_numbered(&statement.text, self.dialect, LONGEST),
            key: self.gathered.keys.get(&statement.text).cloned(),
            calls: statement.calls,
            total_ms: statement.total_ms,
            share: self.share(effect),
            now_ms,
            predicted_ms: of(range.value),
            predicted_low_ms: of(range.low),
            predicted_high_ms: of(range.high),
            change: range.value,
            change_low: range.low,
            change_high: range.high,
            classes: classes(effect),
            indexes: uses.filter_map(|(at, _)| u32::try_from(at).ok()).collect(),
            plan_before: plans.before.clone(),
            plan_after: plans.after.clone(),
        }
    }
}

/// An index as a change takes it. What is in it was made by the advisor of names and values that it read itself.
fn spec(index: &Index, table: &Table, name: &str, dialect: Dialect) -> IndexSpec {
    let quoted = |name: &str| quote_identifier(name, dialect);
    let key = |key: &Key| IndexSpecKey {
        of: match &key.of {
            KeyOf::Column(name) if key.collation.is_none() => IndexSpecKeyOf::Column(name.clone()),
            KeyOf::Column(_) | KeyOf::Expression(_) => IndexSpecKeyOf::Expression(key.value(dialect, &quoted)),
            KeyOf::Unknown(text) => IndexSpecKeyOf::Expression(text.clone()),
        },
        prefix: key.prefix,
        operator_class: key.class.clone(),
        descending: key.descending,
        nulls_first: (dialect == Dialect::Postgres && key.nulls_first != key.descending).then_some(key.nulls_first),
    };
    IndexSpec {
        table: format!("{}.{}", quoted(&table.schema), quoted(&table.name)),
        name: Some(name.to_owned()),
        method: match index.method {
            Method::Gin => Some("gin".to_owned()),
            Method::Brin => Some("brin".to_owned()),
            Method::Btree | Method::Other => None,
        },
        keys: index.keys.iter().map(key).collect(),
        include: index.include.clone(),
        predicate: index.predicate.as_ref().map(|p| p.shown(dialect, &quoted)),
    }
}
