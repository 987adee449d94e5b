//! Which way is tried first. Pure.
use perfdeck_model::Kind;

/// A way to simulate an index on PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// The extension `HypoPG`.
    HypoPg,
    /// Samples of the tables in temporary ones.
    Shadow,
}

/// What decides on the order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// What the environment is for.
    pub kind: Kind,
    /// Whether `HypoPG` is in the database.
    pub has_hypopg: bool,
    /// Whether somebody agreed to its use there: a defect of it ends every session of the instance (HypoPG#116).
    pub agreed: bool,
    /// Whether it ended a session of this environment before.
    pub quarantined: bool,
    /// Whether the server is a standby, which has no temporary tables.
    pub standby: bool,
    /// Whether a pooler lies before the server, so that no session is ours.
    pub pooled: bool,
}

/// The ways that may be tried, in their order. Where data is only developers' the exact one comes first; elsewhere the one that can do no
/// harm, and the other only after somebody agreed.
pub fn rungs(place: Place) -> Vec<Rung> {
    if place.pooled {
        return Vec::new();
    }
    let developers = place.kind == Kind::Development;
    let hypopg = place.has_hypopg && !place.quarantined && (developers || place.agreed);
    let shadow = !place.standby;
    let first = if developers {
        [(hypopg, Rung::HypoPg), (shadow, Rung::Shadow)]
    } else {
        [(shadow, Rung::Shadow), (hypopg, Rung::HypoPg)]
    };
    first.into_iter().filter(|(may, _)| *may).map(|(_, rung)| rung).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_way_is_for_developers_and_the_harmless_one_for_customers() {
        let here = Place { has_hypopg: true, ..Place::default() };
        assert_eq!(rungs(here), [Rung::HypoPg, Rung::Shadow], "development");
        for kind in [Kind::Staging, Kind::Production] {
            assert_eq!(rungs(Place { kind, ..here }), [Rung::Shadow], "nobody agreed");
            assert_eq!(rungs(Place { kind, agreed: true, ..here }), [Rung::Shadow, Rung::HypoPg], "somebody did");
        }
        assert_eq!(rungs(Place { quarantined: true, ..here }), [Rung::Shadow], "never again by itself");
        assert_eq!(rungs(Place { standby: true, ..here }), [Rung::HypoPg], "no temporary tables there");
        assert_eq!(rungs(Place { pooled: true, ..here }), [], "a session of our own is needed");
        assert_eq!(rungs(Place::default()), [Rung::Shadow], "it is not installed");
    }
}
