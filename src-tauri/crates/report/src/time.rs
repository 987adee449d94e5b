//! Times as a report shows them: UTC, to the second. They are those of the data; a report has no time of its own.

fn at(ms: f64) -> Option<time::OffsetDateTime> {
    let seconds = (ms / 1e3).floor() as i64;
    time::OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// `2026-11-29 16:20:05`; an en dash where there is no such time.
pub(crate) fn second(ms: f64) -> String {
    let Some(t) = at(ms).filter(|_| ms.is_finite()) else { return perfdeck_words::DASH.to_owned() };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        t.year(),
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    )
}

/// `2026-11-29 16:20:05 to 16:21:10`, with the day twice where it is another one.
pub(crate) fn span(from: f64, to: f64) -> String {
    let (from, to) = (second(from), second(to));
    if from == to {
        return from;
    }
    match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((other, clock))) if day == other => format!("{from} to {clock}"),
        _ => format!("{from} to {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_end_with_the_second() {
        assert_eq!(second(1_772_359_200_999.9), "2026-03-01 10:00:00", "and never come early");
        assert_eq!(second(f64::NAN), "–", "what is unknown is said to be");
        assert_eq!(span(1_772_359_200_000.0, 1_772_359_260_000.0), "2026-03-01 10:00:00 to 10:01:00", "one day");
        assert_eq!(
            span(1_772_359_200_000.0, 1_772_445_600_000.0),
            "2026-03-01 10:00:00 to 2026-03-02 10:00:00",
            "two days"
        );
    }
}
