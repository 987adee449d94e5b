//! A password of the Sentinels' own. It is kept together with the cache's password, as one secret of the cache: they belong to
//! the same target and go with it. One that a variable holds is named in the target.
use perfdeck_model::{ApiError, CacheTarget, SecretInput, SecretSource, Sensitive};

/// Before both passwords, and between them; what a person types has no line of this kind.
const BOTH: &str = "perfdeck-sentinel:";
const BETWEEN: char = '\n';

fn both(sentinel: &str, cache: &str) -> SecretInput {
    // The length comes first, so that any text can follow.
    SecretInput::Set { value: format!("{BOTH}{}{BETWEEN}{sentinel}{cache}", sentinel.len()) }
}

/// The secret of a cache with that of its Sentinels, and where the latter is kept. The place of one that is kept with the
/// cache's is filled in by [`set_source`].
pub(crate) fn together(
    cache: SecretInput,
    sentinel: SecretInput,
    kept: SecretSource,
) -> Result<(SecretInput, SecretSource), ApiError> {
    let again = |what: &str| {
        ApiError::bad_request(format!("cache_sentinel_password: {what}"))
            .hint("Give the passwords of the cache and of its Sentinels together, or name a variable for each")
    };
    let with_cache = !matches!(kept, SecretSource::None | SecretSource::Env { .. });
    match (sentinel, cache) {
        (SecretInput::Held { .. }, _) | (_, SecretInput::Held { .. }) => {
            Err(again("What was read from a file is held no more"))
        }
        (SecretInput::Keep, SecretInput::Keep) => Ok((SecretInput::Keep, kept)),
        (SecretInput::Keep, cache) if !with_cache => Ok((cache, kept)),
        (SecretInput::Keep, _) => Err(again("The Sentinels' password is kept with the cache's, which changes")),
        (SecretInput::Clear, SecretInput::Keep) if with_cache => {
            Err(again("The Sentinels' password is kept with the cache's, which stays"))
        }
        (SecretInput::Clear, cache) => Ok((cache, SecretSource::None)),
        (SecretInput::Set { value }, cache) if value.is_empty() => Ok((cache, SecretSource::None)),
        (SecretInput::Set { value }, SecretInput::Set { value: cache }) => {
            Ok((both(&value, &cache), SecretSource::Session))
        }
        (SecretInput::Set { value }, SecretInput::Clear) => Ok((both(&value, ""), SecretSource::Session)),
        (SecretInput::Set { value }, SecretInput::Keep) if matches!(kept, SecretSource::None) => {
            Ok((both(&value, ""), SecretSource::Session))
        }
        (SecretInput::Set { .. }, SecretInput::Keep) => {
            Err(again("The Sentinels' password changes and the cache's stays"))
        }
        (SecretInput::Set { .. }, SecretInput::Env { .. }) => {
            Err(again("The cache's password is in a variable and the Sentinels' is not"))
        }
        (SecretInput::Env { name }, cache) => {
            let name = crate::features::environments::sources::variable_name(perfdeck_model::TargetRole::Cache, name)?;
            Ok((cache, SecretSource::Env { name }))
        }
    }
}

/// Notes where the secret of a cache is kept.
pub(crate) fn set_source(target: &mut CacheTarget, source: &SecretSource) {
    target.password = source.clone();
    if !matches!(target.sentinel_password, SecretSource::None | SecretSource::Env { .. }) {
        target.sentinel_password = source.clone();
    }
}

/// Takes a secret apart: the target with its Sentinels' password, and the cache's own.
pub(crate) fn apart(mut target: CacheTarget, secret: Option<Sensitive>) -> (CacheTarget, Option<Sensitive>) {
    if let SecretSource::Env { name } = &target.sentinel_password {
        target.sentinel_secret = std::env::var(name).ok().filter(|v| !v.is_empty()).map(Sensitive::new);
    }
    let split = secret.as_ref().and_then(|s| {
        let (length, rest) = s.expose().strip_prefix(BOTH)?.split_once(BETWEEN)?;
        rest.split_at_checked(length.parse().ok()?)
    });
    match split {
        Some((sentinel, cache)) => {
            target.sentinel_secret = Some(Sensitive::new(sentinel));
            let cache = (!cache.is_empty()).then(|| Sensitive::new(cache));
            (target, cache)
        }
        None => (target, secret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str) -> SecretInput {
        SecretInput::Set { value: value.to_owned() }
    }

    fn cache() -> CacheTarget {
        let (address, _) = perfdeck_model::Address::parse("redis+sentinel://h/0?master=m").expect("an address");
        CacheTarget::of(address)
    }

    #[test]
    fn two_passwords_are_kept_as_one_and_come_apart_again() {
        for (sentinel, own) in
            [("s", "c"), ("a\nb", "perfdeck-sentinel:1\nx"), ("\u{6570}\u{636e}", ""), ("s", "\u{e9}")]
        {
            let (secret, source) = together(set(own), set(sentinel), SecretSource::None).expect("both");
            assert_eq!(source, SecretSource::Session, "it is with the cache's");
            let SecretInput::Set { value } = secret else { panic!("one value") };
            let (target, cache) = apart(cache(), Some(Sensitive::new(value)));
            assert_eq!(target.sentinel_secret.as_ref().map(Sensitive::expose), Some(sentinel), "the Sentinels'");
            assert_eq!(cache.as_ref().map_or("", Sensitive::expose), own, "the cache's");
        }
        let (target, alone) = apart(cache(), Some(Sensitive::new("word")));
        assert_eq!((target.sentinel_secret, alone.as_ref().map(Sensitive::expose)), (None, Some("word")), "one alone");
    }

    #[test]
    fn neither_password_is_lost_by_an_edit_of_the_other() {
        let kept = SecretSource::Keychain;
        assert!(together(set("new"), SecretInput::Keep, kept.clone()).is_err(), "the Sentinels' would be lost");
        assert!(together(SecretInput::Keep, set("new"), kept.clone()).is_err(), "the cache's would be lost");
        assert_eq!(
            together(SecretInput::Keep, SecretInput::Keep, kept.clone()).expect("kept"),
            (SecretInput::Keep, kept),
            "both stay"
        );
        let env = SecretInput::Env { name: "SENTINEL_WORD".to_owned() };
        let (secret, source) = together(set("c"), env, SecretSource::None).expect("a variable");
        assert_eq!((secret, source), (set("c"), SecretSource::Env { name: "SENTINEL_WORD".to_owned() }), "apart");
    }
}
