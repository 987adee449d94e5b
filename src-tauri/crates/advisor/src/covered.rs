//! Whether an index is there already, in another form. Two that look alike often are not: columns are compared as columns, with
//! direction, order of nulls, operator class, collation, condition and method.
use crate::catalogue::Catalogue;
use crate::index::{Existing, Index, Key, Method};

/// Whether `big` answers whatever `small` answers: its keys begin with those of `small`, read forwards or backwards. Of the first `fixed`
/// keys of `small` one value is asked, so their direction does not matter.
pub(crate) fn does_the_work_of(big: &Index, small: &Index, fixed: usize) -> bool {
    if big.table != small.table || big.method != small.method || big.method == Method::Other {
        return false;
    }
    if big.predicate.is_some() && big.predicate != small.predicate || big.keys.len() < small.keys.len() {
        return false;
    }
    // The beginning of a column does not do the work of all of it, and more of it does that of less.
    let enough = |big: Option<u32>, small: Option<u32>| big.is_none_or(|big| small.is_some_and(|small| big >= small));
    let same = |a: &Key, b: &Key| {
        a.of == b.of && a.class == b.class && a.collation == b.collation && enough(a.prefix, b.prefix)
    };
    let begins = big.keys.iter().zip(&small.keys).all(|(a, b)| same(a, b));
    let ordered: Vec<(&Key, &Key)> = big.keys.iter().zip(&small.keys).skip(fixed).collect();
    let forwards = ordered.iter().all(|(a, b)| a.descending == b.descending && a.nulls_first == b.nulls_first);
    let backwards = ordered.iter().all(|(a, b)| a.descending != b.descending && a.nulls_first != b.nulls_first);
    let is = |key: &Key, name: &String| key.prefix.is_none() && key.columns() == [name.as_str()];
    let holds = |name: &String| big.include.contains(name) || big.keys.iter().any(|key| is(key, name));
    begins && (forwards || backwards) && small.include.iter().all(holds)
}

/// Whether rows that a partial index does not have are told apart in another one too: by its own condition, or by a key. Where a few rows of
/// many are read in the order of its keys, one of all rows goes through the others.
fn leaves_out_as_much(big: &Index, small: &Index) -> bool {
    let Some(condition) = &small.predicate else { return true };
    let columns = condition.columns();
    big.predicate.is_some() || columns.iter().all(|c| big.keys.iter().any(|k| k.columns().contains(c)))
}

/// The index that is there and relates to a proposed one, if any. One that is invalid, or whose condition is not understood, covers
/// nothing.
pub fn covered_by<'c>(catalogue: &'c Catalogue, index: &Index, fixed: usize) -> Option<&'c Existing> {
    let all = catalogue.tables[index.table].indexes.iter();
    let whole = |e: &&Existing| e.valid && e.unknown_predicate.is_none() && leaves_out_as_much(&e.index, index);
    all.filter(whole).find(|e| does_the_work_of(&e.index, index, fixed))
}

/// An index that is there and whose work a proposed one would do too.
pub(crate) fn widened<'c>(catalogue: &'c Catalogue, index: &Index) -> Option<&'c Existing> {
    let all = catalogue.tables[index.table].indexes.iter();
    all.filter(|e| e.valid && e.unknown_predicate.is_none()).find(|e| does_the_work_of(index, &e.index, 0))
}

/// Indexes that are there and that a proposed one would make superfluous: none that enforces something.
pub(crate) fn superfluous<'c>(catalogue: &'c Catalogue, index: &Index) -> Vec<&'c Existing> {
    let all = catalogue.tables[index.table].indexes.iter();
    all.filter(|e| e.valid && !e.unique && e.unknown_predicate.is_none())
        .filter(|e| does_the_work_of(index, &e.index, 0))
        .collect()
}
