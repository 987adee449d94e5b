//! Certificates that the usual makers do not make any more.

/// One element of DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        n @ 0..128 => out.push(u8::try_from(n).unwrap_or(0)),
        n => {
            let bytes: Vec<u8> = n.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0));
            out.extend(bytes);
        }
    }
    out.extend(content);
    out
}

/// The elements that follow each other in `der`, whole.
fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let [_, first, rest @ ..] = der {
        let (length, head) = match first {
            n @ 0..128 => (usize::from(*n), 2),
            n => {
                let bytes = usize::from(n & 0x7f);
                (rest.iter().take(bytes).fold(0, |sum, b| sum << 8 | usize::from(*b)), 2 + bytes)
            }
        };
        let end = (head + length).min(der.len());
        all.push(&der[..end]);
        der = &der[end..];
    }
    all
}

/// What an element holds.
fn content(element: &[u8]) -> &[u8] {
    let head = match element.get(1) {
        Some(n @ 128..) => 2 + usize::from(n & 0x7f),
        _ => 2,
    };
    element.get(head..).unwrap_or_default()
}

/// The same certificate in version 1, which has no extensions, as `openssl x509 -req` without them makes it. `sign` signs
/// it anew, as the certificate itself was signed.
pub fn version_1(certificate: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let parts = elements(content(certificate));
    let fields = elements(content(parts.first().copied().unwrap_or_default()));
    // The version is [0] and absent in version 1, the extensions are [3].
    let kept: Vec<u8> =
        fields.iter().filter(|f| !matches!(f.first(), Some(0xa0 | 0xa3))).flat_map(|f| f.to_vec()).collect();
    let signed = element(0x30, &kept);
    let mut signature = vec![0];
    signature.extend(sign(&signed));
    let algorithm = parts.get(1).copied().unwrap_or_default();
    element(0x30, &[&*signed, algorithm, &*element(0x03, &signature)].concat())
}
