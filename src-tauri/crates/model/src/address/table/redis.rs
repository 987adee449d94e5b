//! Redis and Valkey: what `redis-cli` can be told, and the parameters of redis-py, redis-rs, Lettuce, go-redis and
//! Sidekiq.
use super::{DRIVER, POOL, PROGRAM, Parameter, honoured, only, refused, secret, secret_refused};

const SUITES: &str = "Perfdeck uses the modern suites of TLS 1.2 and 1.3; leave it out";

pub(super) const PARAMETERS: &[Parameter] = &[
    honoured("db", &["database", "n"], "Number of the database; wins over the path"),
    honoured("username", &["user"], "Account; wins over the one before the `@`"),
    secret("password", &["pass", "a", "auth", "authPassword"], "Kept with the secrets"),
    honoured("host", &["hostname", "h"], "Host name"),
    honoured("port", &["p"], "Port"),
    honoured("mode", &[], "`single`, `cluster` or `sentinel`, as the scheme `redis+cluster` says it too"),
    honoured("master", &["service_name", "masterName", "sentinelMasterId", "master_name", "master_set"], "Name of the primary that Sentinels watch"),
    honoured("sentinel_username", &[], "Account at the Sentinels, where it is another one"),
    secret("sentinel_password", &["sentinelPassword"], "Password at the Sentinels; kept with the secrets"),
    honoured("tls", &["ssl"], "`true` is `rediss`; `insecure` does not verify, `verify-ca` verifies the chain and not the name"),
    honoured("ssl_cert_reqs", &[], "`required` verifies, `none` and `optional` do not; needs TLS"),
    honoured("ssl_check_hostname", &[], "`false` verifies the chain and not the name; needs TLS"),
    honoured("insecure", &["skip_verify", "tlsInsecureSkipVerify"], "`true` does not verify; needs TLS"),
    honoured("sslrootcert", &["cacert", "ssl_ca_certs", "ssl_ca", "tls_ca"], "File of the only roots that are trusted, or `system`; needs TLS"),
    honoured("sslcert", &["cert", "ssl_certfile", "tls_cert"], "File of the client certificate; needs `sslkey`"),
    honoured("sslkey", &["key", "ssl_keyfile", "tls_key"], "File of the client certificate's key; needs `sslcert`"),
    honoured("connect_timeout", &["socket_connect_timeout", "connect_timeout_s"], "Longest time to connect, 1 to 60 s"),
    only("protocol", &["resp", "2"], &["2", "resp2", ""], "Perfdeck speaks RESP2"),
    refused("3", &[], "Perfdeck speaks RESP2; leave it out"),
    refused("sni", &["tls_servername", "serverName"], "The host's name is sent and verified; write that name as the host"),
    refused("cacertdir", &["ssl_ca_path", "ssl_ca_data"], "Give the roots in one file with sslrootcert"),
    refused("tls-ciphers", &["ssl_ciphers"], SUITES),
    refused("tls-ciphersuites", &["ssl_min_version"], SUITES),
    secret_refused("ssl_password", &["ssl_keyfile_password"], "Perfdeck reads keys without a password: openssl pkcs8 -in KEY -out PLAIN -nocrypt -topk8"),
    refused("ssl_validate_ocsp", &["ssl_validate_ocsp_stapled", "ssl_include_verify_flags"], "Perfdeck does not ask for the state of a certificate; leave it out if that is acceptable"),
    refused("client_name", &["clientName"], "Perfdeck's connections are called perfdeck, so that its own work can be told apart; leave it out"),
    refused("s", &["path", "unix_socket_path"], "Perfdeck reaches caches over TCP; give host and port"),
    refused("c", &["follow", "skip_full_coverage_check", "read_from_replicas", "readFrom", "route_randomly", "route_by_latency", "read_only"], "Write redis+cluster://…; commands go to the primaries"),
    refused("max_connections", &["connection_limit", "pool_size", "min_idle_conns", "max_idle_conns", "max_active_conns", "pool_timeout", "conn_max_idle_time", "conn_max_lifetime", "minimum_idle_size", "health_check_interval"], POOL),
    refused("socket_timeout", &["timeout", "dial_timeout", "read_timeout", "write_timeout", "socket_keepalive", "max_retries", "min_retry_backoff", "max_retry_backoff", "retry_on_timeout", "retry_on_error", "addr"], "Time-outs are the benchmark's; leave it out"),
    refused("decode_responses", &["encoding", "encoding_errors", "charset", "errors", "prefix", "key_prefix", "namespace", "virtual_host", "clientInfo", "lib_name", "lib_version", "single_connection_client", "parser_class", "family", "keyPrefix", "lazyConnect", "maxRetriesPerRequest", "enableReadyCheck", "allowUsernameInURI", "cluster_error_retry_attempts", "identity_suffix", "epoch"], DRIVER),
    refused("u", &["uri", "r", "repeat", "i", "interval", "x", "d", "e", "t", "askpass", "raw", "no-raw", "quoted-input", "csv", "json", "quoted-json", "show-pushes", "stat", "latency", "latency-history", "latency-dist", "lru-test", "replica", "rdb", "functions-rdb", "pipe", "pipe-timeout", "bigkeys", "memkeys", "memkeys-samples", "hotkeys", "scan", "pattern", "quoted-pattern", "count", "cursor", "top", "keystats", "keystats-samples", "intrinsic-latency", "eval", "ldb", "ldb-sync-mode", "cluster", "verbose", "no-auth-warning", "help", "version", "4", "6"], PROGRAM),
];
