use perfdeck_plan::from_toml;

use super::*;

fn pace() -> Pace {
    Pace {
        connections: 8,
        rate_per_s: Some(200.0),
        poisson: true,
        late_limit_s: Some(0.5),
        threads: None,
        duration_s: 10.0,
        warmup_s: 1.0,
        timeout_s: 2.5,
        seed: 7,
        thresholds: vec!["p99 < 5ms".to_owned()],
    }
}

fn sql(statement: &str, parameters: Vec<SqlValue>) -> SqlBenchSpec {
    SqlBenchSpec {
        statement: statement.to_owned(),
        script: None,
        parameters,
        transaction: true,
        prepared: false,
        pace: pace(),
    }
}

#[test]
fn a_statement_is_read_back_with_all_of_its_values() {
    let values = vec![
        SqlValue::Constant { value: "7".to_owned() },
        SqlValue::Text { text: "null".to_owned() },
        SqlValue::Null,
        SqlValue::Uniform { from: 1, to: 1_000 },
        SqlValue::Zipf { items: 50 },
        SqlValue::Sequence { from: -3, to: 3 },
    ];
    let asked = sql("SELECT $1, $2, $3, $4, $5, $6", values);
    let plan = sql_plan(&asked, None).expect("a plan");
    assert_eq!(plan.feeds.len(), 3, "only what is drawn has a feed");
    let stored = from_toml(&to_toml(&plan)).expect("a plan");
    let Some(BenchSpec::Sql(read)) = asked_for(&stored, None) else { panic!("it is a statement: {stored:?}") };
    assert_eq!(read, asked, "what the form asked for");
}

#[test]
fn a_mix_of_commands_is_read_back() {
    let share = |command: &str, weight| CacheShare { command: command.to_owned(), weight };
    for zipf in [None, Some(0.8)] {
        let asked = CacheBenchSpec {
            mix: vec![share("GET", 9.0), share("SET", 1.0)],
            prefix: "user:".to_owned(),
            keys: 1_000,
            zipf,
            value_size: 300,
            pipeline: 4,
            pace: Pace { rate_per_s: None, poisson: false, late_limit_s: None, ..pace() },
        };
        let stored = from_toml(&to_toml(&cache_plan(&asked).expect("a plan"))).expect("a plan");
        let Some(BenchSpec::Cache(read)) = asked_for(&stored, None) else { panic!("it is a mix: {stored:?}") };
        assert_eq!(read, asked, "what the form asked for");
    }
}

#[test]
fn a_plan_of_a_person_is_none_of_a_form() {
    let plan = sql_plan(&sql("SELECT 1", Vec::new()), None).expect("a plan");
    assert!(asked_for(&plan, None).is_some(), "as it was made");
    let mut named = plan.clone();
    named.description = Some("for the meeting".to_owned());
    assert!(asked_for(&named, None).is_none(), "its description would be lost");
    let mut more = plan;
    more.steps.push(more.steps[0].clone());
    assert!(asked_for(&more, None).is_none(), "a second step would be lost");
}

#[test]
fn a_script_is_cut_into_statements_and_its_values_have_one_place() {
    let script = SqlBenchSpec {
        script: Some("pay.sql".to_owned()),
        ..sql("UPDATE a SET n = n + 1; SELECT n FROM a WHERE id = $1;", vec![SqlValue::Uniform { from: 1, to: 9 }])
    };
    let plan = sql_plan(&script, Some(Dialect::Postgres)).expect("a plan");
    assert!(plan.scenario && plan.steps.len() == 2 && plan.name == "pay.sql", "{plan:?}");
    let error = sql_plan(&script, None).expect_err("the rules of which database?");
    assert!(error.message.contains("needs an environment with a database"), "{error:?}");
    let two = SqlBenchSpec { statement: "SELECT $1; SELECT $1".to_owned(), ..script };
    let error = sql_plan(&two, Some(Dialect::Postgres)).expect_err("whose value is it?");
    assert!(error.message.contains("2 of its statements have"), "{error:?}");
}

#[test]
fn what_is_no_number_is_refused_by_its_field() {
    let endless = SqlBenchSpec { pace: Pace { duration_s: f64::INFINITY, ..pace() }, ..sql("SELECT 1", Vec::new()) };
    assert!(sql_plan(&endless, None).expect_err("endless").message.starts_with("duration_s"));
}
