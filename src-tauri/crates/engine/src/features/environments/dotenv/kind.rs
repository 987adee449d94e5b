//! Kind that an application's variables tell: development, staging or production. The most guarded one wins.
use perfdeck_model::{ApiError, Kind};

use super::variables::Variables;

/// Variables that name the environment in one word.
const WORDS: &[&str] = &[
    "RAILS_ENV",
    "RACK_ENV",
    "HANAMI_ENV",
    "NODE_ENV",
    "NODE_CONFIG_ENV",
    "APP_ENV",
    "APP_ENVIRONMENT",
    "APPLICATION_ENV",
    "ENVIRONMENT",
    "ENVIRONMENT_NAME",
    "ENV",
    "DJANGO_ENV",
    "DJANGO_CONFIGURATION",
    "FLASK_ENV",
    "FASTAPI_ENV",
    "PYTHON_ENV",
    "ASPNETCORE_ENVIRONMENT",
    "DOTNET_ENVIRONMENT",
    "GO_ENV",
    "RUST_ENV",
    "MIX_ENV",
    "PHP_ENV",
    "WP_ENV",
    "WP_ENVIRONMENT_TYPE",
    "CRAFT_ENVIRONMENT",
    "SERVER_ENV",
    "DEPLOY_ENV",
    "DEPLOYMENT_ENV",
    "DEPLOYMENT_ENVIRONMENT",
    "TARGET_ENV",
    "STAGE",
    "VERCEL_ENV",
    "RAILWAY_ENVIRONMENT",
    "RAILWAY_ENVIRONMENT_NAME",
    "HEROKU_ENV",
    "SENTRY_ENVIRONMENT",
    "DD_ENV",
    "CI_ENVIRONMENT_NAME",
    "SPRING_ENV",
];

/// Variables that list several at once, or a module whose name says it. Words that mean nothing here (`postgres`,
/// `settings`) are no kind.
const LISTS: &[&str] = &[
    "SPRING_PROFILES_ACTIVE",
    "SPRING_PROFILES_INCLUDE",
    "QUARKUS_PROFILE",
    "MICRONAUT_ENVIRONMENTS",
    "DJANGO_SETTINGS_MODULE",
    "APP_SETTINGS",
    "FLASK_CONFIG",
];

/// The kind that the variables tell, or the name of their file (`.env.production`). Development when nothing tells.
pub(super) fn kind(variables: &Variables, file: Option<&str>) -> Result<Kind, ApiError> {
    let mut told = Vec::new();
    for name in WORDS {
        if let Some(found) = variables.get(name)? {
            told.extend(of_word(&found.value));
        }
    }
    for name in LISTS {
        if let Some(found) = variables.get(name)? {
            told.extend(found.value.split([',', ';', '.', ':', '/', ' ']).filter_map(known));
        }
    }
    let name = file.and_then(|path| path.rsplit(['/', '\\']).next()).unwrap_or_default();
    told.extend(name.split('.').filter_map(known));
    Ok(told.into_iter().max_by_key(|kind| rank(*kind)).unwrap_or_default())
}

fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Development => 0,
        Kind::Staging => 1,
        Kind::Production => 2,
    }
}

/// The kind of a variable's value. A name that nobody knows is guarded as staging: it may be shared.
fn of_word(value: &str) -> Option<Kind> {
    // In shells `ENV` is a start-up file.
    if value.contains(['/', '\\', '$', '~']) || value.trim().is_empty() {
        return None;
    }
    Some(known(value).unwrap_or(Kind::Staging))
}

/// The kind of a name such as `production`, `prod-eu1`, `EU_PRD`, `liveBlue`, `preprod`, `non-prod`.
fn known(value: &str) -> Option<Kind> {
    let words = words(value);
    let one = |word: &str| -> Option<Kind> {
        match word {
            "production" | "prod" | "prods" | "prd" | "prdn" | "prodn" | "live" | "produktion" | "produccion"
            | "producao" => Some(Kind::Production),
            "staging" | "stage" | "stg" | "stag" | "uat" | "qa" | "preprod" | "preproduction" | "pprod" | "ppd"
            | "preprd" | "prelive" | "nonprod" | "nonproduction" | "nonprd" | "nonlive" | "preview" | "acceptance"
            | "acc" | "sit" | "integration" | "int" | "canary" | "beta" | "demo" | "perf" | "performance" | "load"
            | "loadtest" | "shared" => Some(Kind::Staging),
            "development" | "develop" | "dev" | "devel" | "local" | "localhost" | "test" | "tests" | "testing"
            | "ci" | "sandbox" | "docker" | "default" | "unittest" | "e2e" => Some(Kind::Development),
            _ => None,
        }
    };
    let mut found = None;
    for (i, word) in words.iter().enumerate() {
        let mut kind = one(word);
        if kind == Some(Kind::Production) {
            let before = i.checked_sub(1).map_or("", |i| words[i].as_str());
            let after = words.get(i + 1).map_or("", String::as_str);
            // "Not production" and "nearly production" call themselves something else.
            if matches!(before, "non" | "not" | "no" | "pre" | "near" | "pseudo" | "para") || matches!(after, "like") {
                kind = Some(Kind::Staging);
            }
        }
        found = found.into_iter().chain(kind).max_by_key(|kind| rank(*kind));
    }
    found
}

/// The words of a name: split at signs, digits and capitals (`EuProd2` is `eu`, `prod`).
fn words(value: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = None;
    for c in value.chars() {
        let new = match before {
            Some(b) if char::is_lowercase(b) && c.is_uppercase() => true,
            _ => !c.is_alphabetic(),
        };
        if new && words.last().is_some_and(|w| !w.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    words.retain(|w| !w.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> Kind {
        let pairs = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        kind(&Variables::of_process(pairs), None).expect("readable")
    }

    #[test]
    fn whatever_calls_itself_production_is_production() {
        for value in [
            "production",
            "Production",
            "PRODUCTION",
            "prod",
            "prd",
            "PRD",
            "live",
            "Live",
            "production-eu",
            "prod_eu1",
            "eu-prod",
            "prod2",
            "prd01",
            "prod.eu",
            "EuProd",
            "ProductionBlue",
            "us-east-1-production",
            "prod:blue",
            "live-1",
            " production ",
            "production-test",
            "staging,production",
            "\u{fc}ber-prod",
        ] {
            for name in ["RAILS_ENV", "ENVIRONMENT", "NODE_ENV", "SPRING_PROFILES_ACTIVE", "ASPNETCORE_ENVIRONMENT"] {
                assert_eq!(told(&[(name, value)]), Kind::Production, "{name}={value}");
            }
        }
        for name in WORDS.iter().chain(LISTS) {
            assert_eq!(told(&[(name, "production")]), Kind::Production, "{name} is read");
            assert_eq!(told(&[(name, "dev")]), Kind::Development, "{name}=dev is none");
        }
        for module in ["config.settings.production", "shop.settings.prod", "live.settings", "config:Production"] {
            assert_eq!(told(&[("DJANGO_SETTINGS_MODULE", module)]), Kind::Production, "{module}");
        }
        for list in ["prod,postgres", "redis, production", "swagger;prd", "dev,prod"] {
            assert_eq!(told(&[("SPRING_PROFILES_ACTIVE", list)]), Kind::Production, "{list}");
        }
    }

    #[test]
    fn what_is_not_production_is_not_made_one() {
        for (value, kind) in [
            ("development", Kind::Development),
            ("dev", Kind::Development),
            ("local", Kind::Development),
            ("test", Kind::Development),
            ("staging", Kind::Staging),
            ("stg-eu", Kind::Staging),
            ("uat", Kind::Staging),
            ("preprod", Kind::Staging),
            ("pre-production", Kind::Staging),
            ("non-prod", Kind::Staging),
            ("nonprod", Kind::Staging),
            ("prod-like", Kind::Staging),
            ("prodigy", Kind::Staging),
            ("olive", Kind::Staging),
            ("blue", Kind::Staging),
        ] {
            assert_eq!(told(&[("APP_ENV", value)]), kind, "{value}");
        }
        assert_eq!(told(&[]), Kind::Development, "nothing is said");
        assert_eq!(told(&[("ENV", "/etc/profile.d/prod.sh")]), Kind::Development, "the shell's ENV is a file");
        assert_eq!(told(&[("SPRING_PROFILES_ACTIVE", "postgres,swagger")]), Kind::Development, "features are no kind");
        assert_eq!(told(&[("DJANGO_SETTINGS_MODULE", "olive.settings")]), Kind::Development, "nor are modules");
        assert_eq!(told(&[("APP_ENV", "")]), Kind::Development, "an empty one says nothing");
    }

    #[test]
    fn the_most_guarded_of_several_wins() {
        assert_eq!(told(&[("NODE_ENV", "development"), ("RAILS_ENV", "production")]), Kind::Production, "either order");
        assert_eq!(told(&[("NODE_ENV", "production"), ("RAILS_ENV", "development")]), Kind::Production, "either order");
        assert_eq!(told(&[("APP_ENV", "local"), ("ENVIRONMENT", "staging")]), Kind::Staging, "staging before local");
        let none = Variables::of_process([]);
        for file in ["/srv/app/.env.production", "prod.env", "C:\\app\\.env.prd", ".env.production.local"] {
            assert_eq!(kind(&none, Some(file)).expect("readable"), Kind::Production, "{file} says it itself");
        }
        assert_eq!(kind(&none, Some("/production/.env")).expect("readable"), Kind::Development, "folders do not");
    }
}
