//! The variables of a file or of this process, looked up by name. Errors name the variable and its line, never a value.
use perfdeck_model::ApiError;

use super::reader::{Refused, Variable};

/// All variables of one source.
#[derive(Debug)]
pub(super) struct Variables {
    list: Vec<Variable>,
    from_file: bool,
}

/// A variable that is set and not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: &'static str,
    /// Its line, when it comes from a file.
    pub(super) line: Option<u32>,
    pub(super) value: String,
}

impl Found {
    /// `DB_PORT (line 4)`, or the name alone.
    pub(super) fn at(&self) -> String {
        at(self.name, self.line)
    }

    /// A refusal that begins with the variable.
    pub(super) fn refuse(&self, what: &str, hint: impl Into<String>) -> ApiError {
        ApiError::bad_request(format!("{} {what}", self.at())).hint(hint)
    }

    /// A number from `least` on.
    pub(super) fn number<T: std::str::FromStr + PartialOrd + std::fmt::Display>(
        &self,
        what: &str,
        least: T,
    ) -> Result<T, ApiError> {
        let number = self.value.trim().parse::<T>().ok().filter(|n| *n >= least);
        number.ok_or_else(|| self.refuse(&format!("is not {what}"), format!("Write a number from {least} on")))
    }

    /// A word that means yes or no.
    pub(super) fn truth(&self) -> Result<bool, ApiError> {
        match self.value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(self.refuse("is neither true nor false", "Write true or false")),
        }
    }
}

fn at(name: &str, line: Option<u32>) -> String {
    line.map_or_else(|| name.to_owned(), |line| format!("{name} (line {line})"))
}

/// The error for a mistake in the text of a file.
pub(super) fn refused(refused: Refused) -> ApiError {
    let (what, hint) = refused.mistake.words();
    ApiError::bad_request(format!("Line {} of the .env file cannot be read: {what}", refused.line)).hint(hint)
}

impl Variables {
    /// Those of a file.
    pub(super) fn of_file(list: Vec<Variable>) -> Self {
        Self { list, from_file: true }
    }

    /// Those of this process.
    pub(super) fn of_process(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let variable = |(name, value)| Variable { name, line: 0, value: Ok(value) };
        Self { list: pairs.into_iter().map(variable).collect(), from_file: false }
    }

    /// The variable of this name. One that is empty is as good as none.
    ///
    /// # Errors
    /// When its value cannot be read, or goes over several lines.
    pub(super) fn get(&self, name: &'static str) -> Result<Option<Found>, ApiError> {
        let Some(variable) = self.list.iter().rev().find(|v| v.name == name) else { return Ok(None) };
        let line = self.from_file.then_some(variable.line);
        let value = match &variable.value {
            Ok(value) => value.clone(),
            Err(why) => {
                let (what, hint) = why.mistake.words();
                let at = at(name, self.from_file.then_some(why.line));
                return Err(ApiError::bad_request(format!("{at} cannot be read: {what}")).hint(hint));
            }
        };
        let found = Found { name, line, value };
        if found.value.trim().is_empty() {
            return Ok(None);
        }
        if found.value.contains(['\n', '\r']) {
            return Err(found.refuse(
                "holds a line break, which no address, name or password here can have",
                "Write it in one line; in double quotes \\n is a line break, in single quotes a backslash and an n",
            ));
        }
        if found.value.chars().any(char::is_control) {
            return Err(
                found.refuse("holds a control character", "Write it without, or percent-encode it in an address")
            );
        }
        Ok(Some(found))
    }

    /// The one value that several names give.
    ///
    /// # Errors
    /// When two of them differ, and as [`Variables::get`].
    pub(super) fn one(&self, names: &'static [&'static str]) -> Result<Option<Found>, ApiError> {
        let mut first: Option<Found> = None;
        for name in names {
            let Some(found) = self.get(name)? else { continue };
            match &first {
                None => first = Some(found),
                Some(other) if other.value.trim() == found.value.trim() => {}
                Some(other) => return Err(conflict(other, &found)),
            }
        }
        Ok(first)
    }
}

/// Two variables that should say the same.
pub(super) fn conflict(a: &Found, b: &Found) -> ApiError {
    ApiError::bad_request(format!("{} and {} say different things", a.at(), b.at()))
        .hint("Perfdeck does not guess which one is meant: remove one of them, or make them the same")
}
