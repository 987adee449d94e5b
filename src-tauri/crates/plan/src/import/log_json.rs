//! One line of an access log in JSON: nginx and Apache by the names of their variables, Caddy, Traefik, Envoy, the Elastic
//! Common Schema, and what Docker and Kubernetes wrap around a line.
use serde_json::Value;

use super::log_line::{self, Line, Why};

const REQUEST: &[&str] = &["/request", "/request_line", "/requestLine", "/RequestLine", "/r"];
const METHOD: &[&str] = &[
    "/request_method",
    "/request/method",
    "/RequestMethod",
    "/requestMethod",
    "/http_method",
    "/method",
    "/verb",
    "/req/method",
    "/http/request/method",
    "/http.request.method",
    "/http.method",
    "/httpRequest/requestMethod",
];
const TARGET: &[&str] = &[
    "/request_uri",
    "/request/uri",
    "/RequestPath",
    "/requestUri",
    "/uri",
    "/request/url",
    "/request/path",
    "/path",
    "/url",
    "/req/url",
    "/url/original",
    "/url/path",
    "/url.original",
    "/url.path",
    "/http.target",
    "/http.url",
    "/request_path",
    "/httpRequest/requestUrl",
    "/requestUrl",
];
const QUERY: &[&str] = &["/query_string", "/args", "/query", "/url/query", "/url.query"];
const STATUS: &[&str] = &[
    "/status",
    "/DownstreamStatus",
    "/OriginStatus",
    "/status_code",
    "/statusCode",
    "/response_code",
    "/response/status",
    "/response/status_code",
    "/response/statusCode",
    "/res/statusCode",
    "/http/response/status_code",
    "/http.response.status_code",
    "/http.status_code",
    "/httpRequest/status",
    "/code",
];
const TIME: &[&str] = &[
    "/ts",
    "/time_iso8601",
    "/@timestamp",
    "/StartUTC",
    "/start_time",
    "/timestamp",
    "/time",
    "/time_local",
    "/msec",
    "/StartLocal",
    "/datetime",
    "/date",
];
/// Members that hold a line of another log.
const WRAPPED: &[&str] = &["/log", "/message", "/MESSAGE", "/msg", "/textPayload", "/line"];

/// Lines within lines at most.
const DEPTH: usize = 4;

fn text<'a>(value: &'a Value, pointers: &[&str]) -> Option<&'a str> {
    pointers.iter().find_map(|p| member(value, p)?.as_str()).filter(|t| !t.is_empty() && *t != "-")
}

/// A member by its pointer; names with dots are no paths.
fn member<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    value.pointer(pointer).filter(|v| !v.is_null())
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Seconds since 1970.
fn time(value: &Value) -> Option<i64> {
    if let Some(n) = number(value).filter(|n| n.is_finite() && *n > 0.0) {
        // Milliseconds, microseconds and nanoseconds are told apart by their size.
        let unit =
            [1e17, 1e14, 1e11].iter().zip([1e9, 1e6, 1e3]).find(|(above, _)| n > **above).map_or(1.0, |(_, u)| u);
        return Some((n / unit) as i64);
    }
    let text = value.as_str()?;
    log_line::rfc3339(text).or_else(|| log_line::time(text))
}

/// Reads a line that is an object.
pub(super) fn parse(value: &Value, depth: usize) -> Result<Line, Why> {
    let line = text(value, REQUEST).and_then(|line| log_line::request(line).ok());
    let (method, target) = match (&line, text(value, METHOD), text(value, TARGET)) {
        (_, Some(method), Some(target)) => (method.to_owned(), with_query(value, path(target))),
        (Some((method, target)), _, _) => (method.clone(), target.clone()),
        _ => return inner(value, depth),
    };
    let status = STATUS.iter().find_map(|p| number(member(value, p)?)).ok_or(Why::Status)?;
    let status = status as u16;
    if !(100..600).contains(&status) {
        return Err(Why::Status);
    }
    let at = TIME.iter().find_map(|p| time(member(value, p)?));
    Ok(Line { at, method: method.to_ascii_uppercase(), target, status })
}

/// The path of an address.
fn path(target: &str) -> String {
    let Some((_, rest)) = target.split_once("://") else { return log_line::unescaped(target) };
    log_line::unescaped(rest.find(['/', '?']).map_or("/", |at| &rest[at..]))
}

fn with_query(value: &Value, target: String) -> String {
    match text(value, QUERY).filter(|_| !target.contains('?')) {
        Some(query) => format!("{target}?{}", log_line::unescaped(query.trim_start_matches('?'))),
        None => target,
    }
}

/// A line of another log in this one, with this one's time where it has none.
fn inner(value: &Value, depth: usize) -> Result<Line, Why> {
    let Some(line) = text(value, WRAPPED).filter(|_| depth < DEPTH) else { return Err(Why::Request) };
    let mut line = log_line::parse_at(line.trim_end(), depth + 1)?;
    line.at = line.at.or_else(|| TIME.iter().find_map(|p| time(member(value, p)?)));
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<(Option<i64>, String, String, u16), Why> {
        let found = log_line::parse(text)?;
        Ok((found.at, found.method, found.target, found.status))
    }

    #[test]
    fn the_logs_of_common_servers_are_read() {
        let at = Some(1_646_861_401);
        let of = |target: &str| Ok((at, "GET".to_owned(), target.to_owned(), 200));
        for (name, text, target) in [
            (
                "Caddy",
                r#"{"level":"info","ts":1646861401.5241024,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"127.0.0.1","proto":"HTTP/2.0","method":"GET","host":"localhost","uri":"/a?b=c","headers":{"User-Agent":["curl"]}},"bytes_read":0,"duration":0.000929675,"size":10900,"status":200}"#,
                "/a?b=c",
            ),
            (
                "nginx",
                r#"{"time_iso8601":"2022-03-09T21:30:01+00:00","remote_addr":"1.2.3.4","request":"GET /a?b=c HTTP/1.1","status":"200","body_bytes_sent":"1"}"#,
                "/a?b=c",
            ),
            (
                "nginx by parts",
                r#"{"msec":"1646861401.524","request_method":"GET","uri":"/a","args":"b=c","status":200}"#,
                "/a?b=c",
            ),
            (
                "Docker",
                r#"{"log":"1.2.3.4 - - [09/Mar/2022:21:30:01 +0000] \"GET /a?b=c HTTP/1.1\" 200 1\n","stream":"stdout","time":"2023-01-01T00:00:00.5Z"}"#,
                "/a?b=c",
            ),
            (
                "Docker around JSON",
                r#"{"log":"{\"method\":\"GET\",\"path\":\"/a\",\"status\":200}\n","stream":"stdout","time":"2022-03-09T21:30:01.000000001Z"}"#,
                "/a",
            ),
            (
                "Kubernetes",
                r#"2023-01-01T00:00:00.5Z stdout F {"ts":1646861401,"method":"GET","path":"/a","status":200}"#,
                "/a",
            ),
            (
                "Traefik",
                r#"{"DownstreamStatus":200,"RequestMethod":"GET","RequestPath":"/a?b=c","StartUTC":"2022-03-09T21:30:01.1Z","time":"2022-03-09T21:30:02Z","level":"info","msg":""}"#,
                "/a?b=c",
            ),
            (
                "Envoy",
                r#"{"start_time":"2022-03-09T21:30:01.100Z","method":"GET","path":"/a","response_code":200}"#,
                "/a",
            ),
            (
                "ECS",
                r#"{"@timestamp":"2022-03-09T21:30:01Z","http":{"request":{"method":"get"},"response":{"status_code":200}},"url":{"path":"/a","query":"b=c"}}"#,
                "/a?b=c",
            ),
            (
                "Google",
                r#"{"timestamp":"2022-03-09T22:30:01+01:00","httpRequest":{"requestMethod":"GET","requestUrl":"https://h/a?b=c","status":200}}"#,
                "/a?b=c",
            ),
            (
                "milliseconds",
                r#"{"timestamp":1646861401524,"req":{"method":"GET","url":"/a"},"res":{"statusCode":200}}"#,
                "/a",
            ),
        ] {
            assert_eq!(line(text), of(target), "{name}");
        }
    }

    #[test]
    fn what_is_no_line_says_why() {
        for (text, why) in [
            (r#"{"level":"info","msg":"started"}"#, Why::Request),
            (r#"{"method":"GET","path":"/"}"#, Why::Status),
            (r#"{"method":"GET","path":"/","status":0}"#, Why::Status),
            (r#"{"method":"GET""#, Why::Json),
            (r#"{"log":"{\"log\":\"{}\"}"}"#, Why::Request),
        ] {
            assert_eq!(line(text), Err(why), "{text}");
        }
    }
}
