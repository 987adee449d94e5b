//! How large an index is on its sample, and on the whole table, where no statistics tell: an inverted one has as many entries as there are
//! different parts of its values, which nobody counts.
use super::{Failure, Lab, Refusal, quoted};

/// Sizes that are looked at, at most.
const MOST: usize = 20;
/// What growth that was measured and growth in step with the rows may be apart, as a factor, for the latter to be said.
const APART: f64 = 1.25;
/// Pages that an inverted index has before it has an entry: its description, and a root.
const EMPTY: f64 = 2.0 * 8192.0;
/// Bytes of one on a quarter of the sample below which its growth is that of single pages.
const COARSE: f64 = 16.0 * 8192.0;

impl Lab {
    /// Bytes of these proposed indexes on the whole tables; `None` where that cannot be told. On a table that was taken whole it is what was
    /// built. On a sample one is built on a quarter of it too: where it grew in step with the rows, it is taken to go on like that.
    ///
    /// # Errors
    /// When the session ends.
    pub async fn sizes(&mut self, places: &[usize]) -> Result<Vec<Option<f64>>, Failure> {
        let mut all = Vec::new();
        for (at, place) in places.iter().enumerate() {
            all.push(match if at < MOST { self.size(*place).await } else { Ok(None) } {
                Ok(size) => size,
                Err(Refusal::Table(_)) => None,
                Err(Refusal::All(failure)) => return Err(failure),
            });
        }
        Ok(all)
    }

    async fn size(&mut self, place: usize) -> Result<Option<f64>, Refusal> {
        self.build(place, &[place]).await?;
        let Some(index) = self.proposed.get(place).filter(|_| self.built.contains(&place)) else { return Ok(None) };
        let (table, definition) = (index.table.clone(), index.definition.clone());
        let Some(scale) = self.samples.iter().find(|s| s.name == table).map(|s| s.scale) else { return Ok(None) };
        let whole = self.bytes(&format!("pdk_c{place}")).await?;
        if scale <= 1.0 {
            return Ok(Some(whole));
        }
        let part = format!(
            "CREATE TEMP TABLE pdk_part AS SELECT * FROM pg_temp.{} TABLESAMPLE BERNOULLI (25) REPEATABLE (1);
             CREATE INDEX pdk_part_index ON pg_temp.pdk_part {definition}",
            quoted(&table)
        );
        let made = self.make(&part).await;
        let size = match made {
            Ok(()) => self.bytes("pdk_part_index").await,
            Err(refusal) => Err(refusal),
        };
        let rows = match &size {
            Ok(_) => self.one("SELECT count(*)::float8 FROM pg_temp.pdk_part").await,
            Err(_) => Ok(0.0),
        };
        self.make("DROP TABLE IF EXISTS pg_temp.pdk_part").await?;
        let (part, rows) = (size?, rows?);
        let all = self.one(&format!("SELECT count(*)::float8 FROM pg_temp.{}", quoted(&table))).await?;
        Ok(grown(whole, part, all / rows.max(1.0), scale))
    }

    async fn bytes(&mut self, index: &str) -> Result<f64, Refusal> {
        self.one(&format!("SELECT pg_relation_size('pg_temp.{}'::regclass)::float8", quoted(index))).await
    }
}

/// Bytes on `scale` times the rows, of an index with `whole` bytes on some and `part` bytes on a `times`th part of those.
fn grown(whole: f64, part: f64, times: f64, scale: f64) -> Option<f64> {
    let (whole, part) = (whole - EMPTY, part - EMPTY);
    if part < COARSE || whole <= part || times <= 1.5 {
        return None;
    }
    let power = (whole / part).ln() / times.ln();
    let apart = scale.powf(power - 1.0);
    (apart <= APART && apart >= 1.0 / APART).then_some(EMPTY + whole * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_gone_on_with_where_it_was_even() {
        let mb = |n: f64| n * 1024.0 * 1024.0 + EMPTY;
        let even = grown(mb(40.0), mb(10.0), 4.0, 10.0).expect("even");
        assert!((even / mb(400.0) - 1.0).abs() < 1e-6, "{even}");
        assert_eq!(grown(mb(30.0), mb(10.0), 4.0, 10.0), None, "most values were seen before: it will grow more slowly");
        assert!(grown(mb(30.0), mb(10.0), 4.0, 1.2).is_some(), "a little more is a little more");
        assert_eq!(grown(mb(0.02), mb(0.01), 4.0, 10.0), None, "single pages tell nothing");
    }
}
