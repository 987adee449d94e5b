//! `GET /api/stream`: the event stream of one viewer.
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use perfdeck_model::{ApiError, FrameEncoder, Topic, Watching, masking};

use crate::{Allowed, App, answer_error, status_of};

/// What a stream is asked for: `environment_id`, `topics` as a list with commas (all when absent), `series` once for each.
fn watching(query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Result<Watching, ApiError> {
    let Query(parameters) =
        query.map_err(|_| ApiError::bad_request("The address of the stream has parameters that cannot be read"))?;
    let mut watching = Watching::everything(None);
    for (name, value) in parameters {
        match name.as_str() {
            "environment_id" => watching.environment_id = Some(value),
            "topics" => watching.topics = Topic::read(value.split(',').filter(|name| !name.is_empty()))?,
            "series" => drop(watching.series.get_or_insert_default().insert(value)),
            _ => {
                let name = masking::shown(&name);
                return Err(ApiError::bad_request(format!("The stream has no parameter '{name}'"))
                    .hint("Parameters are environment_id, topics and series"));
            }
        }
    }
    Ok(watching)
}

/// The event stream: a snapshot, then deltas, one JSON line each.
pub(crate) async fn stream(
    State(app): State<App>,
    Extension(allowed): Extension<Allowed>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let viewer = async {
        let watching = watching(query)?;
        match allowed {
            Allowed::Everything => app.engine.watch(watching).await,
            Allowed::Reading => app.engine.watch_reading(watching).await,
        }
    };
    let viewer = match viewer.await {
        Ok(viewer) => viewer,
        Err(error) => return answer_error(status_of(error.code), &error),
    };
    // The viewer is polled only when the connection takes more, so a slow reader never holds up the engine.
    let lines = futures_util::stream::unfold(
        (viewer, FrameEncoder::default(), app.ending),
        |(mut viewer, mut encoder, ending)| async move {
            let frame = tokio::select! {
                frame = viewer.next() => frame?,
                () = ending.cancelled() => return None,
            };
            let mut line = serde_json::to_vec(&encoder.encode(frame)).unwrap_or_default();
            line.push(b'\n');
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(line)), (viewer, encoder, ending)))
        },
    );
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}
