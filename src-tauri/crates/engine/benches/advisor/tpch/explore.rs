use super::*;
pub(crate) async fn explore(server: &Postgres, c: &mut PgConnection, data: f64) -> Outcome {
    let w = [
        150.0, 10.0, 28.0, 45.0, 15.0, 24.0, 23.0, 30.0, 83.0, 38.0, 11.0, 40.0, 28.0, 25.0, 25.0, 11.0, 4100.0, 100.0,
        34.0, 5000.0, 61.0, 15.0,
    ];
    let statements: Vec<(String, f64)> =
        tpch::queries().into_iter().zip(w).map(|((_, t), w)| (t.to_owned(), w)).collect();
    let texts: Vec<&str> = statements.iter().map(|(t, _)| t.as_str()).collect();
    let before = planned(c, &texts).await?;
    let mut arms = Arms::default();
    arms.all.push(Arm { name: "none".to_owned(), budget: 0.0, indexes: Vec::new() });
    let mut chosen = Vec::new();
    for budget in [0.15, 0.4, 0.8, 1.5, 9.0] {
        let began = Instant::now();
        let advice = advised(server, &statements, Some(budget * data)).await?.advice;
        println!(
            "{budget}: {:.1} s {} plans left out {} after {:.0}",
            began.elapsed().as_secs_f64(),
            advice.asked,
            advice.rejected_left_out,
            advice.after_ms
        );
        if std::env::var_os("REJ").is_some() {
            for r in &advice.rejected {
                println!("   {} {} {}", r.table, r.index, r.why);
            }
        }
        chosen.push((budget, advice.advised.iter().map(|a| a.ddl.clone()).collect::<Vec<_>>()));
    }
    for (budget, create) in chosen {
        arms.add(c, "ours", budget, &create).await?;
    }
    let mut lines: Vec<String> = tpch::queries().iter().zip(w).map(|((n, _), w)| format!("{n:>4} {w:>7.1}")).collect();
    for arm in 0..arms.all.len() {
        arms.show(c, arm).await?;
        let now = planned(c, &texts).await?;
        let mut sum = 0.0;
        for at in 0..lines.len() {
            let r = w[at] * now[at] / before[at];
            sum += r;
            lines[at].push_str(&format!(" {r:>7.1}"));
        }
        println!("{} {sum:.0}", arms.all[arm].shown());
    }
    println!("{}", lines.join("\n"));
    Ok(())
}
