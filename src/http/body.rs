//! Reads a body within its size and its time.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt;

use super::error_document::Refusal;

/// What is read and thrown away of a body that is too long, so that the client is done writing when the refusal comes
/// and can read it. Beyond this the connection is simply closed.
const MOST_THROWN_AWAY: usize = 16 * 1024 * 1024;

/// The whole body.
///
/// # Errors
/// [`Refusal::BodyTooLarge`], [`Refusal::BodyTimeout`], [`Refusal::BodyCut`].
pub(super) async fn read(
    request: &HttpRequest,
    payload: Payload,
    most: usize,
    time: Duration,
) -> Result<Vec<u8>, Refusal> {
    let mut reading = pin!(read_all(request, payload, most));
    // Most bodies came along with their heads; those need no clock.
    if let Poll::Ready(read) = futures_util::poll!(&mut reading) {
        return read;
    }
    match tokio::time::timeout(time, reading).await {
        Ok(read) => read,
        Err(_) => Err(Refusal::BodyTimeout),
    }
}

async fn read_all(
    request: &HttpRequest,
    mut payload: Payload,
    most: usize,
) -> Result<Vec<u8>, Refusal> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MOST_THROWN_AWAY as u64) {
        return Err(Refusal::BodyTooLarge);
    }
    let mut body = BytesMut::new();
    let mut seen = 0;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Overflow => Refusal::BodyTooLarge,
            _ => Refusal::BodyCut,
        })?;
        seen += chunk.len();
        if seen > MOST_THROWN_AWAY {
            return Err(Refusal::BodyTooLarge);
        }
        if seen > most {
            body.clear();
        } else {
            body.extend_from_slice(&chunk);
        }
    }
    if seen > most {
        Err(Refusal::BodyTooLarge)
    } else {
        Ok(body.to_vec())
    }
}
