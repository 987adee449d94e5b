//! A text that follows a regular expression of a JSON schema, for the simple ones that documents use: literals, classes,
//! groups, alternatives and counts. Whatever else there is makes no text.

/// Characters of a text at most.
const LONGEST: usize = 1_000;

/// A text of `min` to `max` characters that `pattern` takes; `None` where none is known.
pub(super) fn following(pattern: &str, min: usize, max: usize) -> Option<String> {
    let max = max.min(LONGEST);
    // Counts without an upper end give what is missing to the shortest length.
    for more in 0..=min.min(100) {
        let mut reader = Reader { rest: pattern.chars().collect(), at: 0, more };
        let text = reader.alternatives(0)?;
        if reader.at != reader.rest.len() {
            return None;
        }
        if (min..=max).contains(&text.chars().count()) {
            return Some(text);
        }
    }
    None
}

struct Reader {
    rest: Vec<char>,
    at: usize,
    /// How often something without an upper end is repeated beyond its least.
    more: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn takes(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    /// The first of several, all of which are read.
    fn alternatives(&mut self, depth: usize) -> Option<String> {
        let first = self.sequence(depth)?;
        while self.takes('|') {
            self.sequence(depth)?;
        }
        Some(first)
    }

    fn sequence(&mut self, depth: usize) -> Option<String> {
        if depth > 20 {
            return None;
        }
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' {
                break;
            }
            self.at += 1;
            let part = match c {
                '^' if text.is_empty() => continue,
                '$' if matches!(self.peek(), None | Some('|' | ')')) => continue,
                '^' | '$' | '*' | '+' | '?' | '{' => return None,
                '.' => "a".to_owned(),
                '(' => {
                    // Of what begins with a question mark only a group without a number is a plain one.
                    if self.takes('?') && !self.takes(':') {
                        return None;
                    }
                    let inner = self.alternatives(depth + 1)?;
                    self.takes(')').then_some(inner)?
                }
                '[' => self.class()?.to_string(),
                '\\' => escaped(self.next()?)?.to_string(),
                c => c.to_string(),
            };
            let times = self.count()?;
            if text.len() + part.len() * times > LONGEST * 4 {
                return None;
            }
            text.push_str(&part.repeat(times));
        }
        Some(text)
    }

    /// How often the part before is there.
    fn count(&mut self) -> Option<usize> {
        let times = match self.peek() {
            Some('*') => self.more,
            Some('+') => self.more.max(1),
            Some('?') => 0,
            Some('{') => {
                self.at += 1;
                let low = self.number()?;
                let high = if self.takes(',') { self.number() } else { Some(low) };
                if self.peek() != Some('}') {
                    return None;
                }
                (low + self.more).min(high.unwrap_or(low + self.more)).max(low)
            }
            _ => return Some(1),
        };
        self.at += 1;
        // Lazy or not, it is the same text.
        self.takes('?');
        Some(times)
    }

    fn number(&mut self) -> Option<usize> {
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.rest.get(from..self.at)?.iter().collect::<String>().parse().ok().filter(|n| *n <= LONGEST)
    }

    /// A character of a class, preferably a letter or a digit.
    fn class(&mut self) -> Option<char> {
        let negated = self.takes('^');
        let mut ranges: Vec<(char, char)> = Vec::new();
        let mut first = true;
        loop {
            let low = match self.next()? {
                ']' if !first => break,
                '\\' => match self.next()? {
                    'd' => {
                        ranges.push(('0', '9'));
                        continue;
                    }
                    'w' => {
                        ranges.extend([('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')]);
                        continue;
                    }
                    's' => {
                        ranges.push((' ', ' '));
                        continue;
                    }
                    c if c.is_alphanumeric() => return None,
                    c => c,
                },
                c => c,
            };
            first = false;
            let range = self.peek() == Some('-') && self.rest.get(self.at + 1).is_some_and(|c| *c != ']');
            let high = if range {
                self.at += 1;
                match self.next()? {
                    '\\' => return None,
                    c => c,
                }
            } else {
                low
            };
            ranges.push((low, high));
        }
        let inside = |c: &char| ranges.iter().any(|(low, high)| (low..=high).contains(&c)) != negated;
        let preferred = ('a'..='z').chain('A'..='Z').chain('0'..='9').chain(" -_.:/@".chars()).find(inside);
        preferred.or_else(|| ranges.first().map(|range| range.0).filter(|_| !negated))
    }
}

fn escaped(c: char) -> Option<char> {
    match c {
        'd' => Some('1'),
        'w' => Some('a'),
        's' => Some(' '),
        'S' | 'D' => Some('a'),
        c if c.is_alphanumeric() => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_patterns_have_a_text_and_others_none() {
        for (pattern, min, max, want) in [
            ("^[a-z]{3}$", 0, 9, Some("aaa")),
            (r"^\d{4}-\d{2}$", 0, 9, Some("1111-11")),
            ("^(DE|AT)[0-9]+$", 5, 9, Some("DE000")),
            ("[A-Z]{2,5}", 5, 5, Some("AAAAA")),
            ("^[A-Z]{2,4}$", 4, 4, Some("AAAA")),
            ("^[^a-z]$", 1, 1, Some("A")),
            (r"^\+?[1-9]\d*$", 1, 20, Some("1")),
            (r"^(?=.*\d).+$", 0, 9, None),
            (r"^\p{L}+$", 0, 9, None),
            (r"^(a)\1$", 0, 9, None),
            ("^a{2000}$", 0, 9, None),
            ("^abc$", 5, 9, None),
        ] {
            assert_eq!(following(pattern, min, max).as_deref(), want, "{pattern}");
        }
    }
}
