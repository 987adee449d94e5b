//! A server in protected mode is named for what it is. It answers loopback only, so that a client with another address is
//! needed: in a network namespace of its own, or from an address of this machine.
use std::process::Command;

use perfdeck_cache::test;
use perfdeck_model::{Address, CacheMode, CacheTarget};
use perfdeck_testkit::Redis;

/// Set for the copy of this program that runs in the namespace: the address that it has there.
const INSIDE: &str = "PERFDECK_TEST_FOREIGN_ADDRESS";
/// For documentation (RFC 5737): nobody's.
const NOBODYS: &str = "192.0.2.77";

#[test]
#[allow(clippy::print_stderr, reason = "a skipped test must be seen")]
fn a_server_in_protected_mode_says_so_to_clients_of_other_addresses() {
    // Whoever may do it makes a namespace in which loopback has one more address; it ends with the program.
    let script = format!("ip link set lo up && ip address add {NOBODYS}/32 dev lo && exec \"$0\" \"$@\"");
    let this = std::env::current_exe().expect("this program");
    let mut why = String::new();
    for namespaces in [&["--net"][..], &["--user", "--map-root-user", "--net"]] {
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", &script]).arg(&this);
        command.args(["--exact", "protected::inner_protected", "--ignored"]).env(INSIDE, NOBODYS);
        let Ok(output) = command.output() else { continue };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.contains("running 1 test") {
            assert!(
                output.status.success() && said.contains("1 passed"),
                "{said}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            return;
        }
        why = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    let own = probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr()).map(|a| a.ip());
    match own.ok().filter(|ip| !ip.is_loopback()) {
        Some(own) => runtime().block_on(protected(&own.to_string())),
        None => eprintln!("SKIPPED a_server_in_protected_mode: no namespace ({why}) and no address but loopback"),
    }
}

#[test]
#[ignore = "run by the test above in a namespace of its own"]
fn inner_protected() {
    runtime().block_on(protected(&std::env::var(INSIDE).expect("its address there")));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

async fn protected(own: &str) {
    let server = Redis::start_with(&["--bind", "127.0.0.1", own, "--protected-mode", "yes"]).await.expect("Redis");
    for (scheme, mode) in
        [("redis", CacheMode::Single), ("valkey", CacheMode::Single), ("redis+cluster", CacheMode::Cluster)]
    {
        let url = format!("{scheme}://{own}:{}", server.port());
        let (address, password) = Address::parse(&url).expect("a URL");
        let target = CacheTarget { mode, ..CacheTarget::of(address) };
        let report = test(&target, password.as_ref()).await;
        let error = report.error.unwrap_or_else(|| panic!("{url} is protected"));
        assert!(error.message.contains("protected mode"), "{url}: {error:?}");
        assert!(error.hint.is_some_and(|h| h.contains("requirepass")), "{url}: with the step that helps");
    }
}
