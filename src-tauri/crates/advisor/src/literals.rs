//! Texts that a server takes for a value of a type. Pure.

/// The type of a parameter of PostgreSQL, as its catalogue has it; of a domain the type below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterType {
    /// Its name, such as `int4`.
    pub name: String,
    /// Its category (`pg_type.typcategory`): `N` numbers, `A` arrays, `R` ranges…
    pub category: char,
    /// The type of its elements or bounds, of an array, a range or a multirange.
    pub of: Option<Box<ParameterType>>,
    /// The first value of an enumeration.
    pub label: Option<String>,
}

impl ParameterType {
    /// The value where it is one of this type, and one of this type otherwise.
    pub fn fitting(&self, value: Option<String>) -> String {
        value.filter(|text| self.takes(text)).unwrap_or_else(|| self.usual())
    }

    /// Whether a text that a column has, or that is made of one, is a value of this type. Where the form says nothing it is taken for one.
    fn takes(&self, text: &str) -> bool {
        let begins = |signs: &[char]| text.trim_start().starts_with(signs);
        match (self.category, self.name.as_str()) {
            (_, "int2") => text.parse::<i16>().is_ok(),
            (_, "int4") => text.parse::<i32>().is_ok(),
            (_, "int8") => text.parse::<i64>().is_ok(),
            (_, "oid") => text.parse::<u32>().is_ok(),
            (_, "numeric" | "float4" | "float8") => text.parse::<f64>().is_ok(),
            (_, "uuid") => text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'),
            (_, "date" | "timestamp" | "timestamptz") => {
                let begin = text.as_bytes().get(..8).unwrap_or_default();
                begin.iter().take(4).all(u8::is_ascii_digit) && begin.get(4) == Some(&b'-')
            }
            (_, "time" | "timetz") => text.as_bytes().get(2) == Some(&b':'),
            (_, "jsonb" | "json") => {
                begins(&['{', '[', '"', 't', 'f', 'n', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            }
            ('B', _) => matches!(text, "t" | "f" | "true" | "false"),
            ('A', _) => begins(&['{']),
            ('R', name) if name.contains("multirange") => begins(&['{']),
            ('R', _) => begins(&['[', '(']) || text == "empty",
            ('T', _) => text.contains([':', ' ']),
            ('G', _) => begins(&['(', '<', '[', '{']),
            (_, "jsonpath") => begins(&['$']),
            (_, "hstore") => text.contains("=>"),
            (_, "tsquery") => text.chars().all(char::is_alphanumeric),
            _ => true,
        }
    }

    /// A value of this type that is like none in particular.
    fn usual(&self) -> String {
        let of = || self.of.as_ref().map_or_else(|| "1".to_owned(), |of| of.usual());
        let fixed = match (self.category, self.name.as_str()) {
            ('A', _) => return array(&[of()]),
            ('R', name) => {
                // A multirange is of ranges.
                let range = |of: &str| format!("[{of},{of}]");
                let inner = self.of.as_ref().filter(|of| of.category == 'R');
                return match inner {
                    Some(range) => format!("{{{}}}", range.usual()),
                    None if name.contains("multirange") => "{}".to_owned(),
                    None => range(&quoted(&of())),
                };
            }
            ('E', _) => return self.label.clone().unwrap_or_default(),
            ('B', _) => "true",
            (_, "date" | "timestamp" | "timestamptz") => "2026-01-01",
            (_, "time" | "timetz") => "12:00:00",
            ('T', _) => "1 day",
            (_, "uuid") => "00000000-0000-4000-8000-000000000001",
            ('I', _) => "127.0.0.1",
            (_, "macaddr") => "08:00:2b:01:02:03",
            (_, "macaddr8") => "08:00:2b:01:02:03:04:05",
            (_, "json" | "jsonb") => "{\"perfdeck\": 1}",
            (_, "jsonpath") => "$.perfdeck",
            (_, "xml") => "<a/>",
            (_, "bytea") => "\\x01",
            (_, "pg_lsn") => "0/1",
            (_, "point") => "(1,1)",
            (_, "box" | "lseg") => "(1,1),(0,0)",
            (_, "path" | "polygon") => "((0,0),(1,1),(1,0))",
            (_, "circle") => "<(1,1),1>",
            (_, "line") => "{1,1,1}",
            (_, "tid") => "(0,1)",
            (_, "hstore") => "a=>1",
            (_, "geometry" | "geography") => "POINT(1 1)",
            (_, "ltree" | "lquery" | "ltxtquery" | "tsvector" | "tsquery") => "a",
            _ => "1",
        };
        fixed.to_owned()
    }
}

/// An array of these, as the server reads one.
pub(crate) fn array(elements: &[String]) -> String {
    let all: Vec<String> = elements.iter().map(|e| quoted(e)).collect();
    format!("{{{}}}", all.join(","))
}

/// An element of an array, or a bound of a range.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, category: char) -> ParameterType {
        ParameterType { name: name.to_owned(), category, ..ParameterType::default() }
    }

    fn within(outer: (&str, char), inner: ParameterType) -> ParameterType {
        ParameterType { of: Some(Box::new(inner)), ..of(outer.0, outer.1) }
    }

    #[test]
    fn each_type_gets_a_value_of_its_own() {
        let some = |text: &str| Some(text.to_owned());
        let integers = within(("_int4", 'A'), of("int4", 'N'));
        assert_eq!(integers.fitting(some("{\"5\"}")), "{\"5\"}", "what a column has is taken");
        assert_eq!(integers.fitting(some("5")), "{\"1\"}", "and nothing that is none");
        assert_eq!(integers.fitting(None), "{\"1\"}");
        assert_eq!(of("int4", 'N').fitting(some("3000000000")), "1", "too large");
        assert_eq!(of("numeric", 'N').fitting(some("2024-01-02 00:00:00")), "1", "the year of a time");
        assert_eq!(of("timestamp", 'D').fitting(some("[2024-01-01,)")), "2026-01-01");
        assert_eq!(within(("daterange", 'R'), of("date", 'D')).fitting(None), "[\"2026-01-01\",\"2026-01-01\"]");
        let odd = ParameterType { label: some("a \"b\""), ..of("mood", 'E') };
        assert_eq!(within(("_mood", 'A'), odd).fitting(None), "{\"a \\\"b\\\"\"}");
    }
}
