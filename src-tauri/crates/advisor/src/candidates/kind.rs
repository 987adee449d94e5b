//! Why an index is proposed.

/// Why an index is proposed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Finds rows by values that are equal.
    Equality,
    /// Finds the rows of another table's row.
    Join,
    /// Finds rows and has them in the order that is asked.
    Order,
    /// Has rows in the order, and finds none: it helps while enough rows come early.
    OrderOnly,
    /// Finds rows between bounds.
    Range,
    /// Has rows of a group side by side.
    Group,
    /// Has the least and the greatest value at its ends.
    Extreme,
    /// Has every column that is asked, so that the table is not read.
    Covering,
    /// Has the rows of one condition only.
    Partial,
    /// Finds texts by their beginning.
    Beginning,
    /// Finds texts by what is within them.
    Within,
    /// Finds documents and arrays by what they have.
    Contents,
    /// Knows which pages cannot have a value.
    Ranges,
}

impl Kind {
    /// What such an index does, in a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Equality => "finds rows by equal values",
            Self::Join => "finds the rows that belong to a row of the joined table",
            Self::Order => "finds the rows and has them in the order that is asked",
            Self::OrderOnly => "has the rows in the order that is asked, and finds none",
            Self::Range => "finds rows between bounds, after equal values",
            Self::Group => "has the rows of a group side by side",
            Self::Extreme => "has the least and the greatest value at its ends",
            Self::Covering => "has every column that is asked, so that the table itself is not read",
            Self::Partial => "has the few rows of a condition that the statements write themselves",
            Self::Beginning => "finds texts by their beginning",
            Self::Within => "finds texts by what is within them",
            Self::Contents => "finds documents or arrays by what they have",
            Self::Ranges => "knows which pages cannot have a value, in very few bytes",
        }
    }
}
