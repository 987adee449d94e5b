//! The table of curl's options against the curl that is installed.
use super::*;

/// Options of the table that came after curl 7.88, the oldest that tests run with, each with its first version.
const LATER: &[(&str, (u32, u32))] = &[
    ("proxy-http2", (8, 1)),
    ("ca-native", (8, 2)),
    ("haproxy-clientip", (8, 2)),
    ("proxy-ca-native", (8, 2)),
    ("trace-ids", (8, 2)),
    ("trace-config", (8, 3)),
    ("variable", (8, 3)),
    ("ipfs-gateway", (8, 4)),
    ("ech", (8, 8)),
    ("ip-tos", (8, 9)),
    ("keepalive-cnt", (8, 9)),
    ("mptcp", (8, 9)),
    ("vlan-priority", (8, 9)),
    ("dump-ca-embed", (8, 10)),
    ("show-headers", (8, 10)),
    ("skip-existing", (8, 10)),
    ("tls-earlydata", (8, 11)),
    ("ssl-sessions", (8, 12)),
    ("upload-flags", (8, 13)),
    ("sigalgs", (8, 14)),
    ("signature-algorithms", (8, 14)),
    ("follow", (8, 16)),
    ("out-null", (8, 16)),
    ("parallel-max-host", (8, 16)),
    ("knownhosts", (8, 17)),
];

/// What the installed curl says. It is given no URL, so it sends nothing.
fn curl(arguments: &[&str]) -> String {
    // Tests of the imports run it too; where it is missing they say so.
    let output = std::process::Command::new("curl").arg("-q").args(arguments).output().expect("curl is installed");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Its options: long name, letter, and whether it shows a value after them.
fn installed() -> Vec<(String, char, bool)> {
    let option = |line: &str| {
        let (before, after) = line.split_once("--")?;
        let (name, rest) = after.split_once(' ')?;
        let short = before.trim().strip_prefix('-').and_then(|s| s.chars().next()).unwrap_or(' ');
        Some((name.to_owned(), short, rest.starts_with(['<', '['])))
    };
    curl(&["--help", "all"]).lines().filter_map(option).collect()
}

#[test]
fn the_table_knows_every_option_of_the_installed_curl() {
    let options = installed();
    assert!(options.len() > 240, "curl told of its options: {}", options.len());
    let mut wrong = Vec::new();
    for (name, short, value) in &options {
        let Found::Option(long, on) = find(name) else {
            wrong.push(format!("--{name} is missing"));
            continue;
        };
        let spec = of_name(long).expect("it was found");
        if long != name && (on || *name != format!("no-{long}")) {
            wrong.push(format!("--{name} is taken for --{long}"));
        }
        if spec.value != *value {
            wrong.push(format!("--{name}: whether a value follows is {value}"));
        }
        if spec.short != *short {
            wrong.push(format!("--{name}: its letter is '{short}'"));
        }
    }
    assert!(wrong.is_empty(), "the table and curl differ: {}", wrong.join("; "));
}

#[test]
fn the_installed_curl_knows_every_option_of_the_table() {
    let (listed, version) = (installed(), curl(&["--version"]));
    let mut numbers = version.split([' ', '.']).skip(1).filter_map(|n| n.parse::<u32>().ok());
    let version = numbers.next().zip(numbers.next()).expect("a version");
    let since = |name: &str| LATER.iter().find(|(later, _)| *later == name).map_or((0, 0), |(_, since)| *since);
    let wrong: Vec<&str> = (OPTIONS.iter().map(|option| option.long))
        .filter(|name| {
            !listed.iter().any(|(known, ..)| known.strip_prefix("no-").unwrap_or(known) == *name || known == name)
        })
        .filter(|name| since(name) <= version)
        // Those that it takes and no longer lists are options nonetheless.
        .filter(|name| curl(&[&format!("--{name}")]).contains("is unknown"))
        .collect();
    assert!(wrong.is_empty(), "curl {version:?} has no such options: {wrong:?}");
    assert!(LATER.iter().all(|(name, _)| of_name(name).is_some()), "the list of later ones is of the table");
}

#[test]
fn names_and_letters_are_given_once() {
    for (i, option) in OPTIONS.iter().enumerate() {
        let others = || OPTIONS.iter().skip(i + 1);
        assert!(others().all(|o| o.long != option.long), "--{} is there once", option.long);
        assert!(option.short == ' ' || others().all(|o| o.short != option.short), "-{} is there once", option.short);
    }
    assert_eq!(find("no-compressed"), Found::Option("compressed", false), "a switch is switched off");
    assert_eq!(find("no-output"), Found::Unknown, "a value is not");
    assert_eq!(find("retry-d"), Found::Option("retry-delay", true), "a beginning that only one has");
    assert_eq!((find("da"), find("foo")), (Found::Several, Found::Unknown), "or several, or none");
}
