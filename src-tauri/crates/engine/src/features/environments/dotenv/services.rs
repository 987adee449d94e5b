//! The cache and the API that variables name, and the settings beside them.
use perfdeck_model::{ApiError, PoolSettings, Sensitive, TargetRole};

use super::place::{Parts, Place, host_and_port, port};
use super::variables::{Found, Variables, conflict};

type Names = &'static [&'static str];

/// Variables that hold the address of a cache.
const URLS: Names = &[
    "REDIS_URL",
    "REDIS_URI",
    "REDIS_DSN",
    "CACHE_URL",
    "CACHE_REDIS_URL",
    "VALKEY_URL",
    "SPRING_DATA_REDIS_URL",
    "SPRING_REDIS_URL",
    "RAILS_CACHE_REDIS_URL",
    "REDISCLOUD_URL",
];

/// Variables that say the parts of one address.
struct Group {
    host: Names,
    port: Names,
    user: Names,
    password: Names,
    number: Names,
    /// Yes or no.
    tls: Names,
    /// `tls` or `tcp`.
    scheme: Names,
    sentinels: Names,
    master: Names,
    sentinel_password: Names,
    nodes: Names,
    /// Addresses that take its password.
    urls: Names,
}

const GROUPS: &[Group] = &[
    // Laravel, and many others.
    Group {
        host: &["REDIS_HOST", "REDIS_HOSTNAME", "REDIS_SERVER", "REDISHOST"],
        port: &["REDIS_PORT", "REDISPORT"],
        user: &["REDIS_USERNAME", "REDIS_USER", "REDISUSER"],
        password: &["REDIS_PASSWORD", "REDIS_PASS", "REDISPASSWORD"],
        number: &["REDIS_DB", "REDIS_DATABASE"],
        tls: &["REDIS_TLS", "REDIS_SSL", "REDIS_USE_TLS", "REDIS_USE_SSL"],
        scheme: &["REDIS_SCHEME"],
        sentinels: &["REDIS_SENTINELS", "REDIS_SENTINEL_NODES", "REDIS_SENTINEL_HOSTS"],
        master: &["REDIS_SENTINEL_MASTER", "REDIS_SENTINEL_SERVICE", "REDIS_MASTER_NAME"],
        sentinel_password: &["REDIS_SENTINEL_PASSWORD"],
        nodes: &["REDIS_CLUSTER_NODES", "REDIS_CLUSTER"],
        urls: &["REDIS_URL", "REDIS_URI", "REDIS_DSN"],
    },
    // Spring Boot 3, then 2.
    Group {
        host: &["SPRING_DATA_REDIS_HOST"],
        port: &["SPRING_DATA_REDIS_PORT"],
        user: &["SPRING_DATA_REDIS_USERNAME"],
        password: &["SPRING_DATA_REDIS_PASSWORD"],
        number: &["SPRING_DATA_REDIS_DATABASE"],
        tls: &["SPRING_DATA_REDIS_SSL_ENABLED", "SPRING_DATA_REDIS_SSL"],
        scheme: &[],
        sentinels: &["SPRING_DATA_REDIS_SENTINEL_NODES"],
        master: &["SPRING_DATA_REDIS_SENTINEL_MASTER"],
        sentinel_password: &["SPRING_DATA_REDIS_SENTINEL_PASSWORD"],
        nodes: &["SPRING_DATA_REDIS_CLUSTER_NODES"],
        urls: &["SPRING_DATA_REDIS_URL"],
    },
    Group {
        host: &["SPRING_REDIS_HOST"],
        port: &["SPRING_REDIS_PORT"],
        user: &["SPRING_REDIS_USERNAME"],
        password: &["SPRING_REDIS_PASSWORD"],
        number: &["SPRING_REDIS_DATABASE"],
        tls: &["SPRING_REDIS_SSL"],
        scheme: &[],
        sentinels: &["SPRING_REDIS_SENTINEL_NODES"],
        master: &["SPRING_REDIS_SENTINEL_MASTER"],
        sentinel_password: &["SPRING_REDIS_SENTINEL_PASSWORD"],
        nodes: &["SPRING_REDIS_CLUSTER_NODES"],
        urls: &["SPRING_REDIS_URL"],
    },
    Group {
        host: &["VALKEY_HOST", "VALKEY_HOSTNAME"],
        port: &["VALKEY_PORT"],
        user: &["VALKEY_USERNAME", "VALKEY_USER"],
        password: &["VALKEY_PASSWORD"],
        number: &["VALKEY_DB", "VALKEY_DATABASE"],
        tls: &["VALKEY_TLS", "VALKEY_SSL"],
        scheme: &[],
        sentinels: &[],
        master: &[],
        sentinel_password: &[],
        nodes: &["VALKEY_CLUSTER_NODES"],
        urls: &["VALKEY_URL"],
    },
    Group {
        host: &["CACHE_HOST", "CACHE_REDIS_HOST"],
        port: &["CACHE_PORT", "CACHE_REDIS_PORT"],
        user: &["CACHE_REDIS_USER"],
        password: &["CACHE_PASSWORD", "CACHE_REDIS_PASSWORD"],
        number: &["CACHE_REDIS_DB"],
        tls: &[],
        scheme: &[],
        sentinels: &[],
        master: &[],
        sentinel_password: &[],
        nodes: &[],
        urls: &["CACHE_URL", "CACHE_REDIS_URL"],
    },
];

/// The cache that the variables name.
///
/// # Errors
/// When a variable is malformed, or two name different caches.
pub(super) fn cache(variables: &Variables) -> Result<Option<Place>, ApiError> {
    let mut place: Option<Place> = None;
    for name in URLS {
        let Some(found) = variables.get(name)? else { continue };
        // django-environ's caches that are none to connect to.
        if ["locmem", "dummy", "file", "db"].iter().any(|s| found.value.trim().starts_with(&format!("{s}cache://"))) {
            continue;
        }
        let read = Place::read(found, TargetRole::Cache)?;
        if let Some(first) = &place {
            first.agrees_with(&read)?;
            first.says_all_of(&read)?;
        }
        join(&mut place, read)?;
    }
    for group in GROUPS {
        let password = given(variables, group.password)?;
        let user = given(variables, group.user)?;
        let named = at(variables, group, user.as_ref(), password.as_ref())?;
        match (named, &mut place) {
            (Some(named), _) => join(&mut place, named)?,
            // A password beside an address without one, as Laravel and Spring take it.
            (None, Some(place)) if group.urls.contains(&place.from.name) => match (&place.password, &password) {
                (Some(own), Some(other)) if own.expose() != other.value => return Err(conflict(&place.from, other)),
                (None, Some(other)) => {
                    place.password = Some(Sensitive::new(other.value.clone()));
                    if place.address.username.is_none() {
                        place.address.username = user.map(|u| u.value);
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    Ok(place)
}

fn join(place: &mut Option<Place>, other: Place) -> Result<(), ApiError> {
    match place {
        None => *place = Some(other),
        Some(place) => {
            place.agrees_with(&other)?;
            place.complete(&other);
        }
    }
    Ok(())
}

/// Laravel writes "null" for none.
fn given(variables: &Variables, names: Names) -> Result<Option<Found>, ApiError> {
    let null = |f: &Found| matches!(f.value.trim(), "null" | "(null)" | "empty" | "(empty)");
    Ok(variables.one(names)?.filter(|f| !null(f)))
}

/// What a group names, put together.
fn at(
    variables: &Variables,
    group: &'static Group,
    user: Option<&Found>,
    password: Option<&Found>,
) -> Result<Option<Place>, ApiError> {
    let given = |names: Names| given(variables, names);
    let mut parts = Parts {
        scheme: "redis",
        user: user.map(|f| f.value.clone()),
        password: password.map(|f| f.value.clone()),
        ..Parts::default()
    };
    let (mut tls, mut said) = (false, None);
    if let Some(found) = given(group.tls)? {
        tls = found.truth()?;
    }
    if let Some(found) = given(group.scheme)? {
        match found.value.trim().to_ascii_lowercase().as_str() {
            "tls" | "rediss" | "ssl" => tls = true,
            "tcp" | "redis" => {}
            _ => return Err(found.refuse("is not a scheme of Redis", "Write tls or tcp")),
        }
    }
    if let Some(found) = given(group.number)? {
        parts.path = found.number::<u32>("a database number", 0)?.to_string();
    }
    if let Some(found) = given(group.host)? {
        let value = found.value.trim();
        // phpredis takes the scheme in the host.
        let (scheme, name) = value.split_once("://").unwrap_or(("tcp", value));
        match scheme {
            "tls" | "ssl" | "rediss" => tls = true,
            "tcp" | "redis" | "unix" => {}
            _ => return Err(found.refuse("is not a host", "Write a name or an address")),
        }
        let (host, at_host) = host_and_port(&Found { value: name.to_owned(), ..found.clone() })?;
        (parts.host, parts.port) = (host, at_host);
        said = Some(found);
    }
    if let Some(found) = given(group.port)? {
        let own = port(&found)?;
        if let Some(host) = said.as_ref().filter(|_| parts.port.is_some_and(|p| p != own)) {
            return Err(conflict(host, &found));
        }
        parts.port = Some(own);
    }
    let mut mode = None;
    for (names, word) in [(group.sentinels, "sentinel"), (group.nodes, "cluster")] {
        let Some(found) = given(names)? else { continue };
        // A switch or a name in a variable of this name (REDIS_CLUSTER=redis, Laravel) lists no nodes.
        if !found.value.contains([':', ',', '.']) {
            continue;
        }
        if let Some(other) = said.replace(found.clone()) {
            return Err(conflict(&other, &found));
        }
        let nodes = found.value.split([',', ';', ' ']).map(str::trim).filter(|n| !n.is_empty());
        let mut list = Vec::new();
        for node in nodes {
            let (host, port) = host_and_port(&Found { value: node.to_owned(), ..found.clone() })?;
            let default = if word == "sentinel" { 26_379 } else { 6379 };
            let host = if host.contains(':') { format!("[{host}]") } else { host };
            list.push(format!("{host}:{}", port.unwrap_or(default)));
        }
        (parts.host, parts.port, mode) = (list.join(","), None, Some(word));
    }
    let Some(found) = said else { return Ok(None) };
    if let Some(secret) = given(group.sentinel_password)?.filter(|_| mode == Some("sentinel")) {
        return Err(secret.refuse(
            "is a password of the Sentinels, which cannot be taken from variables",
            "Enter it in the environment's form",
        ));
    }
    if mode == Some("sentinel") {
        let Some(master) = given(group.master)? else {
            let hint = format!("Add {}", group.master.first().unwrap_or(&"REDIS_SENTINEL_MASTER"));
            return Err(found.refuse("lists Sentinels without the name of their primary", hint));
        };
        parts.params.push(("master", master.value.trim().to_owned()));
    }
    parts.scheme = match (tls, mode) {
        (false, None) => "redis",
        (true, None) => "rediss",
        (false, Some("sentinel")) => "redis+sentinel",
        (true, Some("sentinel")) => "rediss+sentinel",
        (false, _) => "redis+cluster",
        (true, _) => "rediss+cluster",
    };
    if parts.host.starts_with('/') {
        return Err(found.refuse("is a Unix socket, which Perfdeck does not open for caches yet", "Give host and port"));
    }
    Place::parse(found, &parts.text(), TargetRole::Cache, true).map(Some)
}

/// The API. Two that say different things are refused; `BASE_URL` is often the site's and counts where no other is.
///
/// # Errors
/// When a variable is malformed, or two name different addresses.
pub(super) fn api(variables: &Variables) -> Result<Option<String>, ApiError> {
    let mut first: Option<Found> = None;
    for name in ["API_BASE_URL", "API_URL", "BASE_URL"] {
        let Some(found) = variables.get(name)? else { continue };
        let value = found.value.trim();
        // A path within the site, as bundlers take it.
        if value.starts_with('/') || value.starts_with('.') {
            continue;
        }
        match &first {
            None => {
                if !value.starts_with("http://") && !value.starts_with("https://") {
                    return Err(found.refuse("is not an address of HTTP", "It begins with http:// or https://"));
                }
                Place::read(found.clone(), TargetRole::Api)?;
                first = Some(found);
            }
            Some(_) if name == "BASE_URL" => {}
            Some(other) if other.value.trim().trim_end_matches('/') == value.trim_end_matches('/') => {}
            Some(other) => return Err(conflict(other, &found)),
        }
    }
    Ok(first.map(|f| f.value.trim().to_owned()))
}

/// Expiry of cache entries, in seconds.
///
/// # Errors
/// When it is no number.
pub(super) fn cache_ttl(variables: &Variables) -> Result<Option<f64>, ApiError> {
    seconds(variables, &["CACHE_DEFAULT_TTL"], 0.0)
}

fn seconds(variables: &Variables, names: Names, least: f64) -> Result<Option<f64>, ApiError> {
    let Some(found) = variables.one(names)? else { return Ok(None) };
    let n: f64 = found.number("a number of seconds", least)?;
    if !n.is_finite() || n > 1e9 {
        return Err(found.refuse("is too many seconds", "Write a number of seconds below 1 000 000 000"));
    }
    Ok(Some(n))
}

/// Pool settings, as SQLAlchemy, Rails and HikariCP name them.
///
/// # Errors
/// When one is no number, or stands for "without end", which a pool of Perfdeck's has not.
pub(super) fn pool(variables: &Variables, mut pool: PoolSettings) -> Result<PoolSettings, ApiError> {
    const SIZE: Names = &["DB_POOL_SIZE", "SQLALCHEMY_POOL_SIZE", "DB_POOL", "DATABASE_POOL_SIZE"];
    if let Some(found) = variables.one(SIZE)? {
        pool.size = connections(&found, 1)?;
    } else if let Some(found) = variables.one(&["SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE", "RAILS_MAX_THREADS"])? {
        // These pools have no overflow.
        (pool.size, pool.max_overflow) = (connections(&found, 1)?, 0);
    }
    if let Some(found) = variables.one(&["DB_MAX_OVERFLOW", "SQLALCHEMY_MAX_OVERFLOW"])? {
        pool.max_overflow = connections(&found, 0)?;
    }
    pool.timeout_s =
        seconds(variables, &["DB_POOL_TIMEOUT", "SQLALCHEMY_POOL_TIMEOUT"], 0.001)?.unwrap_or(pool.timeout_s);
    pool.recycle_s =
        seconds(variables, &["DB_POOL_RECYCLE", "SQLALCHEMY_POOL_RECYCLE"], 0.001)?.unwrap_or(pool.recycle_s);
    Ok(pool)
}

fn connections(found: &Found, least: u32) -> Result<u32, ApiError> {
    let n = found.number("a number of connections", least)?;
    if n > 10_000 {
        return Err(found.refuse("is more connections than a pool may have", "Write at most 10000"));
    }
    Ok(n)
}
