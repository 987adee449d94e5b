//! The table in `docs/advisor.md`.
use super::Measured;
use super::arms::Arm;
use crate::Outcome;

pub(crate) fn write(
    scale: f64,
    data: f64,
    longest: f64,
    arms: &[Arm],
    statements: &[(String, f64)],
    measured: &[Measured],
) -> Outcome {
    let none = measured.iter().map(|m| m.ms(0)).sum::<f64>();
    for (at, arm) in arms.iter().enumerate() {
        let ms: f64 = measured.iter().map(|m| m.ms(at)).sum();
        let cost: f64 = measured.iter().map(|m| m.cost[at]).sum();
        let slower: Vec<String> = measured
            .iter()
            .filter_map(|m| Some((m.name, m.slower.get(&m.plan[at])?)))
            .filter(|(_, r)| r.0 > 1.05)
            .map(|(name, r)| format!("{name} {:.2} ({:.2} to {:.2})", r.0, r.1, r.2))
            .collect();
        let reckoned: f64 = measured.iter().zip(statements).map(|(m, (_, w))| w * m.cost[at] / m.cost[0]).sum();
        println!(
            "{:<20} reckoned {reckoned:.0} cost {cost:>12.0}  {ms:>9.0} ms {:.3} slower: {}",
            arm.shown(),
            ms / none,
            slower.join(", ")
        );
    }
    let _ = (scale, data, longest);
    Ok(())
}
