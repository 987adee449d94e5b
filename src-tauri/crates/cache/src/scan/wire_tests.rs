//! The protocol, byte for byte, however it is cut into packets.
use super::*;

/// A connection on which these bytes come, `step` at a time.
fn receiving(bytes: &[u8], step: usize) -> Wire {
    let (mut far, near) = tokio::io::duplex(step);
    let bytes = bytes.to_vec();
    tokio::spawn(async move {
        // The reader may have had enough.
        let _ = far.write_all(&bytes).await;
    });
    Wire::new(Box::new(near))
}

#[tokio::test]
async fn replies_of_both_protocols_are_read_however_they_are_cut() {
    let bytes = b"+OK\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n_\r\n-ERR no\r\n>2\r\n+x\r\n:1\r\n*2\r\n:1\r\n*1\r\n$0\r\n\r\n%1\r\n+k\r\n#t\r\n,1.5\r\n(123456789012345678901\r\n=5\r\ntxt:a\r\n!3\r\nERR\r\n";
    let text = |t: &str| Reply::Bytes(t.into());
    let right = [
        text("OK"),
        Reply::Number(-7),
        text("a\r\n"),
        Reply::Null,
        Reply::Null,
        Reply::Error("ERR no".into()),
        Reply::List(vec![Reply::Number(1), Reply::List(vec![text("")])]),
        Reply::List(vec![text("k"), Reply::Number(1)]),
        text("1.5"),
        text("123456789012345678901"),
        text("a"),
        Reply::Error("ERR".into()),
    ];
    for step in [1, 2, 7, 4_096] {
        let mut wire = receiving(bytes, step);
        for reply in &right {
            assert_eq!(&wire.reply().await.expect("a reply"), reply, "by {step}");
        }
    }
}

#[tokio::test]
async fn pages_have_opaque_cursors_and_names_of_any_bytes() {
    let mut bytes = b"*2\r\n$20\r\n18446744073709551615\r\n*4\r\n$0\r\n\r\n$3\r\n\xff\x00\n\r\n$1\r\na\r\n".to_vec();
    bytes.extend(b"$4096\r\n");
    bytes.extend([b'y'; 4_096]);
    bytes.extend(b"\r\n*2\r\n$1\r\n0\r\n*0\r\n");
    for step in [1, 5, 100_000] {
        let mut wire = receiving(&bytes, step);
        let mut names = Names::default();
        assert_eq!(wire.cursor().await.expect("a cursor"), b"18446744073709551615", "above 2^63, as it is written");
        wire.names(&mut names).await.expect("names");
        let all: Vec<&[u8]> = names.iter().collect();
        assert_eq!(
            (all.len(), all[0], all[1], all[2], all[3].len()),
            (4, &b""[..], &b"\xff\x00\n"[..], &b"a"[..], 4_096),
            "by {step}"
        );
        names.clear();
        assert_eq!(wire.cursor().await.expect("the end"), b"0", "an empty page is a page");
        wire.names(&mut names).await.expect("none");
        assert_eq!(names.len(), 0, "without names");
    }
}

#[tokio::test]
async fn what_is_no_protocol_is_refused_and_nothing_is_read_without_end() {
    for bytes in ["HTTP/1.1 400 Bad Request\r\n", "\r\n", "*x\r\n", "$5\r\nabcdefgh\r\n", ":\r\n", "*-5\r\n"] {
        let error = receiving(bytes.as_bytes(), 64).reply().await.expect_err(bytes);
        assert!(matches!(error, Broken::Nonsense), "{bytes:?}: {error:?}");
    }
    for bytes in ["$99999999999\r\n", "*99999999999\r\n", &"*1\r\n".repeat(50)] {
        let error = receiving(bytes.as_bytes(), 64).reply().await.expect_err(bytes);
        assert!(matches!(error, Broken::TooLong), "{bytes:?}: {error:?}");
    }
    let closed = receiving(b"$5\r\nab", 64).reply().await.expect_err("half of it");
    assert!(matches!(closed, Broken::Io(_)), "{closed:?}");
    let refused = receiving(b"-NOPERM this user\r\n", 64).cursor().await.expect_err("an error for a page");
    assert!(matches!(&refused, Broken::Refused(text) if text.starts_with("NOPERM")), "{refused:?}");
}
