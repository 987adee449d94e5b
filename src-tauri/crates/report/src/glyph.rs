//! Signs that go with words, drawn: no font has to have them.

/// A sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glyph {
    Ok,
    Warn,
    Bad,
    Open,
}

impl Glyph {
    fn class(self) -> &'static str {
        match self {
            Self::Ok => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Open => "off",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Ok => "M1.5 5.5 4 8l4.5-6",
            Self::Warn => "M5 1.2 9 8.8H1zM5 4.2v2",
            Self::Bad => "M2 2l6 6M8 2 2 8",
            Self::Open => "M5 1.2a3.8 3.8 0 1 1-2.7 1.1",
        }
    }

    /// The sign alone; its word stands beside it.
    pub(crate) fn sign(self) -> String {
        format!("<svg class=\"g\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><path d=\"{}\"/></svg>", self.path())
    }

    /// The sign with its words, which are markup already, in its colour.
    pub(crate) fn with(self, words: &str) -> String {
        format!("<span class=\"{}\">{} {words}</span>", self.class(), self.sign())
    }
}

/// The sign of an environment's kind: ring, half, solid.
pub(crate) fn kind(kind: &str) -> &'static str {
    match kind {
        "production" => {
            "<svg class=\"g\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><circle cx=\"5\" cy=\"5\" r=\"3.8\" class=\"in\"/></svg>"
        }
        "staging" => {
            "<svg class=\"g\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><circle cx=\"5\" cy=\"5\" r=\"3.8\"/><path class=\"in\" d=\"M5 1.2a3.8 3.8 0 0 0 0 7.6z\"/></svg>"
        }
        _ => "<svg class=\"g\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><circle cx=\"5\" cy=\"5\" r=\"3.8\"/></svg>",
    }
}
