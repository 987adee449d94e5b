//! The scripts: each is about one key, which it names, and is over in less than 5 ms for what it is sent for.
use std::sync::OnceLock;

/// A script, and the digest that servers know it by.
pub(super) struct Script {
    pub(super) text: &'static str,
    digest: OnceLock<String>,
}

impl Script {
    const fn new(text: &'static str) -> Self {
        Self { text, digest: OnceLock::new() }
    }

    pub(super) fn digest(&self) -> &str {
        self.digest.get_or_init(|| sha1_smol::Sha1::from(self.text).digest().to_string())
    }
}

/// Reads a key whole, unless it takes more memory than ARGV[1]: value, expiry, and how it was used. ARGV[2] is `FREQ` or `IDLETIME`,
/// ARGV[3] is `1` where the server knows PEXPIRETIME. Answers nothing for a key that is gone, its memory for one that is too large.
pub(super) static READ: Script = Script::new(
    "local k=KEYS[1] local m=redis.call('MEMORY','USAGE',k) if not m then return false end \
     if m>tonumber(ARGV[1]) then return m end \
     local u=redis.pcall('OBJECT',ARGV[2],k) if type(u)~='number' then u=-1 end \
     local t if ARGV[3]=='1' then t=redis.call('PEXPIRETIME',k) else t=redis.call('PTTL',k) \
     if t>=0 then local n=redis.call('TIME') t=n[1]*1000+math.floor(n[2]/1000)+t end end \
     return {redis.call('DUMP',k),string.format('%.0f',t),u}",
);

/// Removes a key that is still as it was read: ARGV[1] is the digest of its value, ARGV[2] its expiry, ARGV[3] how far that may be off,
/// ARGV[4] as [`READ`]'s ARGV[3]. Answers 1 when it did, 0 when the key is gone, 2 when it is another one by now.
pub(super) static REMOVE: Script = Script::new(
    "local k=KEYS[1] local d=redis.call('DUMP',k) if not d then return 0 end \
     if redis.sha1hex(d)~=ARGV[1] then return 2 end \
     local t if ARGV[4]=='1' then t=redis.call('PEXPIRETIME',k) else t=redis.call('PTTL',k) \
     if t>=0 then local n=redis.call('TIME') t=n[1]*1000+math.floor(n[2]/1000)+t end end \
     if math.abs(t-tonumber(ARGV[2]))>tonumber(ARGV[3]) then return 2 end \
     redis.call('UNLINK',k) return 1",
);

/// Reads the expiry of a key only. Arguments as [`READ`]'s; answers nothing for a key that is gone.
pub(super) static EXPIRY: Script = Script::new(
    "local k=KEYS[1] local t if ARGV[3]=='1' then t=redis.call('PEXPIRETIME',k) else t=redis.call('PTTL',k) \
     if t>=0 then local n=redis.call('TIME') t=n[1]*1000+math.floor(n[2]/1000)+t end end \
     if t==-2 then return false end return {'',string.format('%.0f',t),-1}",
);

/// Lets a key expire at ARGV[1] whose expiry is still ARGV[2], give or take ARGV[3]. Answers 1 when it did, 0 when it is gone, 2 when
/// its expiry is another one by now. ARGV[4] as [`REMOVE`]'s.
pub(super) static EXPIRE: Script = Script::new(
    "local k=KEYS[1] local t if ARGV[4]=='1' then t=redis.call('PEXPIRETIME',k) else t=redis.call('PTTL',k) \
     if t>=0 then local n=redis.call('TIME') t=n[1]*1000+math.floor(n[2]/1000)+t end end \
     if t==-2 then return 0 end \
     if math.abs(t-tonumber(ARGV[2]))>tonumber(ARGV[3]) then return 2 end \
     redis.call('PEXPIREAT',k,ARGV[1]) return 1",
);

/// Gives a key the expiry ARGV[1] back (-1: none) whose expiry is ARGV[2], give or take ARGV[3]. Answers as [`EXPIRE`].
pub(super) static EXPIRE_BACK: Script = Script::new(
    "local k=KEYS[1] local t if ARGV[4]=='1' then t=redis.call('PEXPIRETIME',k) else t=redis.call('PTTL',k) \
     if t>=0 then local n=redis.call('TIME') t=n[1]*1000+math.floor(n[2]/1000)+t end end \
     if t==-2 then return 0 end \
     if math.abs(t-tonumber(ARGV[2]))>tonumber(ARGV[3]) then \
     if math.abs(t-tonumber(ARGV[1]))<=tonumber(ARGV[3]) then return 3 end return 2 end \
     if ARGV[1]=='-1' then redis.call('PERSIST',k) else redis.call('PEXPIREAT',k,ARGV[1]) end return 1",
);

/// Whether a key's value has the digest ARGV[1]: 1 or 2, and 0 when it is gone.
pub(super) static SAME: Script = Script::new(
    "local d=redis.call('DUMP',KEYS[1]) if not d then return 0 end \
     if redis.sha1hex(d)==ARGV[1] then return 1 end return 2",
);

/// Gives an epoch the value ARGV[2] that has ARGV[1], and lets it live for ARGV[3] ms at least. Answers 1 when it did, 3 when it has that
/// value already, 0 when it is gone, 2 when it has another one.
pub(super) static SWAP: Script = Script::new(
    "local v=redis.call('GET',KEYS[1]) if not v then return 0 end \
     if v==ARGV[2] then return 3 end if v~=ARGV[1] then return 2 end \
     local t=redis.call('PTTL',KEYS[1]) \
     if t<0 then redis.call('SET',KEYS[1],ARGV[2]) \
     else redis.call('SET',KEYS[1],ARGV[2],'PX',string.format('%.0f',math.max(t,tonumber(ARGV[3])))) end return 1",
);
