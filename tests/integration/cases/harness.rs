//! The harness itself: a test tool that cannot see a fault would make every other case worthless.

use std::net::SocketAddr;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sea_orm::ConnectionTrait;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::client::{Answer, Request, send_raw, volley};
use crate::harness::database::{Backend, TestDatabase};

on_all_databases!(a_test_database_is_fresh_private_and_gone_afterwards);

async fn a_test_database_is_fresh_private_and_gone_afterwards(backend: Backend) {
    let database = TestDatabase::create(backend).await;
    let other = TestDatabase::create(backend).await;
    for database in [&database, &other] {
        let connection = database.connect().await;
        connection
            .execute_unprepared("CREATE TABLE lamp (id INT PRIMARY KEY)")
            .await
            .expect("a table of its own");
        connection
            .execute_unprepared("INSERT INTO lamp VALUES (1)")
            .await
            .expect("a row of its own");
    }
    let foreign = match backend {
        // Files have no owners among the tests: what is not in this one is nowhere.
        Backend::Sqlite => "SELECT id FROM elsewhere.lamp",
        Backend::Postgres => "SELECT rolpassword FROM pg_authid",
        Backend::Mysql => "SELECT authentication_string FROM mysql.user",
    };
    database
        .connect()
        .await
        .execute_unprepared(foreign)
        .await
        .expect_err("the owner has no rights elsewhere");
    let url = database.url().to_owned();
    drop(database);
    // SQLite would make the file anew; its folder must be gone.
    assert!(
        sea_orm::Database::connect(&url).await.is_err(),
        "{url} is still there"
    );
    other
        .connect()
        .await
        .execute_unprepared("INSERT INTO lamp VALUES (2)")
        .await
        .expect("the other one stays");
}

/// Answers every connection by `answer`, which gets the request as soon as all of its announced body has come.
async fn serve<F>(answer: F) -> SocketAddr
where
    F: Fn(String) -> String + Clone + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let request = read_request(&mut stream).await;
                stream
                    .write_all(answer(request).as_bytes())
                    .await
                    .expect("the answer is taken");
            });
        }
    });
    address
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a length")) {
                return text;
            }
        }
        assert_ne!(
            stream.read_buf(&mut received).await.expect("a request"),
            0,
            "the request is cut short: {text}"
        );
    }
}

#[tokio::test]
async fn a_volley_releases_all_requests_together() {
    const SIZE: usize = 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let begun = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&begun);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let begun = Arc::clone(&seen);
            tokio::spawn(async move {
                stream.readable().await.expect("a beginning");
                begun.fetch_add(1, Ordering::SeqCst);
                let request = read_request(&mut stream).await;
                // How many requests had arrived but for their last byte when this one was whole?
                let body = format!(
                    "{} {}",
                    begun.load(Ordering::SeqCst),
                    request.ends_with("end")
                );
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream
                    .write_all(answer.as_bytes())
                    .await
                    .expect("the answer is taken");
            });
        }
    });
    let requests: Vec<Request> = (0..SIZE)
        .map(|number| {
            Request::new("POST", "/").body(format!("request {number} has come to its end"))
        })
        .collect();
    for answer in volley(address, &requests).await {
        assert_eq!(answer.text(), format!("{SIZE} true"));
    }
}

#[tokio::test]
async fn a_request_goes_out_as_built() {
    let address = serve(|request| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{request}",
            request.len()
        )
    })
    .await;
    let request = Request::new("POST", "/a b?\u{e9}")
        .header("X-Twice", "1")
        .header("x-twice", "2")
        .body("body");
    assert_eq!(
        request.send(address).await.text(),
        format!(
            "POST /a b?\u{e9} HTTP/1.1\r\nX-Twice: 1\r\nx-twice: 2\r\nHost: {address}\r\nContent-Length: 4\r\n\
             Connection: close\r\n\r\nbody"
        )
    );
}

#[tokio::test]
async fn every_form_of_body_is_read_whole() {
    for (head, wire) in [
        ("Content-Length: 5\r\n", "lamps and more"),
        (
            "Transfer-Encoding: chunked\r\n",
            "3\r\nlam\r\n2\r\nps\r\n0\r\n\r\n",
        ),
        ("", "lamps"),
    ] {
        let address = serve(move |_| {
            format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n{head}\r\n{wire}")
        })
        .await;
        let answer = send_raw(address, b"GET / HTTP/1.1\r\n\r\n")
            .await
            .expect("an answer");
        assert_eq!(
            (answer.status, answer.text()),
            (201, "lamps"),
            "with {head:?}"
        );
    }
    let address = serve(|_| "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlam".to_owned()).await;
    send_raw(address, b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect_err("a body that is cut short is no answer");
}

#[test]
fn only_a_valid_error_document_passes() {
    let answer = |media_type: &str, document: serde_json::Value| Answer {
        status: 422,
        headers: vec![("content-type".to_owned(), media_type.to_owned())],
        body: document.to_string().into_bytes(),
    };
    let good = json!({"status": "422", "code": "validation_error", "detail": ["a text"]});
    let media_type = "application/vnd.api+json";
    assert_eq!(
        answer(media_type, json!({"errors": [good]})).error_code(),
        "validation_error"
    );

    let with = |member: &str, value: serde_json::Value| {
        let mut error = good.clone();
        error[member] = value;
        json!({"errors": [good, error]})
    };
    for bad in [
        answer("application/json", json!({"errors": [good]})),
        answer(media_type, json!({"errors": []})),
        answer(media_type, json!({"errors": [good], "data": null})),
        answer(media_type, json!({"error": good})),
        answer(media_type, with("status", json!(422))),
        answer(media_type, with("status", json!("500"))),
        answer(media_type, with("code", json!(""))),
        answer(media_type, with("detail", json!("a text"))),
        answer(media_type, with("detail", json!([1]))),
        Answer {
            status: 200,
            ..answer(media_type, json!({"errors": [good]}))
        },
    ] {
        let text = format!("{bad:?}");
        assert!(
            catch_unwind(|| bad.errors()).is_err(),
            "taken for valid: {text}"
        );
    }
}
