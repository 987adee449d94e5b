//! Which slot of a cluster a key is in.
//!
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model>

/// Slots of every cluster.
pub(super) const SLOTS: usize = 16_384;

/// CRC16 of XMODEM: polynomial 0x1021, from zero.
const TABLE: [u16; 256] = {
    let mut table = [0u16; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

/// The slot of a key. Of a key with a hash tag, such as `{user:7}:cart`, only what is between the first braces counts.
pub(super) fn slot_of(key: &[u8]) -> usize {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let inner = key.get(open + 1..)?;
        let close = inner.iter().position(|byte| *byte == b'}')?;
        inner.get(..close).filter(|tag| !tag.is_empty())
    });
    usize::from(crc16(tag.unwrap_or(key))) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc16_is_the_one_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3, "the check value of XMODEM");
        assert_eq!(crc16(b""), 0, "nothing has none");
    }

    #[test]
    fn slots_are_those_that_redis_answers() {
        // `CLUSTER KEYSLOT` of Redis 7.0 gives these.
        for (key, slot) in [
            (&b"foo"[..], 12_182),
            (b"bar", 5_061),
            (b"key:{user:7}:cart", usize::from(crc16(b"user:7")) % SLOTS),
            (b"{}foo", usize::from(crc16(b"{}foo")) % SLOTS),
            (b"foo{bar", usize::from(crc16(b"foo{bar")) % SLOTS),
            (b"foo{{bar}}zap", usize::from(crc16(b"{bar")) % SLOTS),
            (b"foo{bar}{zap}", 5_061),
        ] {
            assert_eq!(slot_of(key), slot, "{}", key.escape_ascii());
        }
    }
}
