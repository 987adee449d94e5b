//! What candidates' expressions are like, asked of the database, so that the sizes of their indexes are no guess.
use std::collections::BTreeMap;

use perfdeck_advisor::{Candidates, Catalogue, Lengths, Measured, Scalar, expressions_of};
use perfdeck_database::what_if::{ExpressionFacts, TableExpression, expression_facts};
use perfdeck_model::{Address, ApiError, Sensitive};
use perfdeck_sqltext::quote_identifier;

/// Measures the expressions of the candidates and reckons their sizes.
pub(super) async fn measure(
    address: &Address,
    password: Option<&Sensitive>,
    catalogue: &mut Catalogue,
    made: &mut Candidates,
) -> Result<(), ApiError> {
    let dialect = catalogue.dialect;
    let known = |(at, scalar): (usize, Scalar)| catalogue.tables[at].rows.map(|rows| (at, scalar, rows));
    let all: Vec<(usize, Scalar, f64)> = expressions_of(made).into_iter().filter_map(known).collect();
    let asked = |(at, scalar, rows): &(usize, Scalar, f64)| {
        let table = &catalogue.tables[*at];
        TableExpression {
            schema: table.schema.clone(),
            table: table.name.clone(),
            rows: *rows,
            pages: table.pages,
            text: scalar.shown(dialect, &|name: &str| quote_identifier(name, dialect)),
        }
    };
    let wanted: Vec<TableExpression> = all.iter().map(asked).collect();
    let found = expression_facts(address, password, &wanted).await?;
    let told = all.into_iter().zip(found).filter_map(|((at, scalar, _), facts)| Some(((at, scalar), measured(facts?))));
    let told: BTreeMap<(usize, Scalar), Measured> = told.collect();
    made.measured(catalogue, told);
    Ok(())
}

fn measured(facts: ExpressionFacts) -> Measured {
    let lengths = |(mean, remainders)| Lengths { mean, remainders };
    Measured {
        fixed: facts.fixed,
        align: facts.align,
        lengths: lengths(facts.lengths),
        rare: facts.rare.map(lengths),
        nulls: facts.nulls,
        distinct: facts.distinct,
        common: facts.common,
        unlike: facts.unlike,
    }
}
