//! How large a B-tree or a table of PostgreSQL would be if it were written anew, from what the catalogue and the statistics of
//! its columns say: what exists is bloat beyond it, and an index that does not exist yet will have that size. Pure.
//!
//! The layout is that of PostgreSQL: `src/backend/access/nbtree/nbtsort.c` (how full a page is made, where it is cut),
//! `nbtdedup.c` (equal keys share one entry with a list of rows, from 13 on), `heaptuple.c` and `indextuple.c` (headers and
//! alignment). A fresh index shows 0 by it; pages beyond that are bloat, as `pgstatindex` sees it from within.

#![forbid(unsafe_code)]

/// Room of an item's place on its page, in bytes.
const ITEM_ID: f64 = 4.0;
/// Room of a page beside its header, and on a page of a B-tree beside its special space as well.
const HEAP_HEADER: f64 = 24.0;
const BTREE_HEADER: f64 = 24.0 + 16.0;
/// How full inner pages of a B-tree are made (`BTREE_NONLEAF_FILLFACTOR`).
const INNER_FILL: f64 = 0.7;
/// Room that one more row takes in an entry that lists rows.
const ROW_POINTER: f64 = 6.0;

/// What is known of a column, by the statistics of the server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    /// Its length where all its values have the same one.
    pub fixed: Option<f64>,
    /// 1, 2, 4 or 8.
    pub align: usize,
    /// Mean length of a value, in bytes.
    pub width: f64,
    /// Share of rows in which it is null.
    pub nulls: f64,
    /// Different values: a count, or the negative of their share of all rows.
    pub distinct: f64,
    /// Share of rows that have one of the most common values, and how many those are.
    pub common: (f64, f64),
    /// How many values leave each remainder of their stored length by 8; none where that is not known.
    pub remainders: Option<[f64; 8]>,
}

/// A B-tree as the catalogue has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Btree {
    /// Its pages, all of them.
    pub pages: f64,
    /// Its rows.
    pub rows: f64,
    /// How full its pages are made, 0 to 1.
    pub fillfactor: f64,
    /// Whether each key comes once.
    pub unique: bool,
    /// Whether equal keys share an entry.
    pub deduplicates: bool,
    /// What it has of each row, in its order.
    pub columns: Vec<Column>,
    /// Size of a page, in bytes.
    pub page: f64,
    /// Rows that an analyze looks at.
    pub sample: f64,
}

/// A table as the catalogue has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heap {
    /// Its pages, all of them.
    pub pages: f64,
    /// Its rows.
    pub rows: f64,
    /// How full its pages are made, 0 to 1.
    pub fillfactor: f64,
    /// Its columns, in its order.
    pub columns: Vec<Column>,
    /// Size of a page, in bytes.
    pub page: f64,
}

fn aligned(bytes: f64) -> f64 {
    (bytes / 8.0).ceil() * 8.0
}

/// Mean length of a row's values, one after the other, the whole aligned to 8. `start` is aligned itself.
fn packed(columns: &[Column], start: f64) -> f64 {
    // The chance of each remainder of the length so far by 8, and its mean.
    let mut at = [0.0; 8];
    at[0] = 1.0;
    let mut mean = start;
    for column in columns {
        let short = column.fixed.is_none() && column.width < 127.0;
        let align = if short { 1 } else { column.align.clamp(1, 8) };
        let padding = |remainder: usize| (align - remainder % align) % align;
        let mut next = [0.0; 8];
        let lengths = match (column.fixed, column.remainders) {
            (Some(width), _) => one(width),
            (None, Some(counts)) if short => counts,
            (None, _) => [1.0; 8],
        };
        let all: f64 = lengths.iter().sum();
        for (remainder, chance) in at.iter().enumerate() {
            mean += chance * (1.0 - column.nulls) * padding(remainder) as f64;
            next[remainder] += chance * column.nulls;
            for (length, count) in lengths.iter().enumerate() {
                let to = (remainder + padding(remainder) + length) % 8;
                next[to] += chance * (1.0 - column.nulls) * count / all;
            }
        }
        mean += (1.0 - column.nulls) * column.fixed.unwrap_or(column.width);
        at = next;
    }
    mean + at.iter().enumerate().map(|(remainder, chance)| chance * ((8 - remainder) % 8) as f64).sum::<f64>()
}

fn one(width: f64) -> [f64; 8] {
    let mut all = [0.0; 8];
    if let Some(slot) = all.get_mut(width as usize % 8) {
        *slot = 1.0;
    }
    all
}

/// Share of rows that have a null in one of the columns.
fn with_null(columns: &[Column]) -> f64 {
    1.0 - columns.iter().map(|c| 1.0 - c.nulls).product::<f64>()
}

/// Rows of which some have the same key: how many keys, and how many rows have one of them.
struct Group {
    keys: f64,
    rows: f64,
}

/// How many values there are beside the most common ones.
///
/// The server reckons all values from a sample (Haas and Stokes, `compute_scalar_stats` of `analyze.c`), and where common ones
/// fill much of it calls the others too few. Which it saw once is found by turning its formula round, as if it saw the others
/// once or twice; then the same formula is applied to the others alone.
fn others(column: &Column, distinct: f64, rows: f64, sample: f64) -> f64 {
    let (share, common) = column.common;
    let told = (distinct - common).max(0.0);
    let all = rows * (1.0 - column.nulls);
    let seen = sample.min(rows) * (1.0 - column.nulls);
    let part = (1.0 - share / (1.0 - column.nulls).max(1e-9)).clamp(0.0, 1.0);
    let (seen_rest, all_rest) = (seen * part, all * part);
    if share <= 0.0 || seen >= all || seen_rest < 1.0 {
        return told;
    }
    let once = seen * (distinct - common - seen_rest / 2.0) / (seen / 2.0 + distinct * (1.0 - seen / all));
    let once = once.min(seen_rest);
    if once < seen_rest / 4.0 {
        return told;
    }
    let different = once + (seen_rest - once) / 2.0;
    told.max(seen_rest * different / ((seen_rest - once) + once * seen_rest / all_rest))
}

/// Columns whose nulls are looked at one by one; the entries of those after them have mean lengths.
const MOST_WITH_NULLS: usize = 5;

/// Rows of an index that have their nulls in the same columns, so that their entries are alike.
struct Alike {
    /// Their share of all rows.
    share: f64,
    /// The columns that are not null.
    columns: Vec<Column>,
    with_null: bool,
    /// Whether the first column is null: they lie on pages of their own.
    apart: bool,
}

impl Alike {
    /// Length of an entry. A null makes its header 16 bytes.
    fn entry(&self) -> f64 {
        packed(&self.columns, 8.0) + 8.0 * if self.with_null { 1.0 } else { with_null(&self.columns) }
    }
}

fn alike(columns: &[Column]) -> Vec<Alike> {
    let mut all = vec![Alike { share: 1.0, columns: Vec::new(), with_null: false, apart: false }];
    let mut split = 0;
    for (at, column) in columns.iter().enumerate() {
        if column.nulls <= 0.0 || split == MOST_WITH_NULLS {
            all.iter_mut().for_each(|one| one.columns.push(column.clone()));
            continue;
        }
        split += 1;
        let there = Column { nulls: 0.0, ..column.clone() };
        let parts = all.into_iter().flat_map(|one| {
            let columns = one.columns.iter().cloned().chain([there.clone()]).collect();
            let share = one.share * (1.0 - column.nulls);
            let present = Alike { share, columns, ..one };
            let (share, apart) = (one.share * column.nulls, one.apart || at == 0);
            [Alike { share, with_null: true, apart, columns: one.columns }, present]
        });
        all = parts.filter(|one| one.share > 0.0).collect();
    }
    all
}

/// The rows of an index with the same nulls, by how often their key comes.
fn groups(tree: &Btree, part: &Alike) -> Vec<Group> {
    let rows = tree.rows * part.share;
    let counted = |c: &Column| if c.distinct < 0.0 { -c.distinct * tree.rows } else { c.distinct };
    let ([column], false) = (tree.columns.as_slice(), part.with_null) else {
        let distinct: f64 = part.columns.iter().map(|c| counted(c).max(1.0)).product();
        return vec![Group { keys: distinct.clamp(1.0, rows.max(1.0)), rows }];
    };
    let (share, common) = column.common;
    let rest = (rows - tree.rows * share).max(0.0);
    let others = others(column, counted(column), tree.rows, tree.sample);
    vec![
        Group { keys: common, rows: tree.rows * share },
        Group { keys: if rest > 0.0 { others.clamp(1.0, rest.max(1.0)) } else { 0.0 }, rows: rest },
    ]
}

/// Entries of a leaf level: how many, their bytes, and the bytes that a page's last one loses when it becomes its bound.
#[derive(Default)]
struct Entries {
    count: f64,
    bytes: f64,
    lost: f64,
}

impl Entries {
    /// `keys` keys that have `rows` rows each, a whole number.
    fn add(&mut self, keys: f64, rows: f64, entry: f64, most: f64) {
        if keys <= 0.0 {
            return;
        }
        if rows < 2.0 {
            self.count += keys;
            self.bytes += keys * (entry + ITEM_ID);
            return;
        }
        let per = ((most - entry) / ROW_POINTER).floor().max(1.0);
        let lists = (rows / per).ceil();
        let bytes = lists * (aligned(entry + ROW_POINTER * rows / lists) + ITEM_ID);
        self.count += keys * lists;
        self.bytes += keys * bytes;
        self.lost += keys * (bytes - lists * (entry + ITEM_ID));
    }
}

/// Adds the entries of rows with the same nulls.
fn add_entries(all: &mut Entries, tree: &Btree, part: &Alike) {
    let entry = part.entry();
    if !tree.deduplicates || tree.unique {
        return all.add(tree.rows * part.share, 1.0, entry, 0.0);
    }
    // The longest list of rows that a build writes (`btps_lastoff`, a tenth of a page).
    let most = (tree.page * 0.1 / 8.0).floor() * 8.0 - ITEM_ID;
    for group in groups(tree, part).iter().filter(|g| g.rows > 0.0 && g.keys > 0.0) {
        let each = group.rows / group.keys;
        let (few, more) = (each.floor().max(1.0), each.floor().max(1.0) + 1.0);
        let share = (each - few).clamp(0.0, 1.0);
        all.add(group.keys * (1.0 - share), few, entry, most);
        all.add(group.keys * share, more, entry, most);
    }
}

/// Leaf pages that entries take.
fn pages_of(tree: &Btree, all: &Entries) -> f64 {
    if all.count <= 0.0 {
        return 0.0;
    }
    let (room, size) = (tree.page - BTREE_HEADER, all.bytes / all.count);
    // A page is cut when less is free than its fillfactor keeps, what its bound loses counted in; its last entry is then
    // the first of the next page, and its own copy the bound.
    let kept = ((1.0 - tree.fillfactor) * tree.page - all.lost / all.count).max(0.0);
    let fit = if kept > 0.0 { ((room - kept) / size).ceil().min((room / size).floor()) } else { (room / size).floor() };
    all.count / (fit - 1.0).max(1.0)
}

/// What the leaf level of a B-tree needs.
struct Leaves {
    /// Leaf pages.
    pages: f64,
    /// Entries, those that list rows counted once.
    entries: f64,
    /// Entries of an inner page.
    fanout: f64,
}

fn leaves(tree: &Btree) -> Leaves {
    let (mut apart, mut all, mut entry) = (Entries::default(), Entries::default(), 0.0);
    for part in &alike(&tree.columns) {
        entry += part.share * part.entry();
        add_entries(if part.apart { &mut apart } else { &mut all }, tree, part);
    }
    let fanout = (tree.page * INNER_FILL / (entry + ITEM_ID)).floor().max(2.0);
    let pages = (pages_of(tree, &apart) + pages_of(tree, &all)).ceil().max(1.0);
    Leaves { pages, entries: apart.count + all.count, fanout }
}

/// Part of a B-tree that holds nothing beside what its fillfactor keeps free, 0 to 1.
pub fn btree(tree: &Btree) -> f64 {
    let wanted = leaves(tree);
    let beside = (tree.pages - 1.0).max(1.0);
    let leaves = if beside < 2.0 { 1.0 } else { (beside * (1.0 - 1.0 / wanted.fanout)).floor().max(1.0) };
    if wanted.entries < 1.0 {
        return if leaves > 1.0 { 1.0 - 1.0 / leaves } else { 0.0 };
    }
    (1.0 - wanted.pages / leaves).clamp(0.0, 1.0)
}

/// Bytes of a B-tree that is built now, inner pages and the first page with its description among them; what `pages` of it says
/// is not looked at.
pub fn btree_bytes(tree: &Btree) -> f64 {
    let wanted = leaves(tree);
    let (mut level, mut pages) = (wanted.pages, 1.0 + wanted.pages);
    while level > 1.0 {
        level = (level / wanted.fanout).ceil();
        pages += level;
    }
    pages * tree.page
}

/// Length of an entry of a B-tree with these columns, in bytes, on average; its place on the page is not among them.
pub fn btree_entry(columns: &[Column]) -> f64 {
    alike(columns).iter().map(|part| part.share * part.entry()).sum()
}

/// Part of what is stored apart that holds nothing, 0 to 1, at least: a page holds four of the longest pieces
/// (`EXTERN_TUPLES_PER_PAGE`), and more of the last ones of values, which are shorter. `None` before the first vacuum.
pub fn stored_apart(pieces: f64, pages: f64) -> Option<f64> {
    (pieces >= 0.0 && pages > 0.0).then(|| (1.0 - (pieces / 4.0).ceil() / pages).clamp(0.0, 1.0))
}

/// Part of a table that holds nothing beside what its fillfactor keeps free, 0 to 1.
pub fn heap(table: &Heap) -> f64 {
    if table.pages < 1.0 {
        return 0.0;
    }
    let bitmap = aligned(23.0 + (table.columns.len() as f64 / 8.0).ceil());
    let nulls = with_null(&table.columns);
    let header = 24.0 * (1.0 - nulls) + bitmap * nulls;
    let row = packed(&table.columns, 0.0) + header + ITEM_ID;
    let fit = ((table.page - HEAP_HEADER) * table.fillfactor / row).max(1.0);
    // Rows are whole, and so is how many of them a page holds when it holds few.
    let fit = if fit < 40.0 { fit.floor() } else { fit };
    let wanted = (table.rows / fit).ceil().max(1.0);
    (1.0 - wanted / table.pages).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer() -> Column {
        Column { fixed: Some(4.0), align: 4, width: 4.0, distinct: -1.0, ..Column::default() }
    }

    fn tree(pages: f64, rows: f64, columns: Vec<Column>) -> Btree {
        Btree {
            pages,
            rows,
            fillfactor: 0.9,
            unique: false,
            deduplicates: true,
            columns,
            page: 8192.0,
            sample: 30_000.0,
        }
    }

    #[test]
    fn a_page_of_integers_has_the_366_entries_that_postgresql_puts_there() {
        // `CREATE INDEX` over 1,000,000 different integers: 2,745 pages, which pgstatindex calls 2,733 leaves.
        let found = btree(&tree(2_745.0, 1_000_000.0, vec![integer()]));
        assert!(found < 0.005, "a fresh index has no bloat: {found}");
        let half = btree(&tree(2_745.0, 500_000.0, vec![integer()]));
        assert!((half - 0.5).abs() < 0.01, "half of the rows are gone: {half}");
    }

    #[test]
    fn equal_keys_share_an_entry_from_postgresql_13_on() {
        // `CREATE INDEX` over 1,000,000 rows with 10 different integers: 846 pages.
        let column = Column { distinct: 10.0, common: (1.0, 10.0), ..integer() };
        let found = btree(&tree(846.0, 1_000_000.0, vec![column.clone()]));
        assert!(found < 0.03, "lists of rows are what is expected: {found}");
        let unique = Btree { unique: true, ..tree(846.0, 1_000_000.0, vec![column]) };
        assert_eq!(btree(&unique), 0.0, "a unique index has no lists, and is never less than nothing");
    }

    #[test]
    fn a_new_index_has_the_pages_that_postgresql_writes() {
        let pages = |tree: &Btree| btree_bytes(tree) / 8192.0;
        let found = pages(&tree(0.0, 1_000_000.0, vec![integer()]));
        assert!((found / 2_745.0 - 1.0).abs() < 0.01, "different integers: {found}");
        let column = Column { distinct: 10.0, common: (1.0, 10.0), ..integer() };
        let found = pages(&tree(0.0, 1_000_000.0, vec![column]));
        assert!((found / 846.0 - 1.0).abs() < 0.03, "ten integers: {found}");
        assert_eq!(pages(&tree(0.0, 0.0, vec![integer()])), 2.0, "an empty one has a root");
        assert_eq!(btree_entry(&[integer()]), 16.0);
    }

    #[test]
    fn nulls_have_short_entries_on_pages_of_their_own() {
        // 100,000 rows, 80 % null, the others texts of 19 to 21 characters: `CREATE INDEX` writes 155 pages.
        let text = Column { width: 21.5, align: 4, nulls: 0.8, distinct: -0.2, ..Column::default() };
        let found = btree(&tree(155.0, 100_000.0, vec![text]));
        assert!(found < 0.08, "a fresh index: {found}");
    }

    #[test]
    fn values_beside_common_ones_are_reckoned_from_their_own_part_of_the_sample() {
        // 200,000 rows, half of them one value and the others all different: the server says about 26,000 values.
        let column = Column { common: (0.5, 1.0), ..integer() };
        let found = others(&column, 26_088.0, 200_000.0, 30_000.0);
        assert!((found / 100_000.0 - 1.0).abs() < 0.05, "each of the others comes once: {found}");
        assert_eq!(others(&column, 1_001.0, 200_000.0, 30_000.0), 1_000.0, "few others are as the server says");
        assert_eq!(others(&column, 5_001.0, 10_000.0, 30_000.0), 5_000.0, "and so is what was counted");
    }

    #[test]
    fn values_stand_where_their_type_lets_them() {
        let (two, four, eight) =
            (2.0, integer(), Column { fixed: Some(8.0), align: 8, width: 8.0, ..Column::default() });
        let small = Column { fixed: Some(two), align: 2, width: two, ..Column::default() };
        assert_eq!(packed(&[four.clone(), eight.clone()], 8.0), 24.0, "eight bytes begin at a multiple of eight");
        assert_eq!(packed(&[small.clone(), small.clone(), four.clone()], 8.0), 16.0, "small ones stand together");
        let text = Column { width: 33.0, align: 4, remainders: Some(one(33.0)), ..Column::default() };
        assert_eq!(packed(&[text], 8.0), 48.0, "a short text needs no alignment, its row does");
        let absent = Column { nulls: 1.0, ..eight };
        assert_eq!(packed(&[absent, four], 0.0), 8.0, "a null takes no room");
    }

    #[test]
    fn nothing_at_all_is_no_division_by_zero() {
        assert_eq!(btree(&tree(1.0, 0.0, vec![integer()])), 0.0, "an empty index");
        assert!(btree(&tree(101.0, 0.0, vec![integer()])) > 0.98, "one that was emptied");
        assert!(btree(&tree(101.0, 0.0, vec![])) > 0.98, "of which no columns are known");
        let left = stored_apart(4_000.0, 5_056.0).map(|b| (b * 100.0).round());
        assert_eq!(left, Some(80.0), "1,000 of 5,000 values left");
        assert_eq!(stored_apart(0.0, 0.0), None, "nothing was vacuumed");
        assert_eq!(heap(&Heap { page: 8192.0, fillfactor: 1.0, ..Heap::default() }), 0.0, "an empty table");
        let emptied = Heap { pages: 100.0, page: 8192.0, fillfactor: 1.0, columns: vec![integer()], rows: 0.0 };
        assert!(heap(&emptied) > 0.98, "one that was emptied");
    }
}
