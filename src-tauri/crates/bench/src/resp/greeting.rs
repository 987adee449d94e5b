//! What a connection says before its first command.
use super::command::bulk;

/// Commands that a new connection begins with, and their names for messages.
#[derive(Clone, Default)]
pub(super) struct Greeting {
    pub(super) bytes: Vec<u8>,
    pub(super) names: Vec<&'static str>,
}

impl Greeting {
    /// Authentication where there is a password, and the database unless it is the first.
    pub(super) fn new(username: Option<&str>, password: Option<&str>, database: u32) -> Self {
        let mut greeting = Self::default();
        match (username, password) {
            (Some(user), Some(password)) => greeting.add("AUTH", &[user, password]),
            (None, Some(password)) => greeting.add("AUTH", &[password]),
            _ => {}
        }
        if database != 0 {
            greeting.add("SELECT", &[&database.to_string()]);
        }
        greeting
    }

    fn add(&mut self, name: &'static str, args: &[&str]) {
        self.bytes.extend_from_slice(format!("*{}\r\n", 1 + args.len()).as_bytes());
        for word in [&[name], args].concat() {
            bulk(word.as_bytes(), &mut self.bytes);
        }
        self.names.push(name);
    }

    /// Why a connection cannot be used: part `index` of the greeting was refused.
    pub(super) fn refused(&self, index: usize, error: &[u8]) -> String {
        format!("{} was refused: {}", self.names.get(index).copied().unwrap_or("the greeting"), words(error))
    }
}

/// An error's words for a person. What stands in quotes may be a value of the plan, and so a secret: the words end there.
pub(super) fn words(error: &[u8]) -> String {
    let end = error.iter().position(|byte| b"'`\"".contains(byte)).unwrap_or(error.len());
    let words = String::from_utf8_lossy(error.get(..end).unwrap_or_default());
    words.trim_end().trim_end_matches([',', ':']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_needed_and_no_more() {
        assert!(Greeting::new(None, None, 0).bytes.is_empty(), "nothing");
        assert!(Greeting::new(Some("u"), None, 0).bytes.is_empty(), "a name alone authenticates nobody");
        let all = Greeting::new(Some("u"), Some("p"), 3);
        let bytes = "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
        assert_eq!(String::from_utf8_lossy(&all.bytes), bytes, "user, password and database");
        assert_eq!(all.refused(1, b"ERR DB index is out of range"), "SELECT was refused: ERR DB index is out of range");
    }

    #[test]
    fn values_are_not_repeated() {
        for (error, expected) in [
            (
                &b"OOM command not allowed when used memory > 'maxmemory'."[..],
                "OOM command not allowed when used memory >",
            ),
            (b"ERR unknown command 'GTE', with args beginning with: 'canary'", "ERR unknown command"),
            (b"MOVED 3999 127.0.0.1:6381", "MOVED 3999 127.0.0.1:6381"),
            (b"", ""),
        ] {
            assert_eq!(words(error), expected, "{}", error.escape_ascii());
        }
    }
}
