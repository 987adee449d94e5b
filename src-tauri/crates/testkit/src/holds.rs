//! What tests look for in files and streams.

/// Whether a text is among the bytes. Tests read whole folders and libraries, so it does not look at each place by itself.
pub fn holds(bytes: &[u8], text: impl AsRef<[u8]>) -> bool {
    memchr::memmem::find(bytes, text.as_ref()).is_some()
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_text_is_found_wherever_it_is() {
        let bytes = [&[0xff; 100][..], b"secret", &[0; 100]].concat();
        assert!(holds(&bytes, "secret") && holds(b"secret", b"secret") && holds(b"a secret", "secret"));
        assert!(!holds(&bytes, "secrets") && !holds(b"", "secret") && !holds(b"secre", "secret"));
    }
}
