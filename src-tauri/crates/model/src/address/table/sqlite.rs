//! SQLite: the parameters of its own URIs, and what SQLAlchemy, Prisma and Go's driver add.
use super::{DRIVER, POOL, Parameter, honoured, only, refused, secret_refused};

const PRAGMA: &str = "Perfdeck sets no pragmas of an address; the file keeps its own";

pub(super) const PARAMETERS: &[Parameter] = &[
    honoured("mode", &[], "`ro` reads only, `rw` (default) also writes in benchmarks, `rwc` creates a missing file for one"),
    honoured("immutable", &[], "`1` says that nobody writes to the file, so that it is not locked"),
    honoured("cache", &[], "`private` (default) or `shared`"),
    honoured("vfs", &[], "Name of the system that opens the file"),
    only("uri", &[], &["true", "1"], "the address is read as a URI"),
    refused("nolock", &[], "A file that others write must be locked; leave it out, or say immutable=1"),
    refused("psow", &[], "Perfdeck leaves it to SQLite; leave it out"),
    refused("modeof", &[], "Perfdeck leaves a file's permissions alone; leave it out"),
    secret_refused("key", &["hexkey", "textkey", "_pragma_key", "_auth_pass", "_auth_user", "_auth_crypt", "_auth_salt", "password", "passphrase"], "Perfdeck does not open encrypted files"),
    refused("cipher", &["kdf_iter", "_pragma_cipher_page_size", "_cipher"], "Perfdeck does not open encrypted files"),
    refused("timeout", &["_timeout", "_busy_timeout", "busy_timeout", "socket_timeout"], "A locked file is waited for as long as its use here allows; leave it out"),
    refused("_foreign_keys", &["_fk", "_journal_mode", "_journal", "_locking_mode", "_synchronous", "_sync", "_cache_size", "_auto_vacuum", "_vacuum", "_query_only", "_recursive_triggers", "_rt", "_secure_delete", "_ignore_check_constraints", "_case_sensitive_like", "_cslike", "_defer_foreign_keys", "_defer_fk", "_writable_schema", "_pragma", "_loc", "_txlock", "_mutex", "_stmt_cache_size", "_time_format"], PRAGMA),
    refused("connection_limit", &["pool_size", "pool", "max_connections"], POOL),
    refused("check_same_thread", &["detect_types", "isolation_level", "cached_statements", "factory", "autocommit", "adapter", "encoding", "strict", "native_datetime"], DRIVER),
];
