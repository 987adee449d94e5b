//! How large an index is where no statistics tell: an inverted one has as many entries as there are different parts of its values, which nobody
//! counts, so that it is built.
use super::{Failure, Lab, Refusal, quoted};

/// Sizes that are looked at, at most.
const MOST: usize = 20;

impl Lab {
    /// Bytes of these proposed indexes, of tables that were taken whole. `None` of one on a part of the rows: an entry that grows beyond a third
    /// of a page gets pages of its own, so that of 4,096 trigrams in 100,000 rows less than half was foretold of what they take in 250,000.
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
        let of = self.proposed.get(place).map(|p| (&p.schema, &p.table));
        let whole = self.samples.iter().any(|s| Some((&s.schema, &s.name)) == of && s.scale <= 1.0);
        if !whole {
            return Ok(None);
        }
        self.build(place, &[place]).await?;
        let name = quoted(&format!("pdk_c{place}"));
        self.one(&format!("SELECT pg_relation_size('pg_temp.{name}'::regclass)::float8")).await.map(Some)
    }
}
