//! On MySQL and MariaDB: `ALTER TABLE … ADD INDEX`, in place and without a lock, by the recipe of the module above.
use perfdeck_model::{Address, ApiError, IndexSpec, IndexSpecKeyOf, Scheme, Sensitive, masking};
use perfdeck_sqltext::Dialect;
use sqlx::mysql::MySqlConnection;
use sqlx::{Connection as _, Row as _};

use super::super::mysql::{adds, drops, in_work, ready, shown, transactions};
use super::super::mysql_check::{at, may_alter, parts};
use super::super::mysql_run::{at_work, run};
use super::super::mysql_session::{Server, open, quoted, takes_changes, why};
use super::super::postgres_session::Mode;
use super::super::{Watch, refused};
use super::mysql_shape::tried;
use super::wanted::wanted;
use super::{Built, CreateFigures, CreatePlan, expressions, key, method, name};
use crate::indexes::rules::alike::fulfils;
use crate::indexes::{Index, MysqlTable, mysql_table};
use crate::mysql::text;

/// Longest name, in letters.
const LONGEST: usize = 64;

/// Refuses what such a server has not.
fn known(spec: &IndexSpec, server: Server) -> Result<(), ApiError> {
    let product = server.product();
    let no = |what: &str| Err(ApiError::bad_request(format!("An index of {product} has no {what}")));
    if !method(spec).eq_ignore_ascii_case("btree") {
        return Err(refused(format!(
            "A {} index is not built beside writes on {product}",
            masking::shown(method(spec))
        ))
        .hint("InnoDB builds B-trees so; indexes of words and of places lock the table and are made by hand"));
    }
    if !spec.include.is_empty() {
        return no("further columns");
    }
    if spec.predicate.is_some() {
        return no("condition");
    }
    if spec.keys.iter().any(|key| key.operator_class.is_some()) {
        return no("operator classes");
    }
    if spec.keys.iter().any(|key| key.nulls_first.is_some_and(|first| first == key.descending)) {
        return no("choice of where NULLs stand");
    }
    if spec.keys.iter().any(|key| key.descending) && !server.descends() {
        return no("descending keys in this version: they are read and forgotten");
    }
    if expressions(spec).next().is_some() && !server.indexes_expressions() {
        return Err(ApiError::bad_request(format!("{product} of this version has no indexes over expressions"))
            .hint("A generated column holds the expression, and an index is made over that"));
    }
    Ok(())
}

/// The table of a name: as it is, then as a statement would have it.
async fn table(address: &Address, c: &mut MySqlConnection, asked: &str) -> Result<MysqlTable, ApiError> {
    let failed = |e: sqlx::Error| why(address, asked, &e);
    let mut names = vec![asked.to_owned()];
    match parts(asked).as_deref() {
        Some([name]) => names.push(name.clone()),
        Some([schema, name]) if *schema == address.path => names.push(name.clone()),
        _ => {}
    }
    for name in &names {
        let Some(table) = mysql_table(c, name).await.map_err(failed)? else { continue };
        if !table.engine.eq_ignore_ascii_case("InnoDB") {
            return Err(refused(format!(
                "'{}' is a table of {}, which is locked while its indexes change",
                table.name,
                masking::shown(&table.engine)
            ))
            .hint("Do it by hand when nobody writes, or change the engine: ENGINE=InnoDB"));
        }
        return Ok(table);
    }
    Err(ApiError::not_found(format!("There is no table '{}'", masking::shown(asked)))
        .hint("It is one of the database that the address names; a view has no indexes"))
}

/// A column of a table.
struct Column {
    name: String,
    /// Whether a key needs a length of it.
    long: bool,
    /// Characters that a text has at most, bytes of a binary one.
    most: Option<u64>,
}

async fn of_table(address: &Address, c: &mut MySqlConnection, table: &str) -> Result<Vec<Column>, ApiError> {
    let sql = "SELECT column_name, LOWER(data_type), CAST(character_maximum_length AS UNSIGNED) FROM information_schema.columns
               WHERE table_schema = DATABASE() AND table_name = ?";
    let rows = sqlx::query(sql).bind(table).fetch_all(c).await.map_err(|e| why(address, table, &e))?;
    let long = |kind: &str| kind.ends_with("text") || kind.ends_with("blob") || kind == "json";
    let column = |row: &sqlx::mysql::MySqlRow| {
        let most = row.try_get::<Option<u64>, _>(2).ok().flatten();
        Some(Column { name: text(row, 0)?, long: text(row, 1).is_some_and(|kind| long(&kind)), most })
    };
    Ok(rows.iter().filter_map(column).collect())
}

/// The columns of a specification as the table spells them.
fn spelled<'a>(of: &'a [Column], name: &str) -> Option<&'a Column> {
    of.iter().find(|column| column.name.to_lowercase() == name.to_lowercase())
}

fn checked(table: &str, of: &[Column], spec: &IndexSpec) -> Result<(), ApiError> {
    for key in &spec.keys {
        let IndexSpecKeyOf::Column(name) = &key.of else { continue };
        let column = spelled(of, name)
            .ok_or_else(|| ApiError::not_found(format!("'{table}' has no column '{}'", masking::shown(name))))?;
        let named = &column.name;
        match (key.prefix, column.most) {
            (None, _) if column.long => {
                return Err(refused(format!("'{named}' is a long text, of which an index holds the beginning only"))
                    .hint(format!("Say how much of it: {}(64)", quoted(named))));
            }
            (Some(_), None) => {
                return Err(refused(format!("'{named}' is no text, and an index holds all of it"))
                    .hint(format!("Leave the length out: {}", quoted(named))));
            }
            (Some(length), Some(most)) if u64::from(length) >= most => {
                return Err(refused(format!("'{named}' has at most {most} characters, which is all of it"))
                    .hint(format!("Leave the length out: {}", quoted(named))));
            }
            _ => {}
        }
    }
    Ok(())
}

fn free_name(table: &str, spec: &IndexSpec, all: &[Index]) -> Result<String, ApiError> {
    let wanted = match &spec.name {
        Some(name) if name.chars().count() > LONGEST => {
            return Err(ApiError::bad_request(format!("The name of the index is longer than {LONGEST} letters")));
        }
        Some(name) if name.eq_ignore_ascii_case("PRIMARY") => {
            return Err(ApiError::bad_request("PRIMARY is the name of primary keys"));
        }
        Some(name) if name.ends_with(' ') || name.chars().any(|c| u32::from(c) > 0xffff) => {
            return Err(ApiError::bad_request("These servers take no name that ends with a space or has an emoji"));
        }
        Some(name) => vec![name.clone()],
        None => name::candidates(table, spec),
    };
    let taken = |name: &String| all.iter().any(|i| i.identity.name.to_lowercase() == name.to_lowercase());
    wanted.iter().find(|name| !taken(name)).cloned().ok_or_else(|| {
        refused(format!("'{table}' has an index '{}' already", wanted.first().map_or("", String::as_str)))
            .hint("Give another name")
    })
}

pub(super) async fn plan(
    address: &Address,
    password: Option<&Sensitive>,
    spec: &IndexSpec,
) -> Result<CreatePlan, ApiError> {
    let (mut c, server) = open(address, password, Mode::Read).await?;
    takes_changes(address, &mut c).await?;
    known(spec, server)?;
    let table = table(address, &mut c, &spec.table).await?;
    let of = of_table(address, &mut c, &table.name).await?;
    checked(&table.name, &of, spec)?;
    may_alter(address, &mut c, &table.name).await?;
    let _ = c.close().await;
    let index = free_name(&table.name, spec, &table.indexes)?;
    let keys: Vec<String> = spec.keys.iter().map(|k| key(k, Dialect::Mysql)).collect();
    let definition = format!("INDEX {} ({})", quoted(&index), keys.join(", "));
    let unchecked = tried((address, password), &table.name, &definition).await?;
    let covered_by = beside(address, (&index, spec), &table, &of)?;
    Ok(CreatePlan {
        name: format!("{}.{index}", table.name),
        definition,
        table: table.name,
        schema: address.path.clone(),
        index,
        spec: spec.clone(),
        covered_by,
        unchecked,
        ..CreatePlan::default()
    })
}

/// Refuses an index that another one serves already; answers one that begins with its keys.
fn beside(
    address: &Address,
    (index, spec): (&str, &IndexSpec),
    table: &MysqlTable,
    of: &[Column],
) -> Result<Option<String>, ApiError> {
    let spell = |name: &str| spelled(of, name).map_or_else(|| name.to_owned(), |column| column.name.clone());
    let mut wanted = wanted(address.scheme, spec, (&table.name, index), spell);
    // The engine puts the same behind each of its indexes.
    wanted.identity.suffix =
        table.indexes.iter().map(|i| &i.identity.suffix).max_by_key(|s| s.len()).cloned().unwrap_or_default();
    super::beside(&wanted, &table.indexes)
}

/// Asks again, right before it is applied, whether all that the plan rests on is so.
async fn again(address: &Address, c: &mut MySqlConnection, plan: &CreatePlan) -> Result<(), ApiError> {
    let table = table(address, c, &plan.table).await?;
    let of = of_table(address, c, &table.name).await?;
    checked(&table.name, &of, &plan.spec)?;
    may_alter(address, c, &table.name).await?;
    beside(address, (&plan.index, &plan.spec), &table, &of).map(drop)
}

pub(super) fn statement(plan: &CreatePlan) -> String {
    adds(&plan.table, &plan.definition)
}

pub(super) fn undo_statement(plan: &CreatePlan) -> String {
    drops(&plan.table, &plan.index)
}

pub(super) async fn figures(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
) -> Result<CreateFigures, ApiError> {
    let failed = |e: sqlx::Error| why(address, &plan.table, &e);
    let (mut c, _) = open(address, password, Mode::Read).await?;
    let sql = "SELECT CAST(data_length AS DOUBLE), CAST(table_rows AS DOUBLE) FROM information_schema.tables
               WHERE table_schema = DATABASE() AND table_name = ?";
    let row = sqlx::query(sql).bind(&plan.table).fetch_optional(&mut c).await.map_err(failed)?;
    let n = |at: usize| row.as_ref().and_then(|row| row.try_get::<Option<f64>, _>(at).ok().flatten());
    let open = transactions(&mut c).await;
    let _ = c.close().await;
    Ok(CreateFigures { table_bytes: n(0), rows: n(1), waits: Some(open), ..CreateFigures::default() })
}

pub(super) async fn state(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
) -> Result<Built, ApiError> {
    let (mut c, _) = open(address, password, Mode::Read).await?;
    let found = state_in(address, &mut c, plan).await;
    let _ = c.close().await;
    found
}

async fn state_in(address: &Address, c: &mut MySqlConnection, plan: &CreatePlan) -> Result<Built, ApiError> {
    for sql in [statement(plan), undo_statement(plan)] {
        if let Some(session) = at_work(c, &sql).await.map_err(|e| why(address, &plan.table, &e))? {
            return Ok(Built::InWork(session));
        }
    }
    let Some(meant) = at(address, c, &plan.table, &plan.index).await? else { return Ok(Built::Absent) };
    let of = of_table(address, c, &plan.table).await?;
    let spell = |name: &str| spelled(&of, name).map_or_else(|| name.to_owned(), |column| column.name.clone());
    let wanted = wanted(Scheme::Mysql, &plan.spec, (&plan.table, &plan.index), spell);
    let as_made = plan.made.as_deref().is_none_or(|made| made == shown(&meant.definition));
    Ok(if as_made && fulfils(&meant.index, &wanted) { Built::Valid } else { Built::Differs })
}

/// The definition of the index that was built, without what hides it.
pub(super) async fn made(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
) -> Result<Option<String>, ApiError> {
    let (mut c, _) = open(address, password, Mode::Read).await?;
    let found = at(address, &mut c, &plan.table, &plan.index).await?;
    let _ = c.close().await;
    Ok(found.map(|meant| shown(&meant.definition).to_owned()))
}

pub(super) async fn build(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
    mut watch: Watch<'_>,
) -> Result<(), ApiError> {
    let mut c = ready(address, password, (&plan.table, None)).await?;
    match state_in(address, &mut c, plan).await? {
        Built::Valid => return Ok(()),
        Built::InWork(session) => return Err(in_work(session)),
        Built::Absent => {}
        _ => return Err(refused(format!("Something else is called '{}' now", plan.name))),
    }
    again(address, &mut c, plan).await?;
    run(address, password, &mut c, (&plan.table, &statement(plan)), &mut watch).await?;
    // What the server makes of it was seen before, where it could be tried. It cuts keys that are too long.
    if plan.unchecked.is_some() && state_in(address, &mut c, plan).await? == Built::Differs {
        run(address, password, &mut c, (&plan.table, &undo_statement(plan)), &mut watch).await?;
        return Err(refused(format!(
            "The server made another index of '{}' than was asked for, and it was taken away",
            plan.name
        ))
        .hint("Keys that are longer than an index takes are cut: take less of a text"));
    }
    let _ = c.close().await;
    Ok(())
}

pub(super) async fn unbuild(
    address: &Address,
    password: Option<&Sensitive>,
    plan: &CreatePlan,
    mut watch: Watch<'_>,
) -> Result<(), ApiError> {
    // What goes on without anybody who waits for it is ended first: in the middle it leaves nothing.
    let mut c = ready(address, password, (&plan.table, Some(&statement(plan)))).await?;
    match state_in(address, &mut c, plan).await? {
        Built::Absent => return Ok(()),
        Built::Valid => {}
        Built::InWork(session) => return Err(in_work(session)),
        _ => return Err(refused(format!("'{}' is another one than was created", plan.name))),
    }
    if let Some(meant) = at(address, &mut c, &plan.table, &plan.index).await? {
        meant.rests()?;
    }
    run(address, password, &mut c, (&plan.table, &undo_statement(plan)), &mut watch).await?;
    let _ = c.close().await;
    Ok(())
}
